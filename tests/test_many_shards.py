"""Very many shards: no more file descriptors than a handful of them."""

from __future__ import annotations

import mmno_fast as mf

from tests.building import about, encoded, noise, write_files, write_rows
from tests.loading import run

SHARDS = 300
DESCRIPTORS = 90

READ = """
import resource, sys
import mmno_fast as mf

shards, limit = map(int, sys.argv[2:])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
with mf.open(sys.argv[1]) as dataset:
    rows = [dataset[i]["images"][0] for i in range(len(dataset))]
    pixels = [picture.pixels for picture in dataset.pictures]
    loaded = 0
    with mf.Loader(dataset, 7, shuffle=True, seed=1, uneven="short", threads=2) as loader:
        for batch in loader:
            loaded += len(batch.row_numbers)
    assert len(rows) == len(pixels) == loaded == shards, (len(rows), len(pixels), loaded)
report = mf.verify(sys.argv[1], threads=2)
assert not report.problems, report.problems
print(report.shards)
"""


def test_many_shards_take_no_more_descriptors_than_a_few(tmp_path):
    """Built here, read in a process that may have few open files: every shard stays open to its end."""
    write_files(tmp_path / "images", {f"{i}.bmp": encoded(noise(i, 8, 8, 3), "BMP") for i in range(SHARDS)})
    write_rows(tmp_path / "a.jsonl", [about(f"{i}.bmp") for i in range(SHARDS)])
    report = mf.build(tmp_path / "a.jsonl", tmp_path / "images", tmp_path / "shards", mf.Original(), shard_bytes=1)
    assert report.shards == SHARDS
    assert run(READ, tmp_path / "shards", SHARDS, DESCRIPTORS, timeout=120) == [str(SHARDS)]
