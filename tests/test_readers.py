"""Rows and pixels without mmno_fast: NumPy, pyarrow, Polars, DuckDB and `datasets`, from `docs/format.md` alone.

mmno_fast makes the data set, in a process of its own; nothing here imports it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

SIDE = 48
BUILD = "from mmno_fast.cli import main; main()"
DATASETS = """
import json, sys
from datasets import load_dataset

out, cache, *shards = sys.argv[1:]
for shard in shards:
    rows, pictures = (
        load_dataset("arrow", data_files=f"{out}/{shard}/{name}.arrow", split="train", cache_dir=cache) for name in ("rows", "pictures")
    )
    hashes = [row.pop("hash").hex() for row in (dict(row) for row in pictures)]
    pictures = [{**row, "hash": digest} for row, digest in zip(pictures, hashes)]
    print(json.dumps({"rows": list(rows), "pictures": pictures}))
assert "mmno_fast" not in sys.modules
"""

Json = dict[str, Any]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Made:
    """A data set, and what it was made of."""

    out: Path
    images: Path
    lines: dict[tuple[str, int], Json]
    """By source and line."""

    @property
    def shards(self) -> list[Json]:
        """The shards as the manifest lists them."""
        listed: list[Json] = json.loads((self.out / "manifest.json").read_text("utf-8"))["shards"]
        return listed

    def pixels(self, name: str, size: tuple[int, int] | None) -> Pixels:
        """Pillow's pixels of a picture, in this size (height, width), or its own."""
        with Image.open(self.images / name) as image:
            rgb = image.convert("RGB")
            return np.asarray(rgb.resize(size[::-1], Image.Resampling.BICUBIC) if size else rgb)


@pytest.fixture(scope="module", params=["resize", "original"])
def made(request: pytest.FixtureRequest, make_corpus: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Made:
    corpus = make_corpus(images=60, faults=0, seed=0)
    sources = sorted((corpus / "training").glob("*.jsonl"))
    out = tmp_path_factory.mktemp("readers") / "shards"
    size = ["--original"] if request.param == "original" else ["--size", str(SIDE), "--fit", "stretch"]
    arguments = [*map(str, sources), "--images", str(corpus / "images"), "--out", str(out), "--shard-bytes", "128KiB", *size]
    subprocess.run([sys.executable, "-c", BUILD, "build", *arguments], check=True, capture_output=True)
    lines = {(path.name, n): json.loads(line) for path in sources for n, line in enumerate(path.read_bytes().splitlines(), 1)}
    return Made(out, corpus / "images" / "Dataset" / "Dataset", lines)


def assert_rows(rows: list[Json], lines: dict[tuple[str, int], Json]) -> None:
    """The rows are those of the sources, each once."""
    assert sorted((row["source"], row["line"]) for row in rows) == sorted(lines)
    for row in rows:
        given = lines[row["source"], row["line"]]
        assert (row["messages"], row["images"]) == (given["messages"], given.get("images", []))
        assert (None if row["meta"] is None else json.loads(row["meta"])) == given.get("meta")
        assert row["variant"] in {"open", "closed", "closed_cot"}
        options = {option["letter"]: option["text"] for option in row["options"] or ()}
        assert options.get(row["answer"]) == row["answer_text"]


def assert_pixels(made: Made, shard: Json, rows: list[Json], pictures: list[Json]) -> None:
    """Each row's pictures have Pillow's pixels."""
    folder = made.out / shard["folder"]
    stores = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("gray", "rgb", "pixels") if shard[name]}
    found = {}
    for number, picture in enumerate(pictures):
        height, width, channels = (picture[key] for key in ("height", "width", "channels"))
        if picture["store"] == "pixels":
            flat = stores["pixels"][picture["offset"] : picture["offset"] + picture["length"]]
        else:
            flat = stores[picture["store"]][picture["index"]]
        found[number] = np.broadcast_to(flat.reshape(height, width, channels), (height, width, 3))
    size = (SIDE, SIDE) if "rgb" in stores or "gray" in stores else None
    expected = {name: made.pixels(name, size) for row in rows for name in row["images"]}
    assert expected
    for row in rows:
        for name, number in zip(row["images"], row["pictures"], strict=True):
            assert np.array_equal(found[number], expected[name]), name


def assert_read(made: Made, read: Callable[[Path], list[Json]]) -> None:
    """`read` gives the rows of an Arrow file as dicts; what it gives is what was put in."""
    every = []
    assert len(made.shards) > 1
    for shard in made.shards:
        rows, pictures = (read(made.out / shard["folder"] / f"{name}.arrow") for name in ("rows", "pictures"))
        assert_pixels(made, shard, rows, pictures)
        every += rows
    assert_rows(every, made.lines)


def test_numpy_maps_pixels_and_the_index(made: Made) -> None:
    index = np.load(made.out / "rows.index.npy", mmap_mode="r")
    assert (index.dtype, index.shape) == (np.uint64, (len(made.lines),))
    assert len(np.unique(index)) == len(index)
    assert [int((index >> 32 == n).sum()) for n in range(len(made.shards))] == [shard["rows"] for shard in made.shards]
    for shard in made.shards:
        for store in ("gray", "rgb", "pixels"):
            path = made.out / shard["folder"] / f"{store}.npy"
            assert path.exists() == bool(shard[store])
            if path.exists():
                pixels = np.load(path, mmap_mode="r")
                assert isinstance(pixels, np.memmap)
                assert (pixels.dtype, pixels.offset, pixels.flags.writeable) == (np.uint8, 4096, False)
                assert store == "pixels" or pixels.shape == (shard[store], SIDE, SIDE, 3)[: 4 if store == "rgb" else 3]


def test_pyarrow(made: Made) -> None:
    def read(path: Path) -> list[Json]:
        with pa.memory_map(str(path)) as mapped:
            rows: list[Json] = pa.ipc.open_file(mapped).read_all().to_pylist()
        return rows

    assert_read(made, read)


def test_pyarrow_by_row_number(made: Made) -> None:
    tables = [pa.ipc.open_file(made.out / shard["folder"] / "rows.arrow").read_all() for shard in made.shards]
    index = np.load(made.out / "rows.index.npy")
    rows = [tables[int(place >> np.uint64(32))].slice(int(place & np.uint64(0xFFFFFFFF)), 1).to_pylist()[0] for place in index]
    assert [(row["source"], row["line"]) for row in rows] == list(made.lines)


def test_polars(made: Made) -> None:
    assert_read(made, lambda path: pl.read_ipc(path).to_dicts())
    counted = pl.scan_ipc(made.out / made.shards[0]["folder"] / "rows.arrow").select(pl.len()).collect().item()
    assert counted == made.shards[0]["rows"]


def test_duckdb_over_pyarrow(made: Made) -> None:
    connection = duckdb.connect()

    def read(path: Path) -> list[Json]:
        connection.register("file", pa.ipc.open_file(path).read_all())
        found: list[Json] = connection.sql("SELECT * FROM file").to_arrow_table().to_pylist()
        return found

    assert_read(made, read)
    connection.register("rows", pa.ipc.open_file(made.out / made.shards[0]["folder"] / "rows.arrow").read_all())
    counts = dict(connection.sql("SELECT variant::VARCHAR, count(*) FROM rows GROUP BY 1").fetchall())
    assert sum(counts.values()) == made.shards[0]["rows"]
    assert counts["open"] > 0
    turns = connection.sql("SELECT count(*) FROM (SELECT unnest(messages) AS turn FROM rows) WHERE turn.role = 'user'").fetchall()
    assert turns == [(made.shards[0]["rows"],)]


def test_datasets_loads_it_offline(made: Made, tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    folders = [shard["folder"] for shard in made.shards]
    command = [sys.executable, "-c", DATASETS, str(made.out), str(tmp_path / "cache"), *folders]
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | offline)
    assert told.returncode == 0, told.stderr
    loaded = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    for shard, contents in zip(made.shards, loaded, strict=True):
        assert_pixels(made, shard, contents["rows"], contents["pictures"])
    assert_rows([row for contents in loaded for row in contents["rows"]], made.lines)
