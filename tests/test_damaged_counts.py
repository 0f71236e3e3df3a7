"""Counts, lengths and every other member of a manifest or a record that are not what was written. Sealed: its own hash agrees.

What must hold: counts that do not fit together are refused, take no memory, and nothing else than `ShardError` comes of any member.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import blake3
import pytest

from tests.building import Json
from tests.damage import copy, file_of, npy_header, read_json, seal, seal_manifest, shards, write_json
from tests.judged import READERS, Judge, Verdict, assert_none
from tests.members import at, drop, members, put, some, text
from tests.ways import WAYS

MANIFEST = "manifest.json"
ALL = tuple(way for way in WAYS if way != "verify")
"""The ways that open it: every one."""


@pytest.fixture
def changed(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set whose manifest is changed, and sealed."""
    return partial(judge.with_manifest, tmp_path / "copy")


# counts and lengths

COUNTS = ["rows", "pictures", "gray", "rgb", "pixels"]
WRONG = [1 << 31, 1 << 32, 1 << 46, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


@pytest.mark.parametrize("name", COUNTS)
def test_a_shard_that_counts_otherwise_is_refused(changed, judge, name):
    now = read_json(judge.folders["resize"] / MANIFEST)["shards"][0][name]
    for wrong in [now + 1, *([now - 1] if now else []), *WRONG]:
        assert_none([changed(put(("shards", 0, name), wrong), f"{name} {wrong}").refused("", READERS)])


@pytest.mark.parametrize("name", ["rows", "pictures"])
def test_totals_that_are_no_sums_are_refused(changed, judge, name):
    now = read_json(judge.folders["resize"] / MANIFEST)["totals"][name]
    assert_none(
        changed(put(("totals", name), wrong), f"totals.{name} {wrong}").refused(MANIFEST, ALL) for wrong in [0, now - 1, now + 1, *WRONG]
    )


@pytest.mark.parametrize("name", ["rows", "pictures", "gray"])
def test_sums_that_overflow_are_refused(changed, name):
    """Two shards that count 2^64 together, so that the sum seems right to whoever adds in 64 bits."""

    def change(manifest: Json) -> None:
        first, second = manifest["shards"][:2]
        both = first[name] + second[name]
        first[name] = 1 << 63
        second[name] = both + (1 << 63)

    def at_the_end(manifest: Json) -> None:
        first, second = manifest["shards"][:2]
        both = first[name] + second[name]
        first[name] = (1 << 64) - 1
        second[name] = both + 1

    assert_none(
        [changed(change, f"{name}: 2^63 twice").refused("", READERS), changed(at_the_end, f"{name}: 2^64 - 1").refused("", READERS)]
    )


@pytest.mark.parametrize("count", [10, 1 << 31, 1 << 46, (1 << 61) - 512, (1 << 64) - 1])
def test_more_rows_than_there_are_take_no_memory(judge, tmp_path, count):
    """Manifest, record, totals and the header of the index agree; there is no such row."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    index = file_of(out, "rows.index.npy")
    index.write_bytes(npy_header("<u8", (count,)) + index.read_bytes()[4096:])
    more = count - read_json(out / MANIFEST)["totals"]["rows"]

    def edit(manifest: Json) -> None:
        manifest["shards"][0]["rows"] += more
        manifest["totals"]["rows"] = count

    seal(out, edit, record=lambda unit: unit.update(rows=unit["rows"] + more))
    assert_none([judge("resize", out, f"{count} rows").refused("", READERS)])


def test_lengths_that_files_do_not_have_are_refused(changed, judge):
    manifest = read_json(judge.folders["resize"] / MANIFEST)
    for number, file in enumerate(manifest["shards"][0]["files"]):
        where = ("shards", 0, "files", number, "bytes")
        # A shard is looked at when it is first touched; who touches no pixels or rows of it may not notice.
        assert_none(
            changed(put(where, wrong), f"{file['name']}: {wrong} bytes").refused(file["name"]) for wrong in (file["bytes"] + 1, 0, 1 << 63)
        )
    for number, file in enumerate(manifest["files"]):
        top = ("files", number, "bytes")
        ways = READERS if file["name"].startswith("rows.index-") else ()
        assert_none(
            changed(put(top, wrong), f"{file['name']}: {wrong} bytes").refused(file["name"], ways) for wrong in (file["bytes"] + 1, 0)
        )


# every member


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
def test_whatever_a_member_is(changed, judge, layout):
    """No way but `ShardError` out of it; where it is read all the same, the data are the same."""
    manifest = read_json(judge.folders[layout] / MANIFEST)
    paths = [path for path in members(manifest) if path[0] not in {"manifest_blake3", "spec"} and len(path) < 6]
    count = 2 if layout == "resize" else 1
    changes = [(path, value) for i, path in enumerate(paths) for value in some(i, count) if value != at(manifest, path)]
    verdicts = [changed(put(path, value), f"{text(path)} = {value!r}", layout=layout) for path, value in changes]
    assert_none(verdict.never_other().agreed() for verdict in verdicts)


def test_a_member_that_is_missing(changed, judge):
    manifest = read_json(judge.folders["resize"] / MANIFEST)
    verdicts = [changed(drop(path), f"without {text(path)}") for path in members(manifest) if path != ("manifest_blake3",)]
    assert_none(verdict.never_other() for verdict in verdicts)


TEXTS = {
    "empty": b"",
    "no JSON": b"{",
    "a number": b"1",
    "a list": b"[]",
    "an object": b"{}",
    "too deep": b'{"a":' * 100_000,
    "brackets": b"[" * 100_000,
    "not UTF-8": b'{"format": [1, 0], "a": "\xff"}',
    "UTF-16": '{"format": [1, 0]}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate": b'{"format": [1, 0], "a": "\\ud800"}',
    "NaN": b'{"format": [1, 0], "a": NaN}',
    "a long number": b'{"format": [' + b"1" * 100_000 + b", 0]}",
    "NULs": bytes(5000),
    "twins": b'{"format": [1, 0], "format": [1, 0]}',
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_manifest_is_refused(judge, tmp_path, text):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    (out / MANIFEST).write_bytes(TEXTS[text])
    assert_none([judge("resize", out, text).refused(MANIFEST, ALL)])


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_record_is_found_by_verify(judge, tmp_path, text):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    (file_of(out, "unit.json")).write_bytes(TEXTS[text])
    seal_with_broken_record(out)
    assert_none([judge("resize", out, text).found().never_other()])


def seal_with_broken_record(out: Path) -> None:
    """Lengths and hashes of the manifest alone: the record cannot be written anew."""
    manifest = read_json(out / MANIFEST)
    for folder, shard in zip(shards(out), manifest["shards"], strict=True):
        for file in shard["files"]:
            data = (folder / file["name"]).read_bytes()
            file.update(bytes=len(data), blake3=blake3.blake3(data).hexdigest())
    write_json(out / MANIFEST, manifest)
    seal_manifest(out / MANIFEST)


def test_members_of_a_record(judge, tmp_path):
    """Readers need no record; `verify` reads it, and says what is wrong."""
    unit = read_json(file_of(judge.folders["resize"], "unit.json"))
    verdicts = []
    for number, path in enumerate(members(unit)):
        for value in some(number, 3):
            if value == at(unit, path):
                continue
            out = copy(judge.folders["resize"], tmp_path / "copy")
            write_json(file_of(out, "unit.json"), unit)
            record = read_json(file_of(out, "unit.json"))
            put(path, value)(record)
            write_json(file_of(out, "unit.json"), record)
            seal_with_broken_record(out)
            verdicts.append(judge("resize", out, f"{text(path)} = {value!r}").never_other())
    assert_none(verdicts)
