"""The corpus of 2,700 pictures and 19,089 rows: clean, whole, exact to the last pixel, and the same from both engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mmno_fast as mf
import numpy as np
import PIL
import pyarrow as pa
import pytest
from blake3 import blake3
from PIL import Image

from tests.building import Json, assert_same_data_set, manifest_of, rows_of

SIDE = 448
SPEC = mf.Resize(SIDE, fit="stretch")
KNOWN = {"messages", "images", "meta"}


@dataclass(frozen=True)
class Built:
    """The corpus, and the data set that the core has made of it."""

    sources: list[Path]
    images: Path
    report: mf.BuildReport

    @property
    def out(self) -> Path:
        return self.report.path

    @property
    def root(self) -> Path:
        """Where names of pictures begin."""
        return self.images / "Dataset" / "Dataset"


@pytest.fixture(scope="module")
def built(make_corpus: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    corpus = make_corpus(images=2700, upscale=512)
    sources = [corpus / "training" / f"train_{variant}.jsonl" for variant in ("open", "no_cot_closed", "cot_closed")]
    out = tmp_path_factory.mktemp("big") / "shards"
    yield Built(sources, corpus / "images", mf.build(sources, corpus / "images", out, SPEC))
    shutil.rmtree(out)


@pytest.fixture(scope="module")
def names_by_hash(built: Built) -> dict[bytes, set[str]]:
    """The names of each distinct picture that rows name, by the hash of its file."""
    names = {name for source in built.sources for line in source.read_bytes().splitlines() for name in json.loads(line)["images"]}
    found: dict[bytes, set[str]] = {}
    for name in names:
        found.setdefault(blake3((built.root / name).read_bytes()).digest(), set()).add(name)
    return found


def test_check_finds_nothing_that_rejects_a_row(built: Built, names_by_hash: dict[bytes, set[str]]) -> None:
    report = mf.check(built.sources, built.images, image=SPEC)
    assert (report.ok, report.errors) == (True, 0)
    assert (report.summary["lines"], report.summary["rows"], report.summary["rejected"]) == (19_089, 19_089, 0)
    assert report.summary["distinct_pictures"] == len(names_by_hash)
    assert [(root["used"], root["descended"]) for root in report.summary["roots"]] == [(str(built.root), 2)]


def test_each_picture_is_decoded_and_stored_once(built: Built, names_by_hash: dict[bytes, set[str]]) -> None:
    report = built.report
    assert (report.lines, report.rows, report.rejected) == (19_089, 19_089, 0)
    assert report.decoded == report.pictures == report.distinct_pictures == len(names_by_hash)
    assert report.shards == report.built > 1
    stored = [picture for path in built.out.glob("*/pictures.arrow") for picture in rows_of(path)]
    assert len(stored) == len(names_by_hash)
    assert {picture["hash"]: set(picture["names"]) for picture in stored} == names_by_hash
    assert mf.verify(built.out).ok


def test_every_pixel_is_pillows(built: Built) -> None:
    manifest = manifest_of(built.out)
    assert manifest["spec"]["pixels"] == f"pillow{PIL.__version__.split('.', maxsplit=1)[0]}"

    def differing(shard: Json) -> list[str]:
        folder = built.out / shard["folder"]
        stores = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("gray", "rgb") if shard[name]}
        found = []
        for picture in rows_of(folder / "pictures.arrow"):
            with Image.open(built.root / picture["names"][0]) as image:
                rgb = image.convert("RGB")
            expected = np.asarray(rgb.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            pixels = stores[picture["store"]][picture["index"]].reshape(SIDE, SIDE, -1)
            channels = np.asarray(rgb)
            gray = bool((channels == channels[..., :1]).all())
            if not np.array_equal(np.broadcast_to(pixels, expected.shape), expected) or (picture["store"] == "gray") != gray:
                found.append(picture["names"][0])
        return found

    with ThreadPoolExecutor(2) as pool:  # Pillow lets other threads run while it decodes and resizes
        assert [name for names in pool.map(differing, manifest["shards"]) for name in names] == []


def test_every_row_comes_back_in_order(built: Built) -> None:
    manifest = manifest_of(built.out)
    shards = [pa.ipc.open_file(built.out / shard["folder"] / "rows.arrow").read_all() for shard in manifest["shards"]]
    stored = [rows.to_pylist() for rows in shards]
    names = [[picture["names"] for picture in rows_of(built.out / shard["folder"] / "pictures.arrow")] for shard in manifest["shards"]]
    places = iter(np.load(built.out / "rows.index.npy").tolist())
    for source in built.sources:
        for number, line in enumerate(source.read_bytes().splitlines(), 1):
            given, place = json.loads(line), next(places)
            row = stored[place >> 32][place & 0xFFFFFFFF]
            assert (row["source"], row["line"]) == (source.name, number)
            assert (row["messages"], row["images"]) == (given["messages"], given["images"])
            assert (row["meta"] is None) == ("meta" not in given)
            assert row["meta"] is None or (row["meta"].encode() in line and json.loads(row["meta"]) == given["meta"])
            assert json.loads(row["extra"] or "{}") == {key: value for key, value in given.items() if key not in KNOWN}
            for name, picture in zip(row["images"], row["pictures"], strict=True):
                assert name in names[place >> 32][picture]
    assert next(places, None) is None


def test_one_thread_makes_the_same_bytes(built: Built, tmp_path: Path) -> None:
    alone = mf.build(built.sources, built.images, tmp_path / "shards", SPEC, threads=1)
    # The manifest holds the hash of every other file; both have been verified.
    assert mf.verify(alone.path).ok
    assert (alone.path / "manifest.json").read_bytes() == (built.out / "manifest.json").read_bytes()
    shutil.rmtree(alone.path)


def test_the_reference_engine_agrees(built: Built, tmp_path: Path) -> None:
    theirs = mf.build(built.sources, built.images, tmp_path / "shards", SPEC, engine="reference")
    assert_same_data_set(built.out, theirs.path)
    for count in ("lines", "rows", "rejected", "rejects", "pictures", "distinct_pictures", "decoded", "shards", "stored_again"):
        assert getattr(theirs, count) == getattr(built.report, count), count
    shutil.rmtree(theirs.path)
