"""Calls in forked processes with limits of time and memory: what each returned, or how its process died.

A damaged file may kill a process, keep it for ever, or fill the memory. So the process that runs the tests never reads one: a forked child
does, and a signal, a lapse of time or too much memory becomes a value that a test can look at. Fork from a process without threads only.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

Item = TypeVar("Item")
SECONDS: Final = 5.0
"""What one call may take."""
MEMORY: Final = 1 << 30
"""Bytes that one call may take beside what its process held before."""
_STATUS: Final = Path("/proc/self/status")  # Linux alone has it; elsewhere memory is not watched
_KEPT: Final = 4096  # bytes of what a child wrote to stderr
_doing = mmap.mmap(-1, _KEPT)  # what this process does now, where its parent can read it


@dataclass
class Ended(Generic[Item]):
    """How one call ended."""

    item: Item
    """Its argument."""
    value: Any = None
    """What it returned."""
    died: str = ""
    """Empty, or why there is no value: a signal's name, ``late``, or an exception that nothing caught."""
    step: str = ""
    """What it was doing when it died, as `note` was told."""
    said: str = ""
    """The end of what its process wrote to stderr meanwhile."""
    seconds: float = 0.0
    """How long it took."""
    peak: int = 0
    """Resident bytes at most, beside what its process held before."""

    @property
    def too_much(self) -> bool:
        """Whether it took more memory than it may."""
        return self.peak > MEMORY


def note(step: str) -> None:
    """Say what the call does now, for `Ended.step`."""
    text = step.encode()[: _KEPT - 1]
    _doing[: len(text) + 1] = text + b"\0"


def each(function: Callable[[Item], Any], items: Iterable[Item], seconds: float = SECONDS) -> Iterator[Ended[Item]]:
    """Call `function` with each item, one after the other, in as few forked children as live through it."""
    calls = Calls(function, seconds)
    try:
        yield from map(calls, items)
    finally:
        calls.close()


class Calls(Generic[Item]):
    """Calls of `function` in a forked child; where one kills it, the next call has a new one."""

    def __init__(self, function: Callable[[Item], Any], seconds: float = SECONDS) -> None:
        self._function, self._seconds = function, seconds
        self._child: _Child | None = None
        self._step = mmap.mmap(-1, _KEPT)  # shared with the children: what they do now

    def __call__(self, item: Item) -> Ended[Item]:
        """How the call with `item` ended.

        One that takes too long is made once more, so that a machine with other work is not taken for a fault.
        """
        ended = self._try(item)
        return self._try(item) if ended.died == "late" else ended

    def _try(self, item: Item) -> Ended[Item]:
        child = self._child = self._child or _Child(self._function, self._step)
        began = time.monotonic()
        ended: Ended[Item] | None = None
        late = False
        with suppress(EOFError, ConnectionError):  # it died
            child.requests.send(item)
            late = not child.answers.poll(self._seconds)
            ended = None if late else child.answers.recv()
        if ended is None:
            self._child = None
            died, said = child.end()
            died = "late" if late else died
            step = self._step[:].split(b"\0", 1)[0].decode(errors="replace")
            return Ended(item, died=died, step=step, said=said, seconds=time.monotonic() - began)
        ended.item, ended.said = item, child.said()
        return ended

    def close(self) -> None:
        """End the child."""
        if self._child:
            self._child.end()
            self._child = None


class _Child:
    """A forked process that calls a function with what it is sent."""

    def __init__(self, function: Callable[[Any], Any], step: mmap.mmap) -> None:
        here, self.requests = multiprocessing.Pipe(duplex=False)
        self.answers, there = multiprocessing.Pipe(duplex=False)
        self._stderr = os.memfd_create("stderr") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
        self._process = os.fork()
        if self._process == 0:
            try:
                self.requests.close()
                self.answers.close()
                os.dup2(self._stderr, 2)
                _serve(function, here, there, step)
            finally:
                os._exit(0)
        here.close()
        there.close()

    def end(self) -> tuple[str, str]:
        """Let it be gone: what it died of, and the end of what it wrote to stderr."""
        self.requests.close()
        self.answers.close()
        done, status = 0, 0
        for _ in range(100):  # one that closed its pipes is about to be gone
            done, status = os.waitpid(self._process, os.WNOHANG)
            if done:
                break
            time.sleep(0.01)
        if not done:
            os.kill(self._process, signal.SIGKILL)
            _, status = os.waitpid(self._process, 0)
        code = os.waitstatus_to_exitcode(status)
        died = signal.Signals(-code).name if code < 0 else f"exit {code}"
        said = self.said()
        os.close(self._stderr)
        return died, said

    def said(self) -> str:
        """The end of what it has written to stderr since this was last asked."""
        said = ""
        with suppress(OSError):  # where there are no files in memory, nothing is kept
            os.lseek(self._stderr, max(0, os.lseek(self._stderr, 0, os.SEEK_END) - _KEPT), os.SEEK_SET)
            said = os.read(self._stderr, _KEPT).decode(errors="replace").strip()
            os.lseek(self._stderr, 0, os.SEEK_SET)
            os.ftruncate(self._stderr, 0)
        return said


def _serve(function: Callable[[Any], Any], requests: Connection, answers: Connection, step: mmap.mmap) -> None:
    global _doing  # noqa: PLW0603 - of this process, which does nothing else
    _doing = step
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError):
        while True:
            item = requests.recv()
            before = _limit_memory()
            began = time.monotonic()
            note("")
            value, died = None, ""
            try:
                value = function(item)
            except BaseException as error:  # noqa: BLE001 - the parent judges
                died = f"{type(error).__name__}: {error}"
            seconds, peak = time.monotonic() - began, max(0, _status("VmHWM") - before)
            doing = step[:].split(b"\0", 1)[0].decode(errors="replace") if died else ""
            answers.send(Ended(None, value, died, doing, "", seconds, peak))


def _limit_memory() -> int:
    """Let the next call have `MEMORY` more bytes, not one by one but as addresses; the resident bytes now."""
    if not _STATUS.exists():
        return 0
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    # An address is no memory yet, and libraries take many: stacks, arenas. So the bound of these is wider, and what counts is the peak.
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + 2 * MEMORY, resource.RLIM_INFINITY))
    return _status("VmRSS")


def _status(name: str) -> int:
    """A line of the process's status, in bytes."""
    if not _STATUS.exists():
        return 0
    return next(int(line.split()[1]) << 10 for line in _STATUS.read_text().splitlines() if line.startswith(name + ":"))


class Watcher(Generic[Item]):
    """A process without threads that makes such calls for one that has some, such as the one that runs the tests."""

    def __init__(self, function: Callable[[Item], Any], prepare: Callable[[], object], seconds: float = SECONDS) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._here, there = spawn.Pipe()
        # What would take memory or threads of its own: less of it, before anything is imported there.
        before = {name: os.environ.get(name) for name in QUIET}
        os.environ.update(QUIET)
        self._process = spawn.Process(target=_answer, args=(there, function, prepare, seconds), daemon=True)
        self._process.start()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        there.close()

    def __call__(self, *items: Item) -> list[Ended[Item]]:
        """How the call with each of them ended."""
        self._here.send(items)
        answer = self._here.recv()
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)

    def close(self) -> None:
        """End the process."""
        self._here.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()


QUIET: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "HF_HUB_OFFLINE": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
}
"""Variables for a process that forks: libraries that reserve gigabytes of addresses, or start threads, do not."""


def _answer(there: Connection, function: Callable[[Any], Any], prepare: Callable[[], object], seconds: float) -> None:
    prepare()
    assert threads() == 1, f"{threads()} threads: a fork of this process may hang"
    calls = Calls(function, seconds)
    with suppress(EOFError):
        while True:
            there.send([calls(item) for item in there.recv()])
    calls.close()
    sys.exit(0)


def threads() -> int:
    """Threads of this process, whoever started them; 1 where nobody says."""
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.is_dir() else 1
