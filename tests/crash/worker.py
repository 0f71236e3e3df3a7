"""Processes that look at folders: forked, so that one that dies tells of its death, and each folder costs a few milliseconds."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from tests.crash.jobs import Job
from tests.crash.oracle import Verdict, judge
from tests.crash.states import materialise
from tests.crash.traced import memory
from tests.watched import QUIET, Calls, note, threads

BATCH: Final = 20
"""Folders to one call of a child."""
SECONDS: Final = 60.0

Item = tuple[dict[str, "bytes | None"], bool]
"""Files of a folder, and whether the command had said that it was done."""


@cache
def scratch() -> Path:
    """A folder of our own."""
    return Path(tempfile.mkdtemp(prefix="mmno-crash-", dir=memory()))


@contextmanager
def alone() -> Iterator[None]:
    """A process that may fork, with a scratch folder that is gone afterwards.

    Where libraries would start threads, the process begins anew without them.
    """
    if any(os.environ.get(name) != value for name, value in QUIET.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **QUIET})
    assert threads() == 1, f"{threads()} threads: a fork of this process may hang"
    try:
        yield
    finally:
        shutil.rmtree(scratch(), ignore_errors=True)
        scratch.cache_clear()


class Judges:
    """Judges folders of one job, in the order given."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._calls: Calls[list[Item]] = Calls(self._judge, SECONDS)

    def __call__(self, items: list[Item]) -> list[Verdict]:
        """What became of each."""
        ended = self._calls(items)
        if not ended.died:
            return list(ended.value)
        if len(items) > 1:
            return [verdict for item in items for verdict in self([item])]
        return [Verdict("died", (f"the process dies: {ended.died.split(':')[0]}",), (ended.died, ended.step, ended.said))]

    def close(self) -> None:
        """End the child."""
        self._calls.close()

    def _judge(self, items: list[Item]) -> list[Verdict]:
        verdicts = []
        for number, (files, done) in enumerate(items):
            note(f"folder {number}")
            base = scratch() / f"judged-{os.getpid()}"
            base.mkdir()
            out = base / "out"
            below = {name.removeprefix("out/"): content for name, content in files.items() if name.startswith("out/")}
            if "out" in files:
                out.mkdir()
                materialise(below, out)
            verdicts.append(judge(self._job, out, done=done))
            shutil.rmtree(base)
        return verdicts
