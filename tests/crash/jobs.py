"""The small data sets and the commands whose crashes are tried: a build, one that goes on after a kill, an update, one with rejects.

A job lies in a folder of its own: ``rows.jsonl``, ``images/`` and ``out/`` as they are when the command begins, and ``bystander/``, which
is somebody else's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import mmno_fast as mf

from tests.building import Json, about, bytes_of, chat, encoded, noise, write_files, write_rows
from tests.crash.look import look
from tests.crash.traced import traced

Name = Literal["build", "resume", "update", "rejects"]
NAMES: Final[tuple[Name, ...]] = ("build", "resume", "update", "rejects")
SIDE: Final = 8
SHARD_BYTES: Final = 2 * SIDE * SIDE * 3
"""Two pictures to a shard."""


@dataclass(frozen=True)
class Job:
    """A command that is ready to run, and what must come of it."""

    name: Name
    base: Path
    """Its folder."""
    old: str
    """A digest of the rows that could be read before; empty where there was no data set."""
    new: str
    """A digest of the rows of the finished data set."""
    whole: dict[str, bytes]
    """Every file of the finished data set."""

    @property
    def out(self) -> Path:
        """The data set, as it is when the command begins."""
        return self.base / "out"

    def run(self, out: Path | None = None) -> mf.BuildReport:
        """The command, in this process; into another folder where one is given."""
        return build(self.base, out or self.out, update=self.name == "update")

    def arguments(self, out: Path | None = None) -> list[str]:
        """The command, as one says it to a shell."""
        size = ["--size", str(SIDE), "--fit", "stretch", "--shard-bytes", str(SHARD_BYTES)]
        rows, images = str(self.base / "rows.jsonl"), str(self.base / "images")
        update = ["--update"] if self.name == "update" else []
        return ["build", rows, "--images", images, "--out", str(out or self.out), *size, "--threads", "1", *update]


def build(base: Path, out: Path, *, update: bool = False) -> mf.BuildReport:
    """The build of every job, by one thread, so that its system calls come in one order."""
    image = mf.Resize(SIDE, fit="stretch")
    return mf.build(base / "rows.jsonl", base / "images", out, image, shard_bytes=SHARD_BYTES, threads=1, update=update)


def prepare(base: Path, name: Name) -> Job:
    """The folder of a job, made anew."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    write_files(base / "bystander", {"thesis.txt": b"of somebody else", "deep/notes.txt": b"too"})
    write_files(base / "images", _pictures(broken=name == "rejects"))
    old = ""
    if name == "update":
        write_rows(base / "rows.jsonl", _rows_before())
        build(base, base / "out")
        old = look(base / "out").rows
        write_rows(base / "rows.jsonl", _rows_after())
    else:
        write_rows(base / "rows.jsonl", _rows_with_faults() if name == "rejects" else _rows_before())
    if name == "resume":  # killed where the second shard would get its name
        killed = traced(lambda: build(base, base / "out"), ["-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=2"])
        assert killed.died == "SIGKILL", killed
        assert (base / "out" / ".build" / "lock").exists()
    apart = base.with_name(base.name + ".whole")
    shutil.rmtree(apart, ignore_errors=True)
    build(base, apart)
    seen = look(apart)
    assert seen.error == "", seen
    assert seen.problems == (), seen
    whole = bytes_of(apart)
    shutil.rmtree(apart)
    return Job(name, base, old, seen.rows, whole)


def _pictures(*, broken: bool) -> dict[str, bytes]:
    files = {f"{i}.png": encoded(noise(i, SIDE, SIDE, *((3,) if i % 2 else ()))) for i in range(6)}
    if broken:  # its header can be read, its pixels cannot
        files["5.png"] = files["5.png"][:-40]
    return files


def _rows_before() -> list[Json | bytes]:
    return [*(about(f"{i}.png") for i in range(5)), about("0.png", meta={"again": 0}), about("2.png"), chat()]


def _rows_after() -> list[Json | bytes]:
    """As many, in another order: of two shards all pixels can be linked, of the third one picture can be copied."""
    return [*(about(f"{i}.png") for i in range(4)), about("5.png", "4.png"), about("2.png"), about("0.png", meta={"again": 0}), chat()]


def _rows_with_faults() -> list[Json | bytes]:
    rows: list[Any] = _rows_before()
    return [rows[0], b"no row", *rows[1:4], about("missing.png"), about("5.png"), *rows[4:], b'{"messages": "\xff"}']
