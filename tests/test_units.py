"""Which rows and pictures share a shard: rows without pictures or with several, shared pictures, shards filled to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.building import (
    Json,
    about,
    both_builds,
    chat,
    core_build,
    encoded,
    manifest_of,
    noise,
    problems,
    rows_of,
    write_files,
    write_rows,
)
from tests.random_cases import tries

SIDE = 8
SPEC = mf.Resize(SIDE, fit="stretch")
PICTURE_BYTES = 3 * SIDE * SIDE
COLOURS = 8
"""How many pictures `pictures` has: every second one gray."""
NAMES = [f"{number}.png" for number in range(COLOURS)]


def pixels_of(number: int) -> Any:
    return noise(number, 12, 10) if number % 2 else noise(number, 12, 10, 3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures; `alias/N.png` has the bytes of `N.png`."""
    files = {name: encoded(pixels_of(number)) for number, name in enumerate(NAMES)}
    files |= {f"alias/{name}": content for name, content in files.items()}
    files["broken.png"] = files["0.png"][:70]
    return write_files(tmp_path_factory.mktemp("pictures"), files)


@pytest.fixture
def build(pictures: Path, tmp_path: Path) -> Callable[..., tuple[Json, Path]]:
    """Builds these rows with both engines; the core's report and data set."""

    def run(*sources: list[Json | bytes], spec: mf.ImageSpec = SPEC, **options: Any) -> tuple[Json, Path]:
        named = [(f"{n}.jsonl", str(write_rows(tmp_path / f"{n}.jsonl", rows))) for n, rows in enumerate(sources)]
        report = both_builds(tmp_path, tmp_path, spec, sources=named, roots=[str(pictures)], **options)
        assert problems(tmp_path / "core") == []
        return report, tmp_path / "core"

    return run


def shards_of(out: Path) -> list[tuple[list[str], list[tuple[str, int]]]]:
    """Each shard's pictures, by first name, and rows."""
    folders = [out / shard["folder"] for shard in manifest_of(out)["shards"]]
    return [
        (
            [picture["names"][0] for picture in rows_of(folder / "pictures.arrow")],
            [(row["source"], row["line"]) for row in rows_of(folder / "rows.arrow")],
        )
        for folder in folders
    ]


def assert_reads_back(out: Path, sources: list[list[Json]], pictures: Path) -> None:
    """`mf.open` gives every row, in order, with its own pictures' pixels."""
    dataset = mf.open(out)
    expected = [(f"{n}.jsonl", line, row) for n, rows in enumerate(sources) for line, row in enumerate(rows, 1)]
    assert len(dataset) == len(expected)
    for found, (source, line, row) in zip(dataset, expected, strict=True):
        assert (found["source"], found["line"], found["messages"]) == (source, line, row["messages"])
        assert found["image_names"] == row.get("images", [])
        for pixels, name in zip(found["images"], found["image_names"], strict=True):
            assert np.array_equal(pixels, mf.read_picture(pictures / name, image=SPEC))


@pytest.mark.parametrize(
    ("shard_bytes", "fills"),
    [
        (1, [1] * 8),  # a larger picture is a unit of its own
        (PICTURE_BYTES, [1] * 8),
        (2 * PICTURE_BYTES - 1, [1] * 8),
        (2 * PICTURE_BYTES, [2] * 4),
        (3 * PICTURE_BYTES, [3, 3, 2]),
        (8 * PICTURE_BYTES - 1, [7, 1]),
        (8 * PICTURE_BYTES, [8]),
    ],
)
def test_shards_are_filled_to_the_byte(build: Callable[..., tuple[Json, Path]], pictures: Path, shard_bytes: int, fills: list[int]) -> None:
    rows = [about(name) for name in NAMES]
    report, out = build(rows, shard_bytes=shard_bytes)
    assert [len(names) for names, _ in shards_of(out)] == fills
    assert report["stored_again"] == 0
    assert_reads_back(out, [rows], pictures)


def test_rows_without_pictures_have_shards_of_their_own(build: Callable[..., tuple[Json, Path]], pictures: Path) -> None:
    rows = [chat(f"{n}?") for n in range(5)] + [about("0.png")] + [chat("last?", images=[])]
    length = len(json.dumps(rows[0], ensure_ascii=False))
    report, out = build(rows, shard_bytes=2 * length)
    assert report["shards"] == 5
    lines = [[line for _, line in rows] for _, rows in shards_of(out)]
    assert lines[0] == [6]
    assert sorted(lines[1] + lines[2] + lines[3] + lines[4]) == [1, 2, 3, 4, 5, 7]
    assert [len(each) for each in lines[1:3]] == [2, 2]
    assert manifest_of(out)["pictures_per_row"] == {"largest": 1, "histogram": {"0": 6, "1": 1}}
    assert_reads_back(out, [rows], pictures)


def test_a_picture_that_rows_of_other_shards_need_is_stored_there_again(build: Callable[..., tuple[Json, Path]], pictures: Path) -> None:
    rows = [
        about("0.png"),
        about("1.png", "0.png"),
        about("2.png", "3.png"),
        about("3.png", "2.png", "alias/0.png"),
        about("0.png", "3.png"),
    ]
    report, out = build(rows, shard_bytes=2 * PICTURE_BYTES)
    found = shards_of(out)
    assert [names for names, _ in found] == [["0.png", "1.png", "3.png"], ["2.png", "3.png", "0.png"]]
    assert [[line for _, line in lines] for _, lines in found] == [[1, 5, 2], [3, 4]]
    assert (report["pictures"], report["distinct_pictures"], report["stored_again"]) == (6, 4, 2)
    assert_reads_back(out, [rows], pictures)


def test_a_row_may_name_one_picture_twice_or_under_two_names(build: Callable[..., tuple[Json, Path]], pictures: Path) -> None:
    rows = [about("1.png", "1.png"), about("alias/2.png", "2.png", "1.png")]
    report, out = build(rows)
    assert (report["pictures"], report["distinct_pictures"]) == (2, 2)
    (folder,) = (out / shard["folder"] for shard in manifest_of(out)["shards"])
    assert [row["pictures"] for row in rows_of(folder / "rows.arrow")] == [[0, 0], [1, 1, 0]]
    assert [picture["names"] for picture in rows_of(folder / "pictures.arrow")] == [["1.png"], ["alias/2.png", "2.png"]]
    assert_reads_back(out, [rows], pictures)


def test_a_broken_picture_takes_its_rows_with_it_and_no_others(build: Callable[..., tuple[Json, Path]]) -> None:
    rows = [about("0.png"), about("broken.png"), about("1.png", "broken.png"), about("1.png"), chat()]
    report, out = build(rows, shard_bytes=2 * PICTURE_BYTES)
    assert [row["line"] for row in map(json.loads, (out / "rejects.jsonl").read_bytes().splitlines())] == [2, 3]
    assert (report["rows"], report["rejected"], report["distinct_pictures"]) == (3, 2, 2)


@pytest.mark.parametrize("sources", [[[]], [[b"", b" \t\r"]], [[b"{"]], [[], [chat()], []]])
def test_sources_that_hold_little_or_nothing(build: Callable[..., tuple[Json, Path]], sources: list[list[Json | bytes]]) -> None:
    report, out = build(*sources)
    rows = sum(isinstance(row, dict) for source in sources for row in source)
    assert (report["rows"], report["pictures"], report["shards"]) == (rows, 0, rows)
    assert np.load(out / "rows.index.npy").shape == (rows,)
    assert len(mf.open(out)) == rows


def test_ends_of_lines_marks_and_blank_lines(build: Callable[..., tuple[Json, Path]], tmp_path: Path) -> None:
    row = json.dumps(chat("Is \u2028 an end?"), ensure_ascii=False).encode()
    report, out = build([b"\xef\xbb\xbf" + row + b"\r", b"", b"\t" + row, b" ", row])
    assert (report["rows"], report["lines"]) == (3, 3)
    assert [found["line"] for found in mf.open(out)] == [1, 3, 5]
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(row + b"\n" + row)  # the last line without its end
    both_builds(tmp_path, tmp_path / "cut", SPEC, sources=[("cut", str(cut))], roots=[str(tmp_path)])
    assert [found["line"] for found in mf.open(tmp_path / "cut" / "core")] == [1, 2]


NAMED = st.sampled_from([*NAMES, *(f"alias/{name}" for name in NAMES), "broken.png", "none.png"])
ROWS = st.one_of(
    st.lists(NAMED, min_size=1, max_size=4).map(lambda names: about(*names)),
    st.integers(0, 99).map(lambda number: chat(f"{number}?")),
    st.just(b"{"),
)


@settings(deadline=None, max_examples=tries(40))
@given(
    sources=st.lists(st.lists(ROWS, max_size=8), min_size=1, max_size=3),
    shard_bytes=st.integers(1, 9 * PICTURE_BYTES),
    shuffle_seed=st.none() | st.integers(0, 2**64 - 1),
    spec=st.sampled_from([SPEC, mf.Resize((5, 9), fit="pad", color="gray"), mf.Original()]),
)
def test_any_rows_in_any_shards(
    pictures: Path,
    tmp_path_factory: pytest.TempPathFactory,
    sources: list[list[Json | bytes]],
    shard_bytes: int,
    shuffle_seed: int | None,
    spec: mf.ImageSpec,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    named = [(f"{n}.jsonl", str(write_rows(folder / f"{n}.jsonl", rows))) for n, rows in enumerate(sources)]
    options: Json = {"sources": named, "roots": [str(pictures)], "shard_bytes": shard_bytes, "shuffle_seed": shuffle_seed}
    report = both_builds(folder, folder, spec, **options)
    out = folder / "core"
    assert problems(out) == []
    lines = sum(map(len, sources))
    assert report["rows"] + report["rejected"] == report["lines"] == lines

    def usable(row: Json | bytes) -> bool:
        return isinstance(row, dict) and not {"broken.png", "none.png"} & set(row.get("images", []))

    kept = [(f"{n}.jsonl", line) for n, rows in enumerate(sources) for line, row in enumerate(rows, 1) if usable(row)]
    dataset = mf.open(out)
    assert [(row["source"], row["line"]) for row in dataset] == kept
    again = core_build(folder, folder / "again", spec, **options, threads=1, window=1, chunk_bytes=7)
    assert again == report
    assert (folder / "again" / "manifest.json").read_bytes() == (out / "manifest.json").read_bytes()
