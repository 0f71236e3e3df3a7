"""Shards that are much larger than what a loader takes of memory."""

from __future__ import annotations

from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import about, encoded, noise, write_files, write_rows
from tests.loading import run

STATUS = Path("/proc/self/status")
PICTURES, SIDE = 80, 1024
"""240 MiB of pixels."""

EPOCHS = """
import sys
from pathlib import Path
import mmno_fast as mf
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
total, grown, slots = 0, [], 0
with mf.Loader(mf.open(sys.argv[1]), 4, shuffle=sys.argv[2] == "shuffled", uneven="short", threads=2) as loader:
    first = next(iter(loader))  # modules, threads, the first slots
    assert first.images.shape == (4, 1024, 1024, 3)
    del first
    before = anonymous()
    loader.set_epoch(0)
    for _ in range(2):
        for batch in loader:
            total += int(batch.images[:, ::64, ::64].sum()) + batch.rows.num_rows
            grown.append(anonymous() - before)
    slots = loader.stats().slots
print(total, max(grown), slots)
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    pictures = [noise(i, SIDE, SIDE, 3) for i in range(PICTURES)]
    write_files(folder / "images", {f"{i}.bmp": encoded(pixels, "BMP") for i, pixels in enumerate(pictures)})
    write_rows(folder / "a.jsonl", [about(f"{i}.bmp") for i in range(PICTURES)])
    mf.build(folder / "a.jsonl", folder / "images", folder / "shards", mf.Original(), shard_bytes=1 << 25)
    return folder / "shards", sum(int(pixels[::64, ::64].sum()) for pixels in pictures)


@pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")
@pytest.mark.parametrize("order", ["shuffled", "in order"])
def test_an_epoch_of_large_shards_takes_the_memory_of_its_slots_only(shards, order):
    """What is mapped is the system's to take back; what is not is a few batches, however many there are."""
    folder, pixels = shards
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    total, grown, slots = map(int, run(EPOCHS, folder, order, timeout=200))
    assert size > 240 << 20
    assert total == 2 * (pixels + PICTURES)
    batch = 4 * SIDE * SIDE * 3
    assert slots <= 8
    assert grown < slots * batch + (16 << 20) < size // 2
