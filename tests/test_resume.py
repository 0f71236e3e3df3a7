"""Kill a build anywhere: the same command ends with the same bytes, and decodes no sealed shard again."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import Json, bytes_of, inodes_of, problems

MakeCorpus = Callable[..., Path]

BUILDER = """
import sys
import mmno_fast as mf
corpus, out, update = sys.argv[1:]
sources = [f"{corpus}/training/train_{name}.jsonl" for name in ("open", "no_cot_closed", "cot_closed")]
print("ready", flush=True)
image = mf.Resize(224, fit="stretch")
report = mf.build(sources, f"{corpus}/images", out, image, shard_bytes=2 << 20, threads=2, update=update == "update")
print(report.to_json())
"""
KILLS = 50


class Builder:
    """A build in a process of its own."""

    def __init__(self, corpus: Path, out: Path, *, update: bool = False) -> None:
        command = [sys.executable, "-c", BUILDER, str(corpus), str(out), "update" if update else "build"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def report(self) -> Json:
        """What it says when it has finished."""
        output, _ = self.process.communicate()
        assert self.process.returncode == 0
        report: Json = json.loads(output.removeprefix(b"ready\n"))
        return report

    def kill_after(self, seconds: float) -> bool:
        """Kills it so long after its start; whether it was still at work."""
        self.wait_until_ready()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        return self.process.returncode == -signal.SIGKILL


def sealed(out: Path) -> dict[str, dict[str, int]]:
    """The inodes of each sealed shard's files."""
    return {path.parent.name: inodes_of(path.parent) for path in out.glob("*/unit.json") if path.parent.parent == out}


def tried(corpus: Path, shard: Path) -> int:
    """How many pictures were decoded for a shard: those stored, and those that rejected its rows."""
    record = json.loads((shard / "unit.json").read_text("utf-8"))
    broken = set()
    for reject in record["rejects"]:
        line = (corpus / "training" / reject["source"]).read_bytes().splitlines()[reject["line"] - 1]
        for name in json.loads(line)["images"]:
            broken.add(sha256((corpus / "images" / "Dataset" / "Dataset" / name).read_bytes()).digest())
    return int(record["pictures"]) + len(broken)


def test_a_killed_build_goes_on_to_the_same_bytes(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    whole = Builder(corpus, tmp_path / "whole").report()
    expected = bytes_of(tmp_path / "whole")
    attempts = {name: tried(corpus, tmp_path / "whole" / name) for name in sealed(tmp_path / "whole")}
    assert whole["decoded"] == sum(attempts.values())
    assert len(attempts) > 4
    moments = random.Random(7)
    kills = resumed = 0
    lasting: float = whole["seconds"]
    out = tmp_path / "killed"
    while kills < KILLS or not resumed:
        killed = Builder(corpus, out).kill_after(moments.uniform(0, 1.05) * lasting)
        kills += killed
        lasting *= 1.02 if killed else 0.9  # the machine may have been slower, or faster, when the whole build was timed
        before = sealed(out)
        if before and not (out / "manifest.json").exists():
            with pytest.raises(mf.ShardError, match=r"no manifest\.json"):
                problems(out)
        if moments.random() < 0.4 and not (out / "manifest.json").exists():
            report = Builder(corpus, out).report()
            assert bytes_of(out) == expected
            assert (report["kept"], report["built"]) == (len(before), len(attempts) - len(before))
            assert report["decoded"] == sum(count for name, count in attempts.items() if name not in before)
            resumed += 0 < len(before) < len(attempts)
        if (out / "manifest.json").exists():
            if (out / ".build").exists():  # killed between the manifest and the end: a data set already, which a later run clears up
                assert len(mf.open(out)) == whole["rows"]
                Builder(corpus, out).report()
            assert bytes_of(out) == expected
            after = sealed(out)
            assert {name: after[name] for name in before} == before
            shutil.rmtree(out)
    Builder(corpus, out).report()
    assert bytes_of(out) == expected


def test_a_killed_update_goes_on_to_the_same_bytes(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    old, new = make_corpus(images=60, faults=0, seed=4), make_corpus(images=60, faults=240, seed=0)
    lasting = Builder(new, tmp_path / "fresh").report()["seconds"]
    expected = bytes_of(tmp_path / "fresh")
    Builder(old, tmp_path / "old").report()
    moments = random.Random(8)
    for number in range(10):
        out = tmp_path / str(number)
        shutil.copytree(tmp_path / "old", out)
        Builder(new, out, update=True).kill_after(moments.uniform(0, 1) * lasting)
        assert len(mf.open(out).take([0, 1])) == 2  # the old data set is whole until the new one is
        Builder(new, out, update=True).report()
        assert bytes_of(out) == expected
        shutil.rmtree(out)


def stopped_at_work(corpus: Path, out: Path) -> Builder | None:
    """A builder that holds the lock and does not go on; None where it was too fast to be stopped."""
    builder, lock = Builder(corpus, out), out / ".build" / "lock"
    while builder.process.poll() is None:
        with suppress(FileNotFoundError):
            if lock.read_bytes():  # it is written once the lock is held
                builder.process.send_signal(signal.SIGSTOP)
                break
    if lock.exists():
        return builder
    builder.process.kill()
    builder.process.communicate()
    return None


def test_another_builder_is_refused_by_name(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=300, upscale=512)
    tries = ((out, stopped_at_work(corpus, out)) for out in (tmp_path / str(number) for number in range(10)))
    out, first = next((out, builder) for out, builder in tries if builder)
    sources = sorted((corpus / "training").glob("*.jsonl"))
    with pytest.raises(mf.ShardError, match=rf"another builder is at work here \(process {first.process.pid}\)"):
        mf.build(sources, corpus / "images", out, mf.Resize(224, fit="stretch"))
    first.process.send_signal(signal.SIGCONT)
    first.report()
    assert problems(out) == []
