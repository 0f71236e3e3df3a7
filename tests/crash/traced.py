"""A function under strace: in a forked process, so that no interpreter starts and its first system call is the function's own."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 30.0
"""What one call may take."""
_PR_SET_PTRACER: Final = 0x59616D61
_ANYBODY: Final = ctypes.c_ulong(-1)
_KEPT: Final = 1 << 20


@dataclass(frozen=True)
class Traced:
    """How a traced call ended."""

    code: int
    """The exit code; 1 where an exception went out of the function."""
    died: str
    """The signal that ended it; ``late`` where it took too long; else empty."""
    said: str
    """What it wrote to stdout and stderr."""
    trace: str
    """What strace wrote."""


def memory() -> Path:
    """A folder of temporary files, in memory where there is one."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def traced(function: Callable[[], Any], options: Iterable[str], seconds: float = SECONDS) -> Traced:
    """Call `function` in a child that strace watches with these options. Fork from a process without threads only."""
    heard, told = os.pipe()
    said = os.memfd_create("said")
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _child(function, heard, said)
    os.close(heard)
    trace = memory() / f"mmno-trace-{os.getpid()}"
    strace = subprocess.Popen(
        ["strace", "-f", "-o", str(trace), *options, "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_until_attached(strace)
        os.close(told)  # now it begins
        code, died = _ended(pid, seconds)
        strace.wait(10)
        text = trace.read_bytes().decode("latin-1") if trace.exists() else ""
        os.lseek(said, 0, os.SEEK_SET)
        return Traced(code, died, os.read(said, _KEPT).decode("utf-8", "replace"), text)
    finally:
        os.close(said)
        if strace.poll() is None:
            strace.kill()
        strace.communicate()
        trace.unlink(missing_ok=True)


def _child(function: Callable[[], Any], heard: int, said: int) -> None:
    """Never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY)  # where a process may be traced by its parents alone
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.read(heard, 1)
        os.close(heard)
        try:
            function()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException as error:  # noqa: BLE001 - the parent judges
            os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "backslashreplace"))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)


def _wait_until_attached(strace: subprocess.Popen[bytes]) -> None:
    assert strace.stderr is not None
    heard = b""
    while b"attached" not in heard:
        ready, _, _ = select.select([strace.stderr], [], [], 10)
        piece = os.read(strace.stderr.fileno(), 4096) if ready else b""
        if not piece:
            raise RuntimeError(f"strace did not attach: {heard.decode(errors='replace')}")
        heard += piece


def _ended(pid: int, seconds: float) -> tuple[int, str]:
    until = time.monotonic() + seconds
    late = False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code, "late" if late else signal.Signals(-code).name if code < 0 else ""
        if not late and time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            late = True
        time.sleep(0.001)
