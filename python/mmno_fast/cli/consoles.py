"""Where output goes: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from rich.console import Console, RenderableType

from mmno_fast.report.base import Report
from mmno_fast.report.looks import TEXT_WIDTH


def stdout() -> Console:
    """For results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """For progress and errors."""
    return _console(sys.stderr)


def show(result: RenderableType) -> None:
    """Print a result; long lines are not broken, so that a terminal can follow `file:line`; no blanks at the ends of lines in a pipe."""
    console = stdout()
    if console.is_terminal:
        console.print(result, soft_wrap=True)
        return
    with console.capture() as captured:
        console.print(result, soft_wrap=True)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def write_json(report: Report, path: Path | None) -> bool:
    """Write `report` as JSON to `path`, where one is given; "-" is stdout. Whether stdout is taken by it."""
    if path is None:
        return False
    if str(path) == "-":
        print(report.to_json())
        return True
    path.write_text(report.to_json() + "\n", encoding="utf-8")
    return False


def _console(file: IO[str]) -> Console:
    # rich takes a pipe for 80 columns wide
    width = TEXT_WIDTH if not file.isatty() and "COLUMNS" not in os.environ else None
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)
