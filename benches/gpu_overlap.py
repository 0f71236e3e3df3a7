"""Whether copies to a GPU run beside its work, and whether a slot is ever used again too early. Needs CUDA; says so and skips without.

    python -m benches.gpu_overlap [--pictures 300] [--side 448] [--batch-size 64]

Three loops over the same batches, each after a warm-up:

- copy: the loader alone, nothing computed; how long a batch takes to arrive.
- compute: one batch that lies on the device already, worked on again and again; calibrated to take about as long as a copy.
- both: the loader's batches, each worked on. Without overlap it takes copy + compute a batch, with overlap the larger of the two.

Then a checksum: under load, with slots fewer than batches in flight would like, every batch on the device must have the numbers that the
core's own loader hands out on the host.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
from mmno_fast.demo import draw

OVERLAP = 0.8
"""Of what could be hidden, so much has to be."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("skipped: PyTorch is not installed")
        return 0
    if not torch.cuda.is_available():
        print("skipped: there is no CUDA device here")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(Path(folder) / "data", options.pictures, faults=False)
        report = mf.build(drawn.sources, drawn.images, Path(folder) / "shards", mf.Resize(options.side, fit="stretch"))
        dataset = mf.open(report.path)
        print(torch.cuda.get_device_name(), dataset)
        overlapped = overlap(dataset, options.batch_size)
        intact = checksums(dataset, options.batch_size)
    return 0 if overlapped and intact else 1


def made(dataset: mf.Dataset, batch_size: int) -> Any:
    from mmno_fast.torch import Loader

    output = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    return Loader(dataset, batch_size, shuffle=True, seed=3, output=output, device="cuda", prefetch=4)


def seconds_a_batch(batches: Any, work: Callable[[Any], None], count: int) -> float:
    """Of `count` batches, after a warm-up of five."""
    import torch

    began = 0.0
    for i, batch in enumerate(batches):
        if i == 5:
            torch.cuda.synchronize()
            began = time.perf_counter()
        work(batch)
        if i == count + 4:
            break
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def overlap(dataset: mf.Dataset, batch_size: int) -> bool:
    """Times the three loops."""
    import torch

    matrix = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)

    def worker(rounds: int) -> Callable[[Any], None]:
        def work(batch: Any) -> None:
            scale = batch.images[0, 0, 0, 0]  # the work needs the batch
            product = matrix * scale
            for _ in range(rounds):
                product = torch.mm(matrix, product)

        return work

    count = 30
    with made(dataset, batch_size) as loader:
        # Copies alone, of batches that are ready: the bare transfer, from a page-locked slot.
        host = torch.empty(next(iter(loader)).nbytes, dtype=torch.uint8, pin_memory=True)
        device = torch.empty_like(host, device="cuda")
        copy = seconds_a_batch(range(count + 5), lambda _: device.copy_(host, non_blocking=True), count)
        resident = [next(loader.replay())]
        rounds = 1
        while (compute := seconds_a_batch(resident * (count + 5), worker(rounds), count)) < 2 * copy:
            rounds *= 2
        loading = seconds_a_batch(endless(loader), lambda _: None, count)
        both = seconds_a_batch(endless(loader), worker(rounds), count)
        waited = loader.stats()
    hidden = (copy + compute - both) / copy
    print(
        f"copy {copy * 1e3:.2f} ms, compute {compute * 1e3:.2f} ms, loading alone {loading * 1e3:.2f} ms, both {both * 1e3:.2f} ms a batch"
    )
    print(f"{hidden:.0%} of the copies are hidden behind the work; {waited.wait_share:.1%} of the time was waited")
    if loading > compute:
        print(
            "the loader is slower than the work here (threads, disk): what of the copies is hidden cannot be told; more threads, or --side"
        )
    return hidden >= OVERLAP or loading > compute


def endless(loader: Any) -> Any:
    """Epoch after epoch."""
    while True:
        yield from loader


def checksums(dataset: mf.Dataset, batch_size: int) -> bool:
    """Every batch on the device against the host's, with the device kept so busy that copies are late."""
    import torch

    output = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    matrix = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    found, expected = [], []
    with made(dataset, batch_size) as loader:
        for _ in range(3):
            for batch in loader:
                for _ in range(4):
                    torch.mm(matrix, matrix)
                bits = batch.images.view(torch.int16).flatten().to(torch.int64)
                places = torch.arange(len(bits), device="cuda") % 8191
                found.append(torch.stack([bits.sum(), (bits * places).sum()]))
        slots = loader.stats().slots
    with mf.Loader(dataset, batch_size, shuffle=True, seed=3, output=output) as plain:
        for _ in range(3):
            for batch in plain:
                numbers = batch.numbers.view(np.int16).astype(np.int64)
                expected.append([int(numbers.sum()), int((numbers * (np.arange(len(numbers)) % 8191)).sum())])
    wrong = sum(sums.tolist() != wanted for sums, wanted in zip(found, expected, strict=True))
    print(f"{len(found)} batches through {slots} slots: {wrong} differ from the host's")
    return wrong == 0


if __name__ == "__main__":
    sys.exit(main())
