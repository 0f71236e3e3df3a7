"""Kill a build anywhere: the same command ends with the same bytes, and decodes no sealed shard again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mmno_fast import _core

MakeCorpus = Callable[..., Path]

BUILDER = """
import json, sys
from mmno_fast import _core
from mmno_fast.specs import Resize
names = ("train_open.jsonl", "train_no_cot_closed.jsonl", "train_cot_closed.jsonl")
sources = [(name, f"{sys.argv[1]}/training/{name}") for name in names]
print(_core.build(sources, [f"{sys.argv[1]}/images"], sys.argv[2], spec=Resize(224, fit="stretch").to_json(), shard_bytes=2 << 20,
                  shuffle_seed=None, update=False, placeholders="required", strip_prefix=None, follow_links=True,
                  max_line_bytes=16 << 20, threads=2, chunk_bytes=1 << 16, window=8, progress=None))
"""
KILLS = 50


def start(corpus: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(corpus), str(out)], stdout=subprocess.DEVNULL)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def sealed(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_ino for path in out.glob("*/unit.json") if path.parent.parent == out}


def test_a_killed_build_goes_on_to_the_same_bytes(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    began = time.monotonic()
    assert start(corpus, tmp_path / "whole").wait() == 0
    lasting = time.monotonic() - began
    expected = bytes_of(tmp_path / "whole")
    moments = random.Random(7)
    kills = 0
    out = tmp_path / "killed"
    while kills < KILLS:
        builder = start(corpus, out)
        time.sleep(moments.uniform(0.2, 1.1) * lasting)
        builder.send_signal(signal.SIGKILL)
        kills += builder.wait() == -signal.SIGKILL
        if moments.random() < 0.3:
            before = sealed(out)
            assert start(corpus, out).wait() == 0
            assert bytes_of(out) == expected
            after = sealed(out)
            assert all(after[name] == inode for name, inode in before.items())
            out = tmp_path / f"killed{kills}"
    assert start(corpus, out).wait() == 0
    assert bytes_of(out) == expected


def test_another_builder_is_refused_by_name(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=300, upscale=512)
    out = tmp_path / "shards"
    first = start(corpus, out)
    while not (out / ".build" / "lock").exists():
        time.sleep(0.001)
    time.sleep(0.05)
    second = subprocess.run([sys.executable, "-c", BUILDER, str(corpus), str(out)], capture_output=True, text=True, check=False)
    first.kill()
    first.wait()
    assert f"another builder is at work here (process {first.pid})" in second.stderr
    assert _core.ShardError.__name__ in second.stderr
