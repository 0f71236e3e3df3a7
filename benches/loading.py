"""The loader beside what the memory allows, and beside PyTorch's `DataLoader` with Pillow: one table of what is wanted and found.

``python -m benches.loading [--pictures 2700] [--rounds 40] [--json FILE]``. Batches are compared before anything is timed. What stands side
by side ran in turns (`benches.table.Rounds`), and files are in the system's cache where nothing else is said. The lines beside PyTorch are
left out where no Python with it is found (`benches.torch_loop.interpreter`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import mmno_fast as mf
import numpy as np

from benches import bandwidth, large
from benches.corpus import FOLDER, Corpus, corpus
from benches.pace import idle_share, paced, peak
from benches.table import Line, Rounds, figure, quartiles, show
from benches.torch_loop import TorchLoop, interpreter

IMAGE: Final = mf.Resize(336, fit="stretch")
BATCH: Final = 16
STEPS: Final = 48
"""Batches of one turn where shards are read: a quarter of a gigabyte of bytes."""
RAW_STEPS: Final = 20
"""Where JSONL is read."""
FEW: Final = 9
"""Rounds of what takes seconds."""
NUMBERS: Final = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
MEMORY: Final = 2**30
SHARE: Final = 0.8
"""Of its peak rate, what a consumer takes who is not to wait."""


class Bench:
    """A corpus, its shards, and its JSONL, open."""

    def __init__(self, data: Corpus, rounds: int, work: Path) -> None:
        self.data, self.rounds = data, rounds
        report = mf.build(data.sources, data.images, work / "shards", IMAGE)
        assert report.rejected == 0
        self.folder = work / "shards"
        self.shards = mf.open(self.folder)
        self.raw = mf.open(data.sources, data.images, image=IMAGE)
        files = data.files()
        self.files = {name: files[bytes.fromhex(each.hash)] for each in self.shards.pictures for name in each.names}
        self.torch = ""

    def loader(self, source: Any = None, threads: int = 2, batch: int = BATCH, **options: Any) -> mf.Loader:
        return mf.Loader(source or self.shards, batch, shuffle=True, seed=1, threads=threads, **options)

    def same(self) -> None:
        """Batches hold what `read_picture` gives, of shards and of JSONL, with and without memory, as bytes and as numbers."""
        loaders = {
            "shards": self.loader(),
            "numbers": self.loader(output=NUMBERS),
            "JSONL": self.loader(self.raw),
            "memory": self.loader(self.raw, memory_bytes=MEMORY),
        }
        for batches in zip(*(_some(loader, 4) for loader in loaders.values()), strict=True):
            first, numbers, *others = batches
            for other in (numbers, *others):
                assert np.array_equal(first.row_numbers, other.row_numbers)
                assert first.rows.column("line").equals(other.rows.column("line"))
            names = [name for row in first.rows.column("images").to_pylist() for name in row]
            plain = np.stack([mf.read_picture(self.files[name], image=IMAGE) for name in names])
            assert all(np.array_equal(plain, batch.images) for batch in (first, *others))
            assert np.array_equal(_rounded(plain), numbers.images)

    def bytes_of_shards(self) -> Iterator[Line]:
        """u8 NHWC beside copying the same bytes."""
        with self.loader() as loader:
            pictures = [batch.images.reshape(-1).copy() for batch in _some(loader, STEPS)]
            slots = loader.stats().slots
        targets = bandwidth.buffers(slots, pictures[0].nbytes)
        yield from self._beside_memory(
            "u8 NHWC from shards",
            pictures[0].nbytes,
            ("a copy of the same bytes", {1: 0.6, 2: 0.75}),
            lambda threads: bandwidth.copy(pictures, targets, threads),
        )

    def numbers_of_shards(self) -> Iterator[Line]:
        """Normalised bfloat16 NCHW beside filling the same memory."""
        with self.loader(output=NUMBERS) as loader:
            size = next(_some(loader, 1)).nbytes
            slots = loader.stats().slots
        targets = bandwidth.buffers(slots, size)
        yield from self._beside_memory(
            "bfloat16 NCHW, normalised",
            size,
            ("a fill of the same memory", {1: 0.5, 2: 0.5}),
            lambda threads: bandwidth.fill(targets, STEPS, threads),
            output=NUMBERS,
        )

    def _beside_memory(self, what: str, size: int, beside: tuple[str, dict[int, float]], floor: Any, **options: Any) -> Iterator[Line]:
        title, wanted = beside
        for threads, least in wanted.items():
            plural = "thread" if threads == 1 else "threads"
            with self.loader(threads=threads, **options) as loader:
                turns = Rounds(self.rounds, ours=partial(_seconds, loader, STEPS), floor=partial(floor, threads))
                yield turns.line(f"{what}, {threads} {plural}", "GB/s", size * STEPS / 1e9, "ours", ("floor", title), least)

    def raw_lines(self) -> Iterator[Line]:
        """JSONL beside a `DataLoader` with Pillow, on the same CPUs; and beside shards."""
        python = interpreter()
        with self.loader(self.raw) as plain, self.loader(self.raw, memory_bytes=MEMORY) as memory, self.loader() as shards:
            for batch in memory:  # the first epoch decodes, and fills the memory
                del batch
            first = next(_some(plain, 1))
            ways = {"plain": plain, "memory": memory, "shards": shards}
            timed = {name: partial(_seconds, loader, RAW_STEPS) for name, loader in ways.items()}
            if python is None:
                print("no Python with PyTorch (MMNO_TORCH_PYTHON, or make test-torch): the lines beside it are left out")
                yield from self._raw_beside(Rounds(self.rounds, **timed), None)
                return
            rows = np.concatenate([batch.row_numbers for batch in _some(plain, RAW_STEPS)]).tolist()
            job = {"sources": list(map(str, self.data.sources)), "files": {name: str(path) for name, path in self.files.items()}}
            theirs = TorchLoop(python, job | {"side": IMAGE.height, "batch": BATCH, "rows": rows, "workers": 2})
            self.torch = theirs.version
            theirs.epoch()
            assert theirs.digest == blake2b(first.images.tobytes()).hexdigest()
            yield from self._raw_beside(Rounds(min(self.rounds, FEW), torch=theirs.epoch, **timed), "DataLoader, 2 workers, Pillow")
            theirs.close()

    def _raw_beside(self, turns: Rounds, title: str | None) -> Iterator[Line]:
        rows = RAW_STEPS * BATCH
        wanted = {"plain": ("JSONL", 4.0), "memory": ("JSONL, pictures in memory", 15.0), "shards": ("shards, u8 NHWC", None)}
        for name, (what, least) in wanted.items():
            if title is None:
                yield Line(f"{what}, 2 threads", "rows/s", turns.rate(name, rows))
            else:
                yield turns.line(f"{what}, 2 threads", "rows/s", rows, name, ("torch", title), least)

    def pace(self) -> Iterator[Line]:
        """A consumer with a fixed time for each step."""
        # Where steps take half a millisecond, two batches ahead do not bridge what a shared machine takes away for a moment: `explain()`
        # says so, and what to turn.
        short = {"prefetch": 4}
        cases: dict[str, tuple[mf.Dataset, dict[str, Any], int]] = {
            f"shards, u8, batches of {BATCH}, prefetch=4": (self.shards, short, 1000),
            "shards, u8, batches of 64, prefetch=4": (self.shards, short | {"batch": 64}, 250),
            "shards, bfloat16, batches of 64, prefetch=4": (self.shards, short | {"batch": 64, "output": NUMBERS}, 150),
            f"JSONL, batches of {BATCH}": (self.raw, {}, 100),
        }
        for what, (source, options, steps) in cases.items():
            found, idle = [], []
            with self.loader(source, **options) as loader:
                for _ in range(FEW):
                    step = 1 / (SHARE * max(peak(loader, steps // 5) for _ in range(3)))
                    found.append(paced(loader, steps, step))
                    idle.append(idle_share(loader, steps, step))
            least = min(found, key=lambda each: each.share)
            low, _, high = quartiles(100 * each.share for each in found)
            title = f"{what}: waits at {SHARE:.0%} of the peak rate, {1000 * least.step:.2g} ms a step"
            yield Line(title, "% of the time", 100 * least.share, wanted="< 1", met=least.share < 0.01, spread=(low, high))
            low, _, high = quartiles(100 * each for each in idle)
            yield Line("of the same steps: a generator that does nothing", "% of the time", 100 * min(idle), spread=(low, high))
            errors = [100 * max(each.elapsed_error, each.waited_error) for each in found]
            low, middle, high = quartiles(errors)
            yield Line(f"{what}: stats() beside the consumer's clock", "% apart", middle, wanted="< 1", met=middle < 1, spread=(low, high))

    def shapes(self) -> Iterator[Line]:
        """How the rate changes with what can be chosen; for information."""
        cases: dict[str, tuple[int, dict[str, Any]]] = {f"batches of {batch}": (batch, {}) for batch in (4, 16, 64)}
        cases |= {f"prefetch={ahead}": (BATCH, {"prefetch": ahead}) for ahead in (1, 2, 4)}
        cases["group_by_picture=True"] = (BATCH, {"group_by_picture": True})
        cases["bfloat16 NCHW, normalised"] = (BATCH, {"output": NUMBERS})
        rows: dict[str, int] = {}
        timed = {}
        with ExitStack() as open_loaders:
            for name, (batch, options) in cases.items():
                loader = open_loaders.enter_context(self.loader(batch=batch, **options))
                steps = STEPS * BATCH // batch
                rows[name] = sum(len(each.row_numbers) for each in _some(loader, steps))
                timed[name] = partial(_seconds, loader, steps)
            turns = Rounds(self.rounds // 2, **timed)
        for name, times in turns.times.items():
            low, _, high = quartiles(rows[name] / each for each in times)
            yield Line(f"shards, 2 threads, {name}", "rows/s", turns.rate(name, rows[name]), spread=(low, high))

    def cold(self) -> Iterator[Line]:
        """The first batches of shards that are not in the system's cache."""
        if not hasattr(os, "posix_fadvise"):
            return
        # Of files that somebody has mapped, the cache lets nothing go: another copy.
        copy = self.folder.with_name("cold")
        shutil.copytree(self.folder, copy)
        times = []
        for _ in range(FEW):
            for path in copy.rglob("*.npy"):
                _forget(path)
            with mf.open(copy) as fresh, self.loader(fresh) as loader:
                times.append(_seconds(loader, STEPS))
        rates = [STEPS * BATCH / each for each in times]
        low, middle, high = quartiles(rates)
        yield Line("shards out of the system's cache, u8 NHWC, 2 threads", "rows/s", middle, spread=(low, high))

    def beginning(self) -> Iterator[Line]:
        """The first batch, the import, and ten million rows."""
        folder = large.repeated(self.data, 100_000, IMAGE)
        firsts = [large.first_batch(folder, BATCH) for _ in range(FEW)]
        low, middle, high = quartiles(1000 * each["all"] for each in firsts)
        yield Line("first batch of shards of 100,000 rows", "ms", middle, wanted="< 150", met=middle < 150, spread=(low, high))
        for name in ("open", "batch"):
            yield Line(f"of that: {name}", "ms", 1000 * statistics.median(each[name] for each in firsts))
        low, middle, high = quartiles(1000 * large.importing() for _ in range(FEW))
        yield Line("import mmno_fast, NumPy imported", "ms", middle, wanted="< 30", met=middle < 30, spread=(low, high))
        low, middle, high = quartiles(1000 * large.importing("mmno_fast.open, mmno_fast.Loader") for _ in range(FEW))
        yield Line("import, open and Loader looked up", "ms", middle, spread=(low, high))
        folders = [large.listed(self.folder, rows, 5_000) for rows in (10_000, 10_000_000)]
        turns = [(large.order_and_state(folders[0]), large.order_and_state(folders[1])) for _ in range(FEW)]
        for name, unit, factor in (("order", "us", 1e6), ("state", "us", 1e6), ("loader", "ms", 1e3), ("open", "ms", 1e3)):
            ours, theirs = (statistics.median(turn[side][name] for turn in turns) for side in (1, 0))
            ratio = statistics.median(turn[1][name] / turn[0][name] for turn in turns)
            what, wanted = {
                "order": ("16 positions of the order", 1.25),
                "state": ("state saved and loaded, and len", 1.25),
                "loader": ("a Loader (2,000 shards beside 2)", None),
                "open": ("opening (2,000 shards beside 2)", None),
            }[name]
            met = None if wanted is None else ratio <= wanted
            title = f"<= {wanted} x" if wanted else ""
            yield Line(f"10,000,000 rows: {what}", unit, factor * ours, "10,000 rows", factor * theirs, ratio, title, met)
        extra = statistics.median(
            sum(turn[1][f"{name}_bytes"] - turn[0][f"{name}_bytes"] for name in ("order", "state", "loader")) for turn in turns
        )
        yield Line(
            "10,000,000 rows: memory of order, state and Loader beyond 10,000's", "KiB", extra / 1024, wanted="<= 1024", met=extra <= 2**20
        )


def _some(loader: mf.Loader, count: int) -> Iterator[mf.Batch]:
    """The first batches of epoch 1."""
    loader.set_epoch(1)
    for _, batch in zip(range(count), loader, strict=False):
        yield batch


def _seconds(loader: mf.Loader, count: int) -> float:
    """How long the first batches of epoch 1 take, from starting the threads to the last one."""
    loader.set_epoch(1)
    began = time.perf_counter()
    feed = iter(loader)
    for _ in range(count):
        next(feed)
    return time.perf_counter() - began


def _rounded(pixels: Any) -> Any:
    """The bits of bfloat16, (pictures, 3, H, W), of normalised pixels (pictures, H, W, 3)."""
    mean, std = np.float32(mf.CLIP_MEAN), np.float32(mf.CLIP_STD)
    single = (pixels.astype(np.float32) - mean * np.float32(255)) / (std * np.float32(255))
    bits = single.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16).transpose(0, 3, 1, 2)


def _forget(path: Path) -> None:
    """Takes a file out of the system's cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _opened(pictures: int, rounds: int) -> Iterator[Bench]:
    data = corpus(pictures)
    with tempfile.TemporaryDirectory(dir=FOLDER) as work:
        yield Bench(data, rounds, Path(work))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2700)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the table there too, for example to .benchmarks/loading.json")
    parser.add_argument("--only", nargs="*", help="only these parts: bytes_of_shards, numbers_of_shards, raw_lines, pace, …")
    arguments = parser.parse_args()
    parts = ("bytes_of_shards", "numbers_of_shards", "raw_lines", "beginning", "pace", "shapes", "cold")
    lines: list[Line] = []
    with _opened(arguments.pictures, arguments.rounds) as bench:
        bench.same()
        for part in arguments.only or parts:
            began = time.perf_counter()
            lines += getattr(bench, part)()
            print(f"{part}: {figure(time.perf_counter() - began)} s", flush=True)
        beside, command = bench.torch, bench.data.command
    show(lines)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.platform(), "python": platform.python_version(), "beside": beside}
        found = {"corpus": command, "rounds": arguments.rounds, **machine, "lines": [asdict(line) for line in lines]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
