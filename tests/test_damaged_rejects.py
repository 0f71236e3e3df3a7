"""A `rejects.jsonl` that is not what was written, and files longer than memory: the identity of a data set is checked as its content is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.damage import copy, file_of, seal
from tests.judged import Judge, assert_none, is_named

REJECTS = "rejects.jsonl"
LOADERS = ("Loader", "Loader, grouped")
"""The ways that ask for the identity of the rows."""
LONG = 1 << 43
"""More bytes than there is memory, in a file with a hole."""

LIMITED = """
import resource, sys
import mmno_fast as mf
from mmno_fast import _core
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
def tried(name, work):
    try:
        work()
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        print(f"{name}: read")
what, path, *more = sys.argv[1:]
if what == "shards":
    tried("open", lambda: mf.open(path))
    tried("rows", lambda: list(mf.open(path)))
    tried("identity", lambda: next(iter(mf.Loader(mf.open(path), 1, shuffle=False))))
else:
    tried("raw", lambda: mf.open(path, more[0], rejects=more[1]))
"""


def limited(*arguments: object) -> dict[str, str]:
    """What a process of 8 GiB says of each step."""
    done = subprocess.run([sys.executable, "-c", LIMITED, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def lengthened(path: Path) -> Path:
    """The file, with a hole behind its content."""
    try:
        with path.open("r+b") as file:
            file.truncate(LONG)
    except OSError:
        pytest.skip("the file system has no such long files")
    return path


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a digit": lambda text: text.replace(b'"line":7', b'"line":8'),
    "a name": lambda text: text.replace(b"a.jsonl", b"b.jsonl", 1),
    "its text": lambda text: text.replace(b"missing", b"MISSING"),
    "nothing": lambda _: b"",
    "twice": lambda text: text * 2,
    "NULs": lambda text: bytes(len(text)),
    "very often": lambda text: text * (48 << 20 >> len(text).bit_length()),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("how", ["no", "lengths"])
def test_rejected_rows_that_are_others_are_refused(judge: Judge, tmp_path, kind, how):
    """They are part of the identity that a state remembers, so the hash is looked at, too."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    text = file_of(out, REJECTS).read_bytes()
    changed = CHANGES[kind](text)
    assert changed != text
    file_of(out, REJECTS).write_bytes(changed)
    seal(out, how=how)
    if how == "lengths":  # the seal hashes what it measures
        assert len(changed) == file_of(out, REJECTS).stat().st_size
    verdict = judge("resize", out, f"{REJECTS}: {kind}, sealed {how}").refused(REJECTS, LOADERS)
    assert_none([verdict])
    assert verdict.ended.seconds < 2


@pytest.mark.parametrize("kind", ["nothing", "twice", "very often"])
def test_another_number_of_rejected_rows_is_refused(judge: Judge, tmp_path, kind):
    """Sealed: its hash agrees. Who counts stops where there is one too many."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    path = file_of(out, REJECTS)
    path.write_bytes(CHANGES[kind](path.read_bytes()))
    seal(out)
    verdict = judge("resize", out, f"{REJECTS}: {kind}").refused(REJECTS, LOADERS, words="expected 1 rejected rows")
    assert_none([verdict])
    assert verdict.ended.peak < 1 << 28


@pytest.mark.parametrize("name", ["manifest.json", "rows.index.npy", REJECTS, "rows.arrow", "pictures.arrow", "gray.npy", "rgb.npy"])
def test_a_file_that_is_longer_than_memory_is_refused(judge: Judge, tmp_path, name):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    lengthened(file_of(out, name))
    said = limited("shards", out)
    at = {"manifest.json": "open", "rows.index.npy": "open", REJECTS: "identity"}.get(name, "rows")
    assert said[at].startswith("ShardError: "), said
    assert is_named(name, said[at])


def test_rejects_of_a_raw_reader_that_are_longer_than_memory(tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": []}) + "\n")
    for content in ("", '{"source":"train.jsonl","line":1}\n'):
        (tmp_path / REJECTS).write_text(content)
        said = limited("raw", tmp_path / "train.jsonl", tmp_path, lengthened(tmp_path / REJECTS))
        assert said["raw"].startswith("ShardError: "), said
        assert REJECTS in said["raw"]


def test_rejects_of_a_raw_reader_that_are_not_there(tmp_path):
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(FileNotFoundError, match=REJECTS):
        mf.open(tmp_path / "train.jsonl", tmp_path, rejects=tmp_path / REJECTS)
