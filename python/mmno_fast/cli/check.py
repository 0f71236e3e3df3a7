"""``mmno-fast check``: what is wrong with the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from mmno_fast import _core
from mmno_fast.cli import options
from mmno_fast.cli.consoles import show, write_json
from mmno_fast.cli.exits import FAILED, WRONG_USE, Stop
from mmno_fast.cli.progress import shown
from mmno_fast.jobs import check as job
from mmno_fast.report.looks import listing, severity_text
from mmno_fast.spec.image import DECODE_LIMIT, Original, SixteenBit
from mmno_fast.spec.scan import ScanOptions

EXAMPLES = """\
Examples:

  mmno-fast check train.jsonl --images images/

  mmno-fast check a/train.jsonl other=b/train.jsonl --images images/ --no-decode

  mmno-fast check train.jsonl --images images/ --profile hf/qwen3_vl

  mmno-fast check train.jsonl --images images/ --json - --findings findings.jsonl

  mmno-fast check --list

Exit code: 0 clean, 1 with an error-level finding (--strict: any finding), 2 for wrong use.
"""


@options.with_scan_options
def check(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SOURCES", help="JSONL files; NAME=PATH gives one another name.", show_default=False),
    ] = None,
    images: options.Images = None,
    *,
    profile: options.ProfileName = None,
    no_decode: Annotated[
        bool, typer.Option("--no-decode", help="Look at the heads of pictures only.", rich_help_panel=options.PICTURES)
    ] = False,
    sixteen_bit: Annotated[
        SixteenBit, typer.Option(help="What you will do with 16-bit gray.", rich_help_panel=options.PICTURES)
    ] = "reject",
    decode_limit: Annotated[
        int, typer.Option(min=1, metavar="PIXELS", help="Refuse larger pictures.", rich_help_panel=options.PICTURES)
    ] = DECODE_LIMIT,
    scan: ScanOptions,
    json: options.Json = None,
    findings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Write the findings, the first 10,000 of each code and source, one a line.",
            show_default=False,
            callback=options.writable,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    all_findings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Write every finding, however many there are, one a line.",
            show_default=False,
            callback=options.writable,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    catalogue: Annotated[bool, typer.Option("--list", help="List every code there is, and stop.", rich_help_panel=options.OUTPUT)] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.", rich_help_panel=options.OUTPUT)] = False,
    threads: options.Threads = None,
) -> None:
    """Say what is wrong with rows and pictures, by file, line and byte. Changes nothing."""
    if catalogue:
        show(_catalogue())
        return
    if not sources:
        raise Stop("no sources: name at least one JSONL file, as in: mmno-fast check train.jsonl --images images/", WRONG_USE)
    common: dict[str, Any] = {"sixteen_bit": sixteen_bit, "decode_limit": decode_limit}
    image = Original(**common) if profile is None else options.parse_profile(profile, **common)
    options.keep_inputs(sources, json=json, findings=findings, all_findings=all_findings)
    counters = _core.Progress()
    with shown(counters):
        report = job.check(
            options.texts(sources),
            options.texts(images) or None,
            image=image,
            decode=not no_decode,
            **scan.keywords(),
            all_findings=all_findings,
            threads=threads,
            progress=counters,
        )
    if findings:
        report.write_jsonl(findings)
    if not write_json(report, json):
        show(report)
    if not report.ok or (strict and report.warnings):
        raise typer.Exit(FAILED)


def _catalogue() -> RenderableType:
    entries = _core.catalogue()
    rows = [[Text(entry["code"], style="bold"), severity_text(entry["severity"]), entry["when"], entry["hint"]] for entry in entries]
    return listing([("code", "left"), ("", "left"), ("when", "left"), ("what to do", "left")], rows)
