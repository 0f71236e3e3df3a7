"""Every step beside the reference engine, beside what a training loop does today, and beside the floor: one table.

``python -m benches.compare [--pictures 2700] [--rounds 3] [--json FILE]``. Results are compared before anything is timed. What stands side
by side ran in turns; figures are medians, ratios medians of each turn's ratio. Files are in the system's cache.
"""

from __future__ import annotations

import argparse
import filecmp
import gc
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import mmno_fast as mf
import numpy as np
import PIL
import pyarrow as pa
from mmno_fast import _core
from mmno_fast.reference import pictures as plain
from mmno_fast.reference.scan import Source, scan_source
from mmno_fast.spec.scan import ScanOptions
from PIL import Image

from benches.corpus import FOLDER, Corpus, corpus
from benches.memory import peaks
from benches.table import Line, show
from benches.training_loop import ChatDataset

IMAGE: Final = mf.Resize(448, fit="stretch")
WHOLE: Final = mf.Original()
STRIDE: Final = 8
"""Every so many pictures and rows are taken where Pillow is slow, and where a row costs the same as any other."""
MIB: Final = 2**20


def seconds(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    """How long `work` takes on all items, one after the other."""
    began = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - began


def spin(processes: int) -> float:
    """How long so many empty loops take side by side: what the machine has to give just now."""
    command = [sys.executable, "-c", "for _ in range(30_000_000): pass"]
    began = time.perf_counter()
    for process in [subprocess.Popen(command) for _ in range(processes)]:
        process.wait()
    return time.perf_counter() - began


class Turns:
    """Several ways to do one thing, each returning its seconds, measured in turns."""

    def __init__(self, rounds: int, **ways: Callable[[], float]) -> None:
        self.times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                os.sync()  # what the one before left to write is not this one's
                gc.collect()
                self.times[name].append(way())

    def rate(self, name: str, amount: float) -> float:
        """What is got through in a second."""
        return amount / statistics.median(self.times[name])

    def ratio(self, name: str, other: str) -> float:
        """How many times as long `name` takes as `other`."""
        return statistics.median(a / b for a, b in zip(self.times[name], self.times[other], strict=True))

    def lines(self, what: str, unit: str, amount: float, beside: dict[str, tuple[str, float]]) -> list[Line]:
        """`ours` beside each of the others, (what it is called, least ratio wanted or 0)."""
        lines = []
        for name, (title, least) in beside.items():
            ratio = self.ratio(name, "ours")
            wanted, met = (f">= {least:g} x", ratio >= least) if least else ("", None)
            lines.append(Line(what, unit, self.rate("ours", amount), title, self.rate(name, amount), ratio, wanted, met))
        return lines


class Bench:
    """A corpus, its shards, and the steps that are measured on it."""

    def __init__(self, data: Corpus, rounds: int, work: Path) -> None:
        self.data, self.rounds, self.work = data, rounds, work
        self.shards = work / "shards"
        self.build(1, self.shards)
        with mf.open(self.shards) as dataset:
            self.folders = [self.shards / shard["folder"] for shard in dataset.manifest["shards"]]
        files, tables = data.files(), [_table(folder / "pictures.arrow") for folder in self.folders]
        stored = [row for table in tables for row in table.select(["store", "hash", "names"]).to_pylist()]
        self.pictures = [(row["store"], files[row["hash"]]) for row in stored]
        names = {name: files[row["hash"]] for row in stored for name in row["names"]}
        self.loop = ChatDataset(data.sources, names, IMAGE.height)
        self.sample = [(store, path.read_bytes()) for store, path in self.pictures[::STRIDE]]
        self.floor_program = floor_program()

    def build(self, threads: int, out: Path | None = None, engine: Any = "core") -> float:
        """Build into `out`, or into a folder that is removed again."""
        folder = out or self.work / "again"
        report = mf.build(self.data.sources, self.data.images, folder, IMAGE, threads=threads, engine=engine)
        assert report.rejected == 0
        if out is None:
            shutil.rmtree(folder)
        return report.seconds

    def floor(self, pictures: list[tuple[str, Path]], files: list[Path]) -> dict[str, float]:
        """Seconds of each part of the floor; the pixels are in ``floor/<store>`` then."""
        folder = self.work / "floor"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (self.work / "list").write_text("".join(f"{store}\t{path}\n" for store, path in pictures), encoding="utf-8")
        command = [self.floor_program, IMAGE.to_json(), str(self.work / "list"), str(folder), *map(str, files)]
        parts: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return parts

    def parse(self) -> list[Line]:
        options = ScanOptions()
        sources = list(enumerate(self.data.sources))

        def by_reference(source: tuple[int, Path]) -> list[Any]:
            number, path = source
            return list(scan_source(number, Source(path.name, path), options))

        report = mf.check(self.data.sources, threads=1)
        rows = [row for source in sources for row in by_reference(source)]
        assert report.ok
        assert report.summary["lines"] == len(rows)
        assert not any(row.codes for row in rows)
        turns = Turns(
            self.rounds,
            ours=lambda: mf.check(self.data.sources, threads=1).seconds,
            reference=lambda: seconds(by_reference, sources),
            loop=lambda: seconds(json.loads, self.loop.lines),
        )
        size = sum(path.stat().st_size for path in self.data.sources) / 1e6
        beside = {"reference": ("reference", 0.0), "loop": ("json.loads, no check", 0.0)}
        return turns.lines("parse and validate", "MB/s", size, beside)

    def decode(self) -> list[Line]:
        spec = WHOLE.to_json()
        data = [content for _, content in self.sample]
        ours = lambda path: _core.read_pictures([path], spec, stored=True)[0][0]  # noqa: E731
        by_reference = partial(plain.decode, spec=WHOLE.to_dict())
        decoded = [ours(content) for content in data]
        assert all(np.array_equal(pixels, by_reference(content)[0]) for pixels, content in zip(decoded, data, strict=True))
        turns = Turns(
            self.rounds,
            ours=lambda: seconds(ours, data),
            reference=lambda: seconds(by_reference, data),
            loop=lambda: seconds(lambda each: np.asarray(Image.open(io.BytesIO(each)).convert("RGB")), data),
        )
        size = sum(pixels.nbytes for pixels in decoded) / 1e6
        beside = {"reference": ("reference", 0.0), "loop": ("Pillow, to RGB", 0.0)}
        return turns.lines("decode", "pictures/s", len(data), beside) + turns.lines("decode", "MB/s", size, beside)[:1]

    def resize(self) -> list[Line]:
        chosen = self.pictures[::STRIDE]
        images = [Image.open(path).convert("L" if store == "gray" else "RGB") for store, path in chosen]
        by_pillow = partial(plain.resize, spec=IMAGE.to_dict())
        self.floor(chosen, [])
        for store in {store for store, _ in chosen}:
            pixels = b"".join(by_pillow(image).tobytes() for image, (other, _) in zip(images, chosen, strict=True) if other == store)
            assert pixels == (self.work / "floor" / store).read_bytes()
        turns = Turns(
            self.rounds,
            ours=lambda: self.floor(chosen, [])["resize"],
            pillow=lambda: seconds(by_pillow, images),
        )
        return turns.lines("resize, the kernel alone", "pictures/s", len(chosen), {"pillow": ("Pillow", 0.0)})

    def whole(self) -> list[Line]:
        rows = range(0, len(self.loop), STRIDE)
        tables = [path for path in self.shards.rglob("*") if path.is_file() and path.suffix != ".npy"]
        self._same_everywhere(tables, rows)
        parts: list[dict[str, float]] = []

        def floor() -> float:
            parts.append(self.floor(self.pictures, tables))
            return sum(parts[-1].values())

        turns = Turns(
            self.rounds,
            ours=lambda: self.build(1),
            floor=floor,
            two=lambda: self.build(2),
            reference=lambda: self.build(1, engine="reference"),
            loop=lambda: seconds(self.loop.__getitem__, rows) * len(self.loop) / len(rows),
            spin=lambda: spin(1),
            spin_two=lambda: spin(2) / 2,
        )
        count = len(self.loop)
        beside = {"reference": ("reference", 2.5), "loop": ("training loop", 20.0)}
        lines = turns.lines("build, one thread", "rows/s", count, beside)
        ratio, speed = turns.ratio("ours", "floor"), turns.ratio("ours", "two")
        each = ", ".join(f"{part} {statistics.median(one[part] for one in parts):.2f} s" for part in parts[0])
        ours, floor_rate, two = (turns.rate(name, count) for name in ("ours", "floor", "two"))
        lines.append(Line("build, one thread", "rows/s", ours, f"floor: {each}", floor_rate, 1 / ratio, ">= 1/1.3 x", ratio <= 1.3))
        machine = turns.ratio("spin", "spin_two")
        title = f"one thread (this machine gives two empty loops {machine:.2f} x)"
        lines.append(Line("build, two threads", "rows/s", two, title, ours, speed, ">= 1.8 x", speed >= 1.8))
        return lines

    def _same_everywhere(self, tables: list[Path], rows: range) -> None:
        """Two threads write the same files, the reference and the floor the same pixels, and the loop sees them too."""
        others = {"two": self.work / "two", "reference": self.work / "reference"}
        self.build(2, others["two"])
        self.build(1, others["reference"], engine="reference")
        for name, other in others.items():
            files = [path for path in self.shards.rglob("*") if path.is_file() and (name == "two" or path.suffix == ".npy")]
            assert all(filecmp.cmp(path, other / path.relative_to(self.shards), shallow=False) for path in files)
            shutil.rmtree(other)
        self.floor(self.pictures, tables)
        for store in {store for store, _ in self.pictures}:
            pixels = b"".join(path.read_bytes()[4096:] for folder in self.folders if (path := folder / f"{store}.npy").exists())
            assert pixels == (self.work / "floor" / store).read_bytes()
        with mf.open(self.shards) as dataset:
            for index in rows:
                assert np.array_equal(dataset[index]["images"], self.loop[index]["images"])


def memory(rows: int = 200_000, pictures: int = 25_000) -> list[Line]:
    """The peak of a build, and what a row adds to it."""
    first, second = peaks(FOLDER, rows, pictures)
    each = (second - first) / rows
    what = f"build of {rows:,} rows, {pictures:,} pictures"
    return [
        Line(what, "MiB at the peak", first / MIB, wanted="<= 1536", met=first <= 1536 * MIB),
        Line(f"{rows:,} rows more", "bytes a row", each, wanted="<= 200", met=each <= 200),
    ]


def floor_program() -> str:
    """Builds ``benches/floor.rs``."""
    listed = subprocess.run(
        ["cargo", "bench", "--bench", "floor", "--no-run", "--message-format=json", *_features()],
        check=True, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent,
    ).stdout.splitlines()  # fmt: skip
    program: str = next(filter(None, (json.loads(line).get("executable") for line in listed)))
    return program


def _table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _features() -> list[str]:
    """As the installed extension was built."""
    return ["--features", "require-simd"] if _core.build_info()["jpeg_simd"] != "none" else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2700)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the table there too, for example to .benchmarks/compare.json")
    arguments = parser.parse_args()
    data = corpus(arguments.pictures)
    with tempfile.TemporaryDirectory(dir=FOLDER) as work:
        bench = Bench(data, arguments.rounds, Path(work))
        lines = [line for step in (bench.parse, bench.decode, bench.resize, bench.whole) for line in step()]
    lines += memory()
    show(lines)
    machine = {"cpus": os.cpu_count(), "machine": platform.platform(), "python": platform.python_version(), "pillow": PIL.__version__}
    if arguments.json:
        found = {"corpus": data.command, "rounds": arguments.rounds, **machine, "lines": [asdict(line) for line in lines]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
