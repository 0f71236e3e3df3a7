"""What the looks of reports are made of: in colour on the command line, as plain text by `print`, as HTML in a notebook."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mmno_fast.report.visible import visible_path

TEXT_WIDTH: Final = 120
"""Columns of a report as text or HTML."""


def as_text(renderable: RenderableType) -> str:
    """`renderable` as plain text, without colours."""
    out = io.StringIO()
    Console(file=out, width=TEXT_WIDTH, color_system=None, force_jupyter=False).print(renderable, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def as_html(renderable: RenderableType) -> str:
    """`renderable` as a piece of HTML, with colours."""
    console = Console(file=io.StringIO(), width=TEXT_WIDTH, record=True, force_terminal=True, force_jupyter=False)
    console.print(renderable, soft_wrap=True)
    return console.export_html(inline_styles=True, code_format='<pre style="line-height:1.2;white-space:pre">{code}</pre>')


def bytes_text(count: float) -> str:
    """A number of bytes for people.

    >>> bytes_text(3_500_000)
    '3.3 MiB'
    """
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`count` and the word that goes with it.

    >>> counted(1, "row"), counted(2100, "row")
    ('1 row', '2,100 rows')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values without lines."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def listing(headers: Iterable[tuple[str, str]], rows: Iterable[Sequence[object]]) -> Table:
    """A table with a head; `headers` are (title, "left" or "right"), cells texts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title, side in headers:
        table.add_column(title, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row])
    return table


def severity_text(severity: str) -> Text:
    """E in red, W in yellow."""
    return Text(severity, style="bold red" if severity == "E" else "yellow")


def root_text(root: Mapping[str, Any]) -> str:
    """The folder that was used, and how it relates to the one that was given."""
    if not root["descended"]:
        return visible_path(root["used"])
    return f"{visible_path(root['used'])} ({root['descended']} below {visible_path(root['given'])}, as the names ask for)"
