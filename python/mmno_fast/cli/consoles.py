"""Where output goes: results to stdout, progress and errors to stderr. Either may be closed, full, or read by nobody any more."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mmno_fast.report.base import Report
from mmno_fast.report.looks import TEXT_WIDTH
from mmno_fast.report.visible import visible_lines

_SHOWN: Final = "mmno_fast.shown"
_JSON: Final = "mmno_fast.json"


class StdoutError(Exception):
    """Results cannot be written to stdout. The error of the system stands in `__cause__`."""


class _Outlet:
    """A standard stream as something to write to; the console takes it for a file.

    The first error ends it. stderr is silent from then on, as the work counts more than words about it. stdout raises
    `StdoutError`, as results that nobody gets are a failure.
    """

    def __init__(self, stream: TextIO | None, *, results: bool) -> None:
        self._stream = stream
        self._results = results
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._lost(error)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lost(error)

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # somebody closed it
            return False

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.fileno()

    def _lost(self, error: Exception) -> None:
        # What is left in the buffer has nowhere to go, and the interpreter would complain about it at its end.
        with suppress(OSError, ValueError):
            number = self.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
        self._stream = None
        if self._results:
            raise StdoutError from error


class _Guarded(Console):
    """A console that shows what a terminal would act upon: whatever a caller forgot to escape is escaped here."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of `renderable`, each harmless."""
        for segment in super().render(renderable, options):
            yield segment if segment.control or segment.text.isprintable() else Segment(visible_lines(segment.text), segment.style)


def stdout() -> Console:
    """For results."""
    return _console(_Outlet(sys.stdout, results=True))


def stderr() -> Console:
    """For progress and errors."""
    return _console(_Outlet(sys.stderr, results=False))


def show(result: RenderableType) -> None:
    """Print a result; long lines are not broken, so that a terminal can follow `file:line`; no blanks at the ends of lines in a pipe."""
    console = stdout()
    if console.is_terminal:
        console.print(result, soft_wrap=True)
        return
    with console.capture() as captured:
        console.print(result, soft_wrap=True)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1]))


def flush() -> None:
    """Write what stdout still holds, now and not when the interpreter ends and can only complain."""
    _Outlet(sys.stdout, results=True).flush()
    _Outlet(sys.stderr, results=False).flush()


def prepare() -> None:
    """Make the standard streams fit for whatever comes: closed descriptors, and encodings that cannot write every character."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else a file of a data set would get this number
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, and all below are taken
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SHOWN)


def write_json(report: Report, path: Path | None) -> bool:
    """Write `report` as JSON to `path`, where one is given; "-" is stdout. Whether stdout is taken by it."""
    if path is None:
        return False
    text = report.to_json() + "\n"
    if str(path) == "-":
        outlet = _Outlet(sys.stdout, results=True)
        outlet.write(text.encode(outlet.encoding, _JSON).decode(outlet.encoding))
        return True
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:  # while it is written, it does not know the file
        raise OSError(error.errno, error.strerror, str(path)) from error
    return False


def _console(file: Any) -> Console:
    # rich takes a pipe for 80 columns wide
    width = TEXT_WIDTH if not file.isatty() and "COLUMNS" not in os.environ else None
    return _Guarded(file=file, width=width, highlight=False, markup=False, emoji=False)


def _shown(error: UnicodeError) -> tuple[str, int]:
    """Escapes everything except the one sign that we use ourselves."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].replace("…", "...")
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    """For programs: escapes of JSON. They stand in a string, as JSON is ASCII outside of strings."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_SHOWN, _shown)
codecs.register_error(_JSON, _json_escapes)
