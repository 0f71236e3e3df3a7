"""How a report of `check` looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmno_fast.report.looks import counted, facts, listing, root_text, severity_text
from mmno_fast.report.visible import LINE_CHARS, visible, visible_path

SHOWN_FINDINGS: Final = 3
"""Findings of each code that a report shows; all of them are in `findings`."""
SHOWN_FOLDERS: Final = 10
"""Folders with missing pictures, sizes and the like that a report shows."""


def check_table(
    summary: Mapping[str, Any],
    codes: Sequence[Mapping[str, Any]],
    paths: Mapping[str, str],
) -> RenderableType:
    """All that `check` says: findings, totals, codes, verdict.

    Args:
        summary: The report's totals.
        codes: One for each code that was found: `code`, `severity`, `count`, `when`, and `first`, the findings to show.
        paths: Name to path of each source.
    """
    parts: list[RenderableType] = []
    parts += _first_findings(codes, paths)
    if summary["missing_folders"]:
        parts.append(_missing_folders(summary["missing_folders"]))
    parts.append(facts(_check_facts(summary)))
    if codes:
        parts.append(_codes(codes))
    parts.append(_verdict(summary, codes))
    return Group(*parts)


def _first_findings(codes: Sequence[Mapping[str, Any]], paths: Mapping[str, str]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for code in codes:
        first, count = code["first"], code["count"]
        head = Text.assemble((code["code"], "bold"), "  ", severity_text(code["severity"]), f"  {count:,}")
        lines = [head]
        for each in first:
            where = f"{visible_path(paths.get(each['source'], each['source']))}:{each['line']}"
            pointer = f" {visible(each['pointer'])}" if each["pointer"] else ""
            message = visible(each["message"], LINE_CHARS)
            lines.append(Text.assemble("  ", (where, "cyan"), f" byte {each['byte']:,}{pointer}: ", message))
        if count > len(first):
            lines.append(Text(f"  and {count - len(first):,} more", style="dim"))
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
    all_findings, kept = summary["findings"]["all"], summary["findings"]["kept"]
    if kept < all_findings:
        rows.append(
            ("findings", f"{all_findings:,}, of which {kept:,} are kept: the first of each code and source; --all-findings writes all")
        )
    if not summary["pictures_checked"]:
        return [*rows, ("pictures", f"{counted(summary['names'], 'name')}; not checked: say --images (images=) to have them checked")]
    distinct = summary["distinct_pictures"]
    rows += [
        ("roots", "; ".join(root_text(root) for root in summary["roots"])),
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
        if summary["tokens"]:
            rows.append(("tokens", _tokens_text(summary["tokens"])))
    return rows


def _shares(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in most) or "none"


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


def _tokens_text(tokens: Mapping[str, Any]) -> str:
    """Least, median and most tokens of a picture, the most of a row, and all."""
    counts = sorted((int(count), pictures) for count, pictures in tokens["counts"].items() if count != "0")
    if not counts:
        return f"none among those of the text ({tokens['profile']})"
    middle = (sum(pictures for _, pictures in counts) + 1) // 2
    seen = accumulate(pictures for _, pictures in counts)
    median = next(count for (count, _), upto in zip(counts, seen, strict=True) if upto >= middle)
    return (
        f"{counts[0][0]:,} to {counts[-1][0]:,} a picture, median {median:,}; at most {tokens['largest_row']:,} a row; "
        f"{tokens['all_rows']:,} in all ({tokens['profile']})"
    )


def _codes(codes: Sequence[Mapping[str, Any]]) -> Table:
    rows = [[Text(code["code"], style="bold"), severity_text(code["severity"]), f"{code['count']:,}", code["when"]] for code in codes]
    return listing([("code", "left"), ("", "left"), ("findings", "right"), ("when", "left")], rows)


def _verdict(summary: Mapping[str, Any], codes: Sequence[Mapping[str, Any]]) -> Text:
    caveat = ""
    if not summary["pictures_checked"]:
        caveat = "; pictures were not checked"
    elif not summary["decoded"]:
        caveat = "; pictures were not decoded"
    errors, warnings = (sum(code["count"] for code in codes if code["severity"] == severity) for severity in "EW")
    if errors:
        return Text(f"not clean: {counted(errors, 'error')}, {counted(warnings, 'warning')}{caveat}", style="bold red")
    return Text(f"clean: no errors, {counted(warnings, 'warning')}{caveat}", style="bold green")
