"""`verify`: is a data set whole, to the last byte?"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmno_fast import _core
from mmno_fast.machine import thread_count
from mmno_fast.report.base import Report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mmno_fast.data.sources import AnyPath


@dataclass(frozen=True, repr=False)
class VerifyReport(Report):
    """What `verify` read, and every fault that it found."""

    problems: tuple[dict[str, str], ...]
    """Each fault: `path` (of the file or folder) and `message`."""
    shards: int
    """Shards read."""
    rows: int
    """Rows read."""
    pictures: int
    """Pictures read, as stored."""
    bytes: int
    """Bytes read."""
    unfinished: bool = False
    """Whether a builder is at work in the folder, or was stopped there. What it has written so far is no fault."""

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Everything that the report holds, as plain values; `to_json` gives it as text."""
        return {
            "ok": self.ok,
            "problems": list(self.problems),
            "shards": self.shards,
            "rows": self.rows,
            "pictures": self.pictures,
            "bytes": self.bytes,
            "unfinished": self.unfinished,
        }

    def __rich__(self) -> RenderableType:
        from rich.console import Group  # rich is imported when something is shown
        from rich.text import Text

        from mmno_fast.report import looks
        from mmno_fast.report.visible import LINE_CHARS, visible, visible_path

        counts = [
            looks.counted(self.shards, "shard"),
            looks.counted(self.rows, "row"),
            looks.counted(self.pictures, "picture"),
            looks.bytes_text(self.bytes),
        ]
        read = ", ".join(counts)
        if self.ok and self.unfinished:
            more = "; a build is at work here, or was stopped: run the same build again, it goes on where it stopped"
            return Text.assemble(("whole: ", "bold green"), f"{read}, every byte as the manifest says{more}")
        if self.ok:
            return Text.assemble(("whole: ", "bold green"), f"{read}, every byte as the manifest says")
        lines = [Text.assemble((visible_path(each["path"]), "cyan"), ": ", visible(each["message"], LINE_CHARS)) for each in self.problems]
        return Group(*lines, Text.assemble((f"damaged: {looks.counted(len(self.problems), 'problem')}", "bold red"), f" in {read}"))


def verify(path: AnyPath, *, threads: int | None = None, progress: _core.Progress | None = None) -> VerifyReport:
    """Read a data set whole and compare every hash and every invariant of the format.

    Args:
        path: The folder that holds ``manifest.json``.
        threads: How many to use. Default: all that this process may use.
        progress: Counters to watch from another thread.

    Returns:
        What was read and every fault. It does not raise for faults.

    Raises:
        FileNotFoundError: No such folder.
        ShardError: The folder is no data set, or one of a newer format.

    >>> import tempfile
    >>> from mmno_fast import Original, build
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4)
    ...     report = build(drawn.sources, drawn.images, f"{folder}/shards", Original())
    ...     verify(report.path).ok
    True
    """
    try:
        Path(path).stat()  # no folder at all is another error than a folder without a data set
    except OSError as error:
        if error.errno != errno.ELOOP:  # links that lead in a circle are no data set, either
            raise
    text = _core.verify(os.fspath(path), threads=thread_count(threads), progress=progress)
    found = json.loads(text)
    return VerifyReport(tuple(found["problems"]), found["shards"], found["rows"], found["pictures"], found["bytes"], found["unfinished"])
