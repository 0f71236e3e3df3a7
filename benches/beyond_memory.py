"""Shards that are not in the system's cache: an epoch beside plainly reading the same files, both from the disk.

``python -m benches.beyond_memory [--pictures 2700] [--rounds 5]``. Before each turn of the disk the shards are written out and dropped from
the cache (``posix_fadvise``), as they are where data are larger than memory. An epoch of the pictures as they are stored copies each once.
What is measured is this machine's disk as much as the loader: a virtual disk may be served from its host's memory. Linux only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import mmno_fast as mf
import numpy as np

from benches.corpus import FOLDER, corpus
from benches.loading import BATCH, IMAGE
from benches.table import Line, Rounds, show

PIECE: Final = 1 << 20


def files_of(shards: Path) -> list[Path]:
    """Every file, in the order of a listing."""
    return sorted(path for path in shards.rglob("*") if path.is_file())


def drop(shards: Path) -> None:
    """Let the system forget the files. What a process still has mapped stays: nobody may have the shards open."""
    for path in files_of(shards):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def read(shards: Path) -> int:
    """Reads every file once, from its beginning to its end; how many bytes there were."""
    piece, total = bytearray(PIECE), 0
    for path in files_of(shards):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(piece):
                total += count
    return total


def batches(pictures: mf.Pictures, *, shuffle: bool) -> mf.Loader:
    """Every picture once, as it is stored."""
    return mf.Loader(pictures, BATCH, shuffle=shuffle, seed=1, uneven="short", channels="stored")


def sums(pictures: mf.Pictures, *, shuffle: bool) -> dict[int, int]:
    """Of each picture, the sum of its pixels."""
    with batches(pictures, shuffle=shuffle) as loader:
        every = [zip(batch.samples.tolist(), batch.images, strict=True) for batch in loader]
    return {sample: int(image.sum(dtype=np.int64)) for batch in every for sample, image in batch}


def plainly(shards: Path, expected: int, *, cold: bool) -> Callable[[], float]:
    """A way to measure: reading the files."""

    def turn() -> float:
        if cold:
            drop(shards)
        began = time.perf_counter()
        assert read(shards) == expected
        return time.perf_counter() - began

    return turn


def epoch(shards: Path, expected: int, *, shuffle: bool, cold: bool) -> Callable[[], float]:
    """A way to measure: an epoch of shards that were opened anew, so that none of their pixels is mapped."""

    def turn() -> float:
        with mf.open(shards) as dataset, batches(dataset.pictures, shuffle=shuffle) as loader:
            if cold:
                drop(shards)
            began = time.perf_counter()
            assert sum(len(batch.images) for batch in loader) == expected
            return time.perf_counter() - began

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2700)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    data = corpus(arguments.pictures)
    with tempfile.TemporaryDirectory(dir=FOLDER) as work:
        shards = Path(work) / "shards"
        mf.build(data.sources, data.images, shards, IMAGE)
        with mf.open(data.sources, data.images, image=IMAGE) as raw:
            expected = sums(raw.pictures, shuffle=False)
        for shuffle in (False, True):
            with mf.open(shards) as dataset:
                pictures = dataset.pictures
                drop(shards)
                assert sums(pictures, shuffle=shuffle) == expected
        size, count = sum(path.stat().st_size for path in files_of(shards)), len(expected)
        lines: list[Line] = []
        for cold, where in ((True, "of the disk"), (False, "of the cache")):
            rounds = Rounds(
                arguments.rounds,
                plain=plainly(shards, size, cold=cold),
                in_order=epoch(shards, count, shuffle=False, cold=cold),
                shuffled=epoch(shards, count, shuffle=True, cold=cold),
            )
            for name in ("in_order", "shuffled"):
                what = f"an epoch {name.replace('_', ' ')}, {where}"
                lines.append(rounds.line(what, "MB/s", size / 1e6, name, ("plain", "reading the files")))
    print(f"{count:,} pictures, {size / 1e6:,.0f} MB of shards, made by {data.command}")
    show(lines)


if __name__ == "__main__":
    main()
