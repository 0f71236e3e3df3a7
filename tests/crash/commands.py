"""The commands whose system calls fail, or that are killed: each in its folder, again and again from the same beginning."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mmno_fast as mf
from mmno_fast.cli import main
from mmno_fast.cli.exits import REJECTED

from tests.building import bytes_of
from tests.crash import jobs
from tests.crash.disk import Tree
from tests.crash.jobs import Job
from tests.crash.states import materialise
from tests.crash.traced import Traced, traced
from tests.ways import digest

WRITERS: Final = jobs.NAMES
"""Commands that make a data set."""
READERS: Final = ("verify", "check", "epoch", "raw")
"""Commands that change nothing: of ``epoch`` and ``raw`` a loader reads shards, or JSONL and pictures."""
CALLS: Final = (
    "openat,read,pread64,write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,fsync,fdatasync,ftruncate,mkdir,mkdirat,"
    "copy_file_range,sendfile,mmap,msync,statx,newfstatat,fstat,getdents64,close,flock,lseek,symlink,symlinkat,readlink,readlinkat,ioctl"
)
"""What fails."""
LEFT_OUT: Final = "rows are left out:"
"""What a raw reader's program says of the rows that its data set rejects."""
_SECONDS: Final = re.compile(r"\d+\.\d+ s\b|\d+ ms\b")


@dataclass(frozen=True)
class Place:
    """One system call of a command: the `number`-th of its name that a thread makes on the paths of the job, beginning with 1."""

    call: str
    number: int


class Command:
    """A command and where it runs."""

    def __init__(self, name: str, base: Path) -> None:
        self.name, self.base = name, base
        self.job: Job = jobs.prepare(base, name if name in WRITERS else "build")
        if name in ("verify", "epoch"):
            self.job.run()
        self._begins = Tree.of(base).files()
        self._run = self._function()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(SystemExit):
            if name in ("verify", "check"):  # whatever is imported late is imported now
                self._run()
            elif name in WRITERS:
                main_of(["build", "--help"])
                main_of(self.job.arguments(base / "warm"))
        shutil.rmtree(base / "warm", ignore_errors=True)
        undisturbed = traced(self._run, ["-y", "-xx", "-s", "4096", "-e", f"trace={CALLS}"])
        self.code = undisturbed.code
        """How it ends when nothing fails."""
        assert (self.code, undisturbed.died) == (REJECTED if name == "rejects" else 0, ""), undisturbed
        self.said = self.told(undisturbed)
        """What it says then."""
        self.paths = sorted(_paths(undisturbed.trace, base))
        self.restore()
        self.places = self._places()
        """Every system call on a path of the job."""

    @property
    def writes(self) -> bool:
        """Whether it makes a data set."""
        return self.name in WRITERS

    def _function(self) -> Callable[[], None]:
        rows, images, out = str(self.base / "rows.jsonl"), str(self.base / "images"), str(self.base / "out")
        arguments = {
            "verify": ["verify", out, "--threads", "1"],
            "check": ["check", rows, "--images", images, "--threads", "1"],
        }
        if self.name == "epoch":
            return lambda: epoch(mf.open(out))
        if self.name == "raw":
            image = mf.Resize(jobs.SIDE, fit="stretch")
            return lambda: epoch(mf.open(rows, images, image=image, threads=1), raw=True)
        return lambda: main_of(arguments.get(self.name) or self.job.arguments())

    def _places(self) -> list[Place]:
        counts: dict[tuple[str, str], int] = {}
        places: dict[Place, None] = {}  # in the order in which they come first
        for line in self.under(["-e", f"trace={CALLS}"]).trace.splitlines():
            if found := re.match(r"(\d+) +(\w+)\(", line):
                key = found[1], found[2]  # strace counts those of each thread
                counts[key] = counts.get(key, 0) + 1
                places[Place(found[2], counts[key])] = None
        self.restore()
        return list(places)

    def under(self, options: list[str]) -> Traced:
        """Run it under strace, with an eye on the paths of the job alone."""
        return traced(self._run, ["-y", *(text for path in self.paths for text in ("-P", path)), *options])

    def told(self, ended: Traced) -> str:
        """What it said, without what differs each time."""
        return _SECONDS.sub("N s", ended.said)

    def touched(self) -> list[str]:
        """What has changed and is not the command's own."""
        now = Tree.of(self.base).files()
        names = (name for name in {*now, *self._begins} if not (self.writes and (name == "out" or name.startswith("out/"))))
        return sorted(name for name in names if now.get(name, 0) != self._begins.get(name, 0))

    def restore(self) -> None:
        """All as it was in the beginning."""
        for name in self.touched():
            raise RuntimeError(f"{name} was changed, and is no output")
        if self.writes:
            out = self.base / "out"
            shutil.rmtree(out, ignore_errors=True)
            if "out" in self._begins:
                out.mkdir()
                materialise({name[4:]: content for name, content in self._begins.items() if name.startswith("out/")}, out)

    def is_whole(self) -> bool:
        """Whether the data set has the bytes that it has when nothing fails."""
        return bytes_of(self.base / "out") == self.job.whole


def main_of(arguments: list[str]) -> None:
    """The command line."""
    os.environ["COLUMNS"] = "2000"  # so that no path is broken into two lines
    sys.argv = ["mmno-fast", *arguments]
    main()


def epoch(dataset: mf.Dataset, *, raw: bool = False) -> None:
    """One epoch in order, and a digest of what came."""
    parts = []
    with mf.Loader(dataset, batch_size=3, shuffle=False, threads=1) as loader:
        parts = [digest(batch.images, batch.rows.to_pylist()) for batch in loader]
    print(digest(parts), flush=True)
    if raw and dataset.rejected:
        print(LEFT_OUT, dataset.rejected, flush=True)
        sys.exit(REJECTED)


def _paths(trace: str, base: Path) -> set[str]:
    """Every path of the job that a call has named, by itself or by an open file."""
    found = set()
    for folder, text in re.findall(r'(?:<((?:\\x[0-9a-f]{2})+)>)?(?:, )?(?:"((?:\\x[0-9a-f]{2})+)")?', trace):
        here, name = (bytes.fromhex(each.replace("\\x", "")).decode("utf-8", "surrogateescape") for each in (folder, text))
        for path in (here, name, f"{here}/{name}" if name and not name.startswith("/") else ""):
            if path == str(base) or path.startswith(f"{base}/"):
                found.add(path.rstrip("/"))
    return {path for path in found if "\0" not in path and "\n" not in path}
