"""How reports look: one renderable each, shown in colour by the command line, as plain text by `print`, as HTML by a notebook."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mmno_fast.building import BuildReport
    from mmno_fast.checking import CheckReport
    from mmno_fast.verifying import VerifyReport

SHOWN_FINDINGS: Final = 3
"""Findings of each code that a report shows; all of them are in `findings`."""
SHOWN_FOLDERS: Final = 10
"""Folders with missing pictures, sizes and the like that a report shows."""
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


def visible(text: str) -> str:
    """`text` with everything that a terminal would act upon escaped."""
    return text if text.isprintable() else json.dumps(text, ensure_ascii=not text.isascii())[1:-1]


def severity_text(severity: str) -> Text:
    """E in red, W in yellow."""
    return Text(severity, style="bold red" if severity == "E" else "yellow")


# check ------------------------------------------------------------------------------------------------------------------------


def check_table(report: CheckReport) -> RenderableType:
    """All that `check` says: findings, totals, codes, verdict."""
    parts: list[RenderableType] = []
    parts += _first_findings(report)
    if report.summary["missing_folders"]:
        parts.append(_missing_folders(report.summary["missing_folders"]))
    parts.append(facts(_check_facts(report.summary)))
    if report.counts:
        parts.append(_codes(report))
    parts.append(_verdict(report))
    return Group(*parts)


def _first_findings(report: CheckReport) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for code, first in report.first_findings(SHOWN_FINDINGS).items():
        count = report.counts[code]
        head = Text.assemble((code, "bold"), "  ", severity_text(count["severity"]), f"  {count['count']:,}")
        lines = [head]
        for each in first:
            where = f"{report.sources.get(each['source'], each['source'])}:{each['line']}"
            pointer = f" {each['pointer']}" if each["pointer"] else ""
            lines.append(
                Text.assemble("  ", (visible(where), "cyan"), f" byte {each['byte']:,}{visible(pointer)}: ", visible(each["message"]))
            )
        if count["count"] > len(first):
            lines.append(Text(f"  and {count['count'] - len(first):,} more", style="dim"))
        lines.append(Text.assemble("  ", ("what to do: ", "green"), first[0]["hint"]))
        parts.append(Group(*lines, ""))
    return parts


def _missing_folders(folders: Mapping[str, int]) -> RenderableType:
    most = sorted(folders.items(), key=lambda item: (-item[1], item[0]))
    lines = [Text("missing pictures by folder", style="bold")]
    lines += [Text(f"  {count:>9,}  {visible(folder) or '(no folder)'}") for folder, count in most[:SHOWN_FOLDERS]]
    if len(most) > SHOWN_FOLDERS:
        lines.append(Text(f"  and {counted(len(most) - SHOWN_FOLDERS, 'more folder')}", style="dim"))
    return Group(*lines, "")


def _check_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("sources", ", ".join(f"{visible(each['name'])} ({each['rows']:,} of {each['lines']:,})" for each in summary["sources"])),
        (
            "rows",
            f"{summary['rows']:,} accepted, {summary['rejected']:,} rejected, of {counted(summary['lines'], 'line')} that hold something",
        ),
        ("variants", _shares(summary["variants"])),
    ]
    rows += [
        ("unknown members", f"{visible(each['key'])} in {counted(each['count'], 'row')} of {visible(each['source'])}")
        for each in summary["unknown_fields"][:SHOWN_FOLDERS]
    ]
    if not summary["pictures_checked"]:
        return [*rows, ("pictures", f"{counted(summary['names'], 'name')}; not checked: say --images (images=) to have them checked")]
    distinct = summary["distinct_pictures"]
    rows += [
        ("roots", "; ".join(_root_text(root) for root in summary["roots"])),
        (
            "pictures",
            f"{distinct:,} distinct, under {counted(summary['names'], 'name')}; {summary['rows_per_picture']:.1f} rows each",
        ),
    ]
    if distinct:
        rows += [
            ("formats", _shares(summary["formats"])),
            ("modes", _shares(summary["modes"])),
            ("sizes", _sizes_text(summary["sizes"])),
            ("gray", _gray_text(summary)),
        ]
    return rows


def _shares(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in most) or "none"


def _root_text(root: Mapping[str, Any]) -> str:
    if not root["descended"]:
        return visible(root["used"])
    return f"{visible(root['used'])} ({root['descended']} below {visible(root['given'])}, as the names ask for)"


def _sizes_text(sizes: Mapping[str, int]) -> str:
    """Smallest, median and largest by pixels, and the most frequent; `sizes` are "WxH"."""
    by_area = sorted(sizes.items(), key=lambda item: (_area(item[0]), item[0]))
    middle = (sum(sizes.values()) + 1) // 2
    seen = list(accumulate(count for _, count in by_area))
    median = next(size for (size, _), upto in zip(by_area, seen, strict=True) if upto >= middle)
    common = ", ".join(f"{size} {count:,}" for size, count in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:3])
    return f"{by_area[0][0]} to {by_area[-1][0]} (width x height), median {median}; most: {common}"


def _area(size: str) -> int:
    width, height = size.split("x")
    return int(width) * int(height)


def _gray_text(summary: Mapping[str, Any]) -> str:
    if summary["gray"] is None:
        return "not known: pictures were not decoded"
    return f"{summary['gray']:,} of {summary['distinct_pictures']:,} without colour ({summary['gray'] / summary['distinct_pictures']:.0%})"


def _codes(report: CheckReport) -> Table:
    rows = [
        [Text(code, style="bold"), severity_text(count["severity"]), f"{count['count']:,}", report.catalogue[code]["when"]]
        for code, count in report.counts.items()
    ]
    return listing([("code", "left"), ("", "left"), ("findings", "right"), ("when", "left")], rows)


def _verdict(report: CheckReport) -> Text:
    decoded = "" if report.summary["decoded"] or not report.summary["pictures_checked"] else "; pictures were not decoded"
    if not report.summary["pictures_checked"]:
        decoded = "; pictures were not checked"
    found = f"{counted(report.errors, 'error')}, {counted(report.warnings, 'warning')}"
    if report.ok:
        return Text(f"clean: no errors, {counted(report.warnings, 'warning')}{decoded}", style="bold green")
    return Text(f"not clean: {found}{decoded}", style="bold red")


# build and verify ---------------------------------------------------------------------------------------------------------------


def build_table(report: BuildReport) -> RenderableType:
    """What a build made, kept and rejected."""
    rows = [
        ("rows", f"{report.rows:,} accepted, {report.rejected:,} rejected, of {counted(report.lines, 'line')} that hold something"),
        ("pictures", f"{report.pictures:,} stored, {report.distinct_pictures:,} distinct; {report.decoded:,} decoded now"),
        ("shards", f"{report.shards:,}: {report.built:,} built, {report.kept:,} kept, {report.linked:,} with linked pixels"),
        ("bytes", bytes_text(report.bytes)),
        ("roots", "; ".join(_root_text(root) for root in report.roots)),
    ]
    if report.copied:
        rows.append(("copied", f"{counted(report.copied, 'picture')} from older shards, not decoded again"))
    if report.stored_again:
        rows.append(("stored again", f"{counted(report.stored_again, 'picture')} in a second shard, for rows with several pictures"))
    if report.removed:
        rows.append(("removed", counted(report.removed, "shard that is no longer needed", "shards that are no longer needed")))
    if report.seconds:
        rows.append(("time", f"{report.seconds:.1f} s"))
    parts: list[RenderableType] = [facts(rows)]
    if report.rejects:
        codes = [[Text(code, style="bold"), f"{count:,}"] for code, count in report.rejects.items()]
        parts.append(listing([("rejected for", "left"), ("rows", "right")], codes))
    done = "unchanged: the data set is already what this command makes" if report.unchanged else "the data set is whole"
    parts.append(Text.assemble((done, "bold green"), f": {visible(str(report.path))}"))
    return Group(*parts)


def verify_table(report: VerifyReport) -> RenderableType:
    """What was read, and every fault."""
    counts = [counted(report.shards, "shard"), counted(report.rows, "row"), counted(report.pictures, "picture"), bytes_text(report.bytes)]
    read = ", ".join(counts)
    if report.ok:
        return Text.assemble(("whole: ", "bold green"), f"{read}, every byte as the manifest says")
    lines = [Text.assemble((visible(each["path"]), "cyan"), ": ", visible(each["message"])) for each in report.problems]
    return Group(*lines, Text.assemble((f"damaged: {counted(len(report.problems), 'problem')}", "bold red"), f" in {read}"))


def indented(renderable: RenderableType) -> Padding:
    """`renderable`, two columns to the right."""
    return Padding(renderable, (0, 0, 0, 2))
