"""``mmno-fast build``: rows and pictures become shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from mmno_fast import _core
from mmno_fast.cli import options
from mmno_fast.cli.consoles import show, stderr, write_json
from mmno_fast.cli.exits import REJECTED, WRONG_USE, Stop
from mmno_fast.cli.interrupts import AGAIN, INTERRUPTED, say
from mmno_fast.cli.progress import shown
from mmno_fast.jobs import build as job
from mmno_fast.jobs.allowance import Allowance
from mmno_fast.jobs.progress import Counters
from mmno_fast.report.looks import counted
from mmno_fast.report.visible import LINE_CHARS, visible, visible_path
from mmno_fast.spec.image import DECODE_LIMIT, Alpha, Arithmetic, Color, Encoded, Filter, Fit, ImageSpec, Original, Resize, SixteenBit
from mmno_fast.spec.scan import ScanOptions

EXAMPLES = """\
Examples:

  mmno-fast build train.jsonl --images images/ --out shards/ --size 448 --fit stretch

  mmno-fast build a.jsonl b.jsonl --images images/ --out shards/ --original

  mmno-fast build a.jsonl --images images/ --out shards/ --profile hf/qwen3_vl:max_pixels=1048576

  mmno-fast build a.jsonl --images img/ --out shards/ --size 448x336 --fit pad --update

  mmno-fast build a.jsonl --images img/ --out shards/ --original --allow 'images.missing:Old*'

Exit code: 0 done, 3 done but rows were rejected for reasons that are not allowed, 2 for wrong use, 1 for other errors.
A build that was interrupted goes on where it stopped when the same command runs again.
"""
SPEC = "What becomes of a picture"


@options.with_scan_options
def build(
    sources: options.Sources,
    *,
    images: Annotated[
        list[Path], typer.Option("--images", metavar="DIR", help="Where pictures lie; may be said again.", rich_help_panel=options.PICTURES)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="SHARDS", help="The folder to make.", rich_help_panel=options.OUTPUT)],
    size: Annotated[
        str | None, typer.Option(metavar="N|HxW", help="One size for all: 448, or HEIGHTxWIDTH.", show_default=False, rich_help_panel=SPEC)
    ] = None,
    profile: options.ProfileName = None,
    original: Annotated[bool, typer.Option("--original", help="Keep every picture's own size.", rich_help_panel=SPEC)] = False,
    encoded: Annotated[bool, typer.Option("--encoded", help="Keep the files as they are, undecoded.", rich_help_panel=SPEC)] = False,
    fit: Annotated[Fit | None, typer.Option(help="Always said with --size.", show_default=False, rich_help_panel=SPEC)] = None,
    filter: Annotated[Filter | None, typer.Option(show_default="bicubic", rich_help_panel=SPEC)] = None,  # noqa: A002 - the flag's name
    fill: Annotated[
        int | None, typer.Option(min=0, max=255, metavar="GRAY", help="Around it, with --fit pad.", show_default="0", rich_help_panel=SPEC)
    ] = None,
    color: Annotated[Color, typer.Option(help="auto: one channel where all are equal.", rich_help_panel=SPEC)] = "auto",
    exif: Annotated[bool, typer.Option("--exif", help="Turn pictures as their EXIF orientation says.", rich_help_panel=SPEC)] = False,
    sixteen_bit: Annotated[
        SixteenBit, typer.Option(help="16-bit gray: reject, high byte, or above 255 white.", rich_help_panel=SPEC)
    ] = "reject",
    alpha: Annotated[
        Alpha | None,
        typer.Option(help="Transparency: dropped, or over white.", show_default="drop, or the profile's", rich_help_panel=SPEC),
    ] = None,
    decode_limit: Annotated[
        int, typer.Option(min=1, metavar="PIXELS", help="Refuse larger pictures.", rich_help_panel=SPEC)
    ] = DECODE_LIMIT,
    pixels: Annotated[Arithmetic, typer.Option(help="Whose arithmetic.", rich_help_panel=SPEC)] = "pillow13",
    scan: ScanOptions,
    shard_bytes: Annotated[
        int,
        typer.Option(
            parser=options.parse_bytes,
            metavar="BYTES",
            help="Pixels of one shard, at three channels.",
            show_default="256MiB",
            rich_help_panel=options.OUTPUT,
        ),
    ] = job.SHARD_BYTES,
    shuffle_seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Store pictures in a shuffled order.", show_default=False, rich_help_panel=options.OUTPUT),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Bring a finished data set up to date; decode only what is new.", rich_help_panel=options.OUTPUT),
    ] = False,
    trust_previous: Annotated[
        bool,
        typer.Option(
            "--trust-previous", help="Do not hash what was written earlier; the manifest says so.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE[:GLOB]",
            help="Rows may be lost for this reason; may be said again.",
            show_default=False,
            autocompletion=options.complete_codes,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Rows may be lost for any reason.", rich_help_panel=options.OUTPUT)
    ] = False,
    json: options.Json = None,
    threads: options.Threads = None,
    engine: Annotated[job.Engine, typer.Option(help="reference: plain Python, to compare with.", rich_help_panel=options.RUN)] = "core",
) -> None:
    """Turn rows and pictures, once, into shards that any Arrow or NumPy program opens."""
    allowed = allow or []
    Allowance.parse(allowed)  # wrong use is told now, not after the build
    common: dict[str, Any] = {
        "color": color,
        "exif": exif,
        "sixteen_bit": sixteen_bit,
        "decode_limit": decode_limit,
        "pixels": pixels,
    }
    if alpha is not None:
        common["alpha"] = alpha
    image = _spec(size, fit, filter, fill, common, profile=profile, whole=Original if original else Encoded if encoded else None)
    options.keep_inputs(sources, out, json=json)
    counters = Counters() if engine == "reference" else _core.Progress()
    say(AGAIN)
    try:
        with shown(counters):
            report = job.build(
                options.texts(sources),
                options.texts(images),
                out,
                image,
                shard_bytes=shard_bytes,
                shuffle_seed=shuffle_seed,
                update=update,
                trust_previous=trust_previous,
                **scan.keywords(),
                threads=threads,
                engine=engine,
                progress=counters,
            )
    except KeyboardInterrupt as error:
        raise Stop(AGAIN, INTERRUPTED) from error
    if not write_json(report, json):
        show(report)
    lost = {} if allow_rejects else report.unallowed(allowed)
    if lost:
        _tell_losses(lost, report)
        raise typer.Exit(REJECTED)


def _spec(
    size: str | None,
    fit: Fit | None,
    filter: Filter | None,  # noqa: A002 - as the flag
    fill: int | None,
    common: dict[str, Any],
    *,
    profile: str | None,
    whole: type[Original | Encoded] | None,
) -> ImageSpec:
    if [size, profile, whole].count(None) != 2:
        raise Stop(
            "what becomes of a picture? say one of --size 448 --fit stretch|pad|crop, --profile NAME, --original, --encoded", WRONG_USE
        )
    if size is None:
        if fit or filter or fill is not None:
            raise Stop(
                "--fit, --filter and --fill go with --size; a profile has its own, and with --original and --encoded nothing is resized",
                WRONG_USE,
            )
        return options.parse_profile(profile, **common) if profile is not None else (whole or Original)(**common)
    if fit is None:
        raise Stop("--size needs --fit: stretch (changes proportions), pad (adds black) or crop (cuts the centre out)", WRONG_USE)
    return Resize(options.parse_size(size), fit=fit, filter=filter or "bicubic", fill=fill or 0, **common)


def _tell_losses(lost: dict[str, int], report: job.BuildReport) -> None:
    codes = ", ".join(f"{code} {count:,}" for code, count in lost.items())
    console = stderr()
    console.print(Text.assemble(("rejected: ", "bold yellow"), f"{counted(report.rejected, 'row')}, not allowed: {codes}"), soft_wrap=True)
    for code in lost:
        if code in report.examples:
            console.print(Text(f"{code}, first: {visible(report.examples[code], LINE_CHARS)}"), soft_wrap=True)
    advice = "mend them and build with --update, or say --allow CODE[:GLOB] or --allow-rejects"
    console.print(Text(f"they stand in {visible_path(report.rejects_path)}; {advice}"), soft_wrap=True)
