"""``mmno-fast info``: what is inside a data set, from the manifest alone; or how this program was built, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType

from mmno_fast import _core
from mmno_fast.cli.consoles import show
from mmno_fast.cli.exits import WRONG_USE, Stop
from mmno_fast.data.dataset import open as open_dataset
from mmno_fast.report.looks import bytes_text, counted, facts, listing
from mmno_fast.report.visible import LINE_CHARS, visible, visible_path
from mmno_fast.spec.image import from_dict

EXAMPLES = """\
Examples:

  mmno-fast info shards/

  mmno-fast info --build

  mmno-fast info --limits

Exit code: 0 done, 1 no data set, 2 for wrong use.
"""


def info(
    shards: Annotated[
        Path | None, typer.Argument(metavar="SHARDS", help="The folder that holds manifest.json.", show_default=False)
    ] = None,
    *,
    limits: Annotated[bool, typer.Option("--limits", help="How large inputs may be, and what memory they may take.")] = False,
    build: Annotated[bool, typer.Option("--build", help="How this program was built: version, SIMD, libraries.")] = False,
) -> None:
    """Say what is inside a data set, at a glance."""
    if limits:
        show(limits_table())
    if build:
        show(facts((name.replace("_", " "), value) for name, value in _core.build_info().items()))
    if shards is not None:
        with open_dataset(shards) as dataset:
            show(manifest_table(dataset.path, dataset.manifest))
    elif not build and not limits:
        raise Stop("nothing to tell about: name a folder of shards, or say --build or --limits", WRONG_USE)


def limits_table() -> RenderableType:
    """Every limit: its name, how much, and what it bounds."""
    rows = [[name, f"{value:,} {unit}", what] for name, value, unit, what in _core.limits()]
    return listing([("limit", "left"), ("at most", "right"), ("what it bounds", "left")], rows)


def manifest_table(path: Path, manifest: Mapping[str, Any]) -> RenderableType:
    """A manifest for people."""
    totals, shards, tool = manifest["totals"], manifest["shards"], manifest["tool"]
    size = sum(file["bytes"] for shard in shards for file in shard["files"])
    stored = {store: sum(shard[store] for shard in shards) for store in ("gray", "rgb", "pixels")}
    names = {"gray": "without colour", "rgb": "with colour", "pixels": "of their own size"}
    kinds = ", ".join(f"{count:,} {names[store]}" for store, count in stored.items() if count)
    rows = [
        ("data set", visible_path(path)),
        ("format", f"{visible('.'.join(map(str, manifest['format'])))}, written by {visible(tool['name'])} {visible(tool['version'])}"),
        ("pictures are", visible(_spec_text(manifest["spec"]), LINE_CHARS)),
        (
            "rows",
            f"{totals['rows']:,} accepted, {totals['rejected']:,} rejected, of {counted(totals['lines'], 'line')} that hold something",
        ),
        ("pictures", f"{totals['distinct_pictures']:,} distinct, {totals['pictures']:,} stored{f': {kinds}' if kinds else ''}"),
        ("pictures per row", visible(_histogram_text(manifest["pictures_per_row"]), LINE_CHARS)),
        ("shards", f"{len(shards):,}, {bytes_text(size)}"),
        ("options", ", ".join(f"{visible(name)} {visible(value)}" for name, value in manifest["options"].items() if value is not None)),
        ("fingerprint", visible(manifest["manifest_blake3"])),
    ]
    sources = [
        [visible(each["name"]), f"{each['lines']:,}", f"{each['rows']:,}", f"{each['rejected']:,}", bytes_text(each["bytes"])]
        for each in manifest["sources"]
    ]
    headers = [("source", "left"), ("lines", "right"), ("rows", "right"), ("rejected", "right"), ("size", "right")]
    return Group(facts(rows), listing(headers, sources))


def _spec_text(spec: Mapping[str, Any]) -> str:
    try:
        return str(from_dict(spec))
    except ValueError:  # a newer minor version may know more kinds; the rest can still be told
        return f"of kind {spec['kind']!r}, which this version does not know"


def _histogram_text(pictures_per_row: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{pictures}: {counted(rows, 'row')}" for pictures, rows in pictures_per_row["histogram"].items())
    return counts or "no rows"
