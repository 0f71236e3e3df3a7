"""``mmno-fast demo``: draws a data set of its own, and does everything with it."""

from __future__ import annotations

import filecmp
import importlib.util
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from mmno_fast._core import Progress
from mmno_fast.cli.consoles import show
from mmno_fast.cli.exits import FAILED, WRONG_USE, Stop
from mmno_fast.cli.progress import shown
from mmno_fast.data.dataset import open as open_dataset
from mmno_fast.demo import Drawn, draw
from mmno_fast.jobs.build import BuildReport, build
from mmno_fast.jobs.check import CheckReport, check
from mmno_fast.jobs.progress import Counters
from mmno_fast.jobs.verify import verify
from mmno_fast.machine import thread_count
from mmno_fast.report.looks import bytes_text, counted, listing
from mmno_fast.report.visible import shell_word, visible_path
from mmno_fast.spec.image import Resize

EXAMPLES = """\
Examples:

  mmno-fast demo

  mmno-fast demo --pictures 3000 --out /somewhere/with/room

The same number of pictures gives the same rows and the same pixels: with more of them it is a corpus to repeat our figures on.
"""
MARK: Final = "demo.json"
"""The file by which a later demo knows that the folder is a demo's, and may be drawn anew."""
IMAGE: Final = Resize(448, fit="stretch")
_NEEDED: Final = {"PIL": "Pillow", "simdjson": "pysimdjson", "blake3": "blake3"}


@dataclass(frozen=True)
class Timing:
    """How long one job took, and what it got through."""

    job: str
    rows: int
    pictures: int
    seconds: float


def demo(
    *,
    pictures: Annotated[int, typer.Option(min=4, metavar="N", help="How many slices to draw; seven rows each.")] = 300,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to draw into.")] = Path("demo"),
) -> None:
    """Draw a data set, then check it, build it, verify it, read it all, and do the same in plain Python to compare."""
    _ask_for_reference()
    _make_room(out)
    drawn = _draw(out, pictures)
    threads = thread_count(None)
    timings: list[Timing] = []
    _heading("check", "what is wrong with it, by file, line and byte")
    report = _check(drawn, timings)
    _heading("build", f"pictures to {IMAGE}; rows and pixels to shards")
    built = _build(drawn, out / "shards", threads, timings)
    show(built)
    _heading("verify", "every hash, every invariant")
    _verify(out / "shards", built, timings)
    _heading("read", "every row as a plain dict, its pictures as arrays")
    _read(out / "shards", timings)
    _heading("compare", "one thread, and the pipeline that a careful Python programmer writes")
    _compare(drawn, out, threads, timings)
    _heading("result", "")
    _closing(timings, drawn, report, out)


def _ask_for_reference() -> None:
    missing = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        msg = f"the demo draws with Pillow and compares with the reference engine; {', '.join(missing)} not installed\n"
        msg += "install with: pip install 'mmno_fast[reference]'"
        raise Stop(msg, FAILED)


def _make_room(out: Path) -> None:
    """An empty folder; an older demo's is emptied, any other is left alone."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise Stop(f"{visible_path(out)}: expected an empty folder or an older demo's, found other files; say --out DIR", WRONG_USE)
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _draw(out: Path, pictures: int) -> Drawn:
    _heading("draw", f"{counted(pictures, 'slice')}, {counted(7 * pictures, 'row')}, and a handful of faults")
    counters = Counters()
    (out / MARK).write_text("{}\n", encoding="utf-8")  # the folder is ours from here on, whatever happens next
    with shown(counters):
        drawn = draw(out, pictures, progress=counters)
    faults = [asdict(fault) for fault in drawn.faults]
    (out / MARK).write_text(json.dumps({"pictures": pictures, "rows": drawn.rows, "faults": faults}, indent=2) + "\n", encoding="utf-8")
    return drawn


def _check(drawn: Drawn, timings: list[Timing]) -> CheckReport:
    counters = Progress()
    with shown(counters):
        report = check(drawn.sources, drawn.images, progress=counters)
    timings.append(Timing("check", report.summary["lines"], report.summary["distinct_pictures"], report.seconds))
    show(report)
    found = {(each["source"], each["line"], each["code"]) for each in report.findings.to_pylist() if each["severity"] == "E"}
    put_in = {(fault.source, fault.line, fault.code) for fault in drawn.faults}
    _say(f"{len(put_in)} faults were put in, {len(found & put_in)} of them found; {len(found - put_in)} found that were not put in")
    if found != put_in:
        raise Stop("check should have found exactly the faults that were put in: please report this", FAILED)
    return report


def _build(drawn: Drawn, out: Path, threads: int, timings: list[Timing]) -> BuildReport:
    counters = Progress()
    with shown(counters):
        report = build(drawn.sources, drawn.images, out, IMAGE, threads=threads, progress=counters)
    timings.append(Timing(f"build, {counted(threads, 'thread')}", report.lines, report.distinct_pictures, report.seconds))
    return report


def _verify(shards: Path, built: BuildReport, timings: list[Timing]) -> None:
    counters = Progress()
    began = time.perf_counter()
    with shown(counters):
        report = verify(shards, progress=counters)
    timings.append(Timing("verify", built.rows, built.distinct_pictures, time.perf_counter() - began))
    show(report)
    if not report.ok:
        raise Stop("the shards that were just built are damaged: is the disk whole?", FAILED)


def _read(shards: Path, timings: list[Timing]) -> None:
    began = time.perf_counter()
    rows = pictures = size = 0
    with open_dataset(shards) as dataset:
        for row in dataset:
            rows += 1
            pictures += len(row["images"])
            size += sum(image.nbytes for image in row["images"])
    seconds = time.perf_counter() - began
    timings.append(Timing("read, row by row", rows, pictures, seconds))
    _say(f"{counted(rows, 'row')} with {counted(pictures, 'picture')}, {bytes_text(size)} of pixels in {seconds:.1f} s")


def _compare(drawn: Drawn, out: Path, threads: int, timings: list[Timing]) -> None:
    alone = out / "shards-one-thread"
    if threads > 1:
        _build(drawn, alone, 1, timings)
        _say(f"one thread gives {'the same bytes' if _same(out / 'shards', alone, '') else 'OTHER BYTES: please report this'}")
        shutil.rmtree(alone)
    reference = out / "shards-reference"
    counters = Counters()
    with shown(counters):
        report = build(drawn.sources, drawn.images, reference, IMAGE, engine="reference", progress=counters)
    timings.append(Timing("build, reference", report.lines, report.distinct_pictures, report.seconds))
    same = _same(out / "shards", reference, ".npy")
    _say(f"the reference gives {'the same pixels, byte for byte' if same else 'OTHER PIXELS: please report this'}")
    shutil.rmtree(reference)


def _same(left: Path, right: Path, suffix: str) -> bool:
    """Whether two folders hold the same files of that suffix, with the same bytes."""
    files = [sorted(path.relative_to(side) for path in side.rglob(f"*{suffix}") if path.is_file()) for side in (left, right)]
    return files[0] == files[1] and all(filecmp.cmp(left / path, right / path, shallow=False) for path in files[0])


def _closing(timings: list[Timing], drawn: Drawn, report: CheckReport, out: Path) -> None:
    slow = timings[-1]
    rows = []
    for each in timings:
        ratio = f"{slow.seconds / each.seconds:.1f} x" if each.job.startswith("build") else ""
        rows.append(
            [each.job, f"{each.seconds:.2f}", f"{each.rows / each.seconds:,.0f}", f"{each.pictures / each.seconds:,.0f}", ratio],
        )
    headers = [("job", "left"), ("seconds", "right"), ("rows/s", "right"), ("pictures/s", "right"), ("to the reference", "right")]
    show(listing(headers, rows))
    sources = " ".join(shell_word(str(path)) for path in drawn.sources)
    shards = out / "shards"
    code = f"import mmno_fast as mf; print(mf.open({str(shards)!r})[0])"
    _say(f"{counted(report.summary['lines'], 'row')} about {counted(drawn.pictures, 'slice')}; files were in the system's cache for all")
    _say(f"the shards lie in {visible_path(shards)}{os.sep}. What to type next:\n")
    for line in (
        f"mmno-fast info {shell_word(str(shards))}",
        f"mmno-fast check {sources} --images {shell_word(str(drawn.images))}",
        f"python -c {shell_word(code) if set(code) & set('$`!' + chr(34) + chr(92)) else chr(34) + code + chr(34)}",
    ):
        show(Text.assemble("  ", (line, "cyan")))  # not padded: a command must stay on one line to be copied


def _heading(job: str, text: str) -> None:
    show(Text.assemble("\n", (job, "bold magenta"), f"  {text}"))


def _say(text: str) -> None:
    show(Text(text))
