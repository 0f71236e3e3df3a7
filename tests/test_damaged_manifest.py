"""A manifest, or a shard's record, that is not what was written: its own hash, versions, names, counts, lengths, every member.

What must hold: `mf.open` refuses a manifest whose own hash does not agree; and one whose hash was made to agree ("sealed") where versions,
names or counts cannot be. Nothing else than `ShardError` comes of it, and nobody is led out of the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mmno_fast as mf
import pytest

from tests.building import Json
from tests.damage import copy, read_json, seal_manifest, write_json
from tests.judged import Judge, Verdict, assert_none, is_named
from tests.members import at, drop, members, other, put, some, text
from tests.ways import WAYS

MANIFEST = "manifest.json"
ALL = tuple(way for way in WAYS if way != "verify")
"""The ways that open it: every one."""


@pytest.fixture
def changed(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set whose manifest is changed, and sealed where nothing else is said."""
    return partial(judge.with_manifest, tmp_path / "copy")


# its own hash


def test_a_manifest_that_was_changed_and_not_sealed_is_refused(changed, judge):
    """Every member, down to the last digit of a hash."""
    manifest = read_json(judge.folders["resize"] / MANIFEST)
    paths = list(members(manifest))
    assert len(paths) > 80
    verdicts = [changed(put(path, other(at(manifest, path))), text(path), sealed=False) for path in paths]
    assert_none(verdict.refused(MANIFEST, ALL) for verdict in verdicts)


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a line feed more": lambda text: text + b"\n",
    "a line feed less": lambda text: text[:-1],
    "a blank": lambda text: b" " + text,
    "line feeds of another system": lambda text: text.replace(b"\n", b"\r\n"),
    "an escape": lambda text: text.replace(b'"tool"', b'"t\\u006fol"'),
    "a member more": lambda text: text.replace(b"{", b'{"later": 1,', 1),
    "a member behind the hash": lambda text: text[:-3] + text[-3:].replace(b"}", b',"a":1}'),
    "a hash in capitals": lambda text: text.replace(text[-67:-4], text[-67:-4].upper()),
    "a hash of zeros": lambda text: text.replace(text[-68:-4], b"0" * 64),
}


@pytest.mark.parametrize("change", BYTES)
def test_every_byte_of_it_counts(judge, tmp_path, change):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    whole = (out / MANIFEST).read_bytes()
    (out / MANIFEST).write_bytes(BYTES[change](whole))
    assert (out / MANIFEST).read_bytes() != whole
    assert_none([judge("resize", out, change).refused(MANIFEST, ALL)])


@pytest.mark.parametrize("hash_", ["", "0" * 64, "f" * 63, "g" * 64, "F" * 64, 0, None, [], "0" * 65])
def test_an_own_hash_that_is_none_is_refused(changed, hash_):
    assert_none([changed(put(("manifest_blake3",), hash_), f"hash {hash_!r}", sealed=False).refused(MANIFEST, ALL)])


def test_a_manifest_without_its_own_hash_is_refused(changed):
    assert_none([changed(drop(("manifest_blake3",)), "no hash", sealed=False).refused(MANIFEST, ALL)])


def test_members_that_a_later_version_may_add_are_ignored(changed):
    def add(manifest: Json) -> None:
        own = manifest.pop("manifest_blake3")
        manifest["shards"][0]["later"] = {"manifest_blake3": "0" * 64}
        manifest.update(later=[1], manifest_blake3=own)
        manifest["format"][1] = 7

    assert_none([changed(add, "format 1.7").same()])


# versions


@pytest.mark.parametrize(
    "format_", [[2, 0], [0, 1], [-1, 0], ["1", 0], [1.5, 0], [True, 0], [], [1], 1, "1.0", None, {}, [[1], 0], [1 << 64, 0]], ids=str
)
def test_a_format_that_is_not_known_is_refused(changed, format_):
    assert_none([changed(put(("format",), format_), f"format {format_}").refused(MANIFEST, ALL)])


@pytest.mark.parametrize("version", ["2", None, -1, 2.5, [], 1 << 40], ids=str)
def test_a_version_of_pixels_that_is_none_is_refused(changed, version):
    assert_none([changed(put(("pixels_version",), version), f"pixels_version {version}").refused(MANIFEST, ALL)])


def test_pixels_of_an_older_version_are_read(changed):
    assert_none([changed(put(("pixels_version",), 1), "pixels_version 1").same()])


@pytest.mark.parametrize("kind", ["sculpture", "", None, 1, []])
def test_a_kind_of_spec_that_is_not_known_is_refused(changed, kind):
    assert_none([changed(put(("spec", "kind"), kind), f"kind {kind}").refused(MANIFEST, ALL)])


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
def test_members_of_the_spec(changed, judge, layout):
    spec = read_json(judge.folders[layout] / MANIFEST)["spec"]
    changes = [(path, value) for i, path in enumerate(members(spec)) for value in some(i, 2) if value != at(spec, path)]
    assert_none(changed(put(("spec", *path), value), f"spec.{text(path)} {value}", layout=layout).agreed() for path, value in changes)
    assert_none(changed(drop(("spec", *path)), f"no spec.{text(path)}", layout=layout).agreed() for path in members(spec))


# names

NAMES = ["../copy", "..", ".", "", "/etc", "/", "a/b", "./a", "a/", "a\\b", "a\0b", "\0", "~", "C:", "a" * 300, 0, None, ["a"], {}]
OUTSIDE = ["../outside", "/etc/hostname", "../../rows.jsonl", "../copy/rejects.jsonl"]


def not_plain(name: Any) -> bool:
    return not isinstance(name, str) or name in {"", ".", ".."} or bool({*name} & {"/", "\\", "\0"})


@pytest.mark.parametrize("name", NAMES + OUTSIDE, ids=repr)
def test_a_folder_that_is_not_a_plain_name_is_refused(changed, name):
    verdict = changed(put(("shards", 0, "folder"), name), f"folder {name!r}")
    assert_none([verdict.refused(MANIFEST, ALL) if not_plain(name) else verdict.never_other()])


@pytest.mark.parametrize("where", [("shards", 0, "files", 0, "name"), ("files", 0, "name")], ids=text)
@pytest.mark.parametrize("name", NAMES + OUTSIDE, ids=repr)
def test_a_file_that_is_not_a_plain_name_is_refused(changed, where, name):
    verdict = changed(put(where, name), f"file {name!r}")
    assert_none([verdict.refused(MANIFEST, ALL) if not_plain(name) else verdict.never_other()])


@pytest.mark.parametrize("where", [("shards", 0, "folder"), ("shards", 0, "files", 0, "name"), ("files", 1, "name")], ids=text)
def test_nobody_says_anything_of_a_file_outside(judge, tmp_path, where):
    """What `verify` says is the same, whether that file is there or not, whatever it holds."""
    said = []
    for content in (None, b"", b"secret" * 1000):
        outside = tmp_path / "outside"
        outside.unlink(missing_ok=True)
        if content is not None:
            outside.write_bytes(content)
        out = copy(judge.folders["resize"], tmp_path / "copy")
        manifest = read_json(out / MANIFEST)
        put(where, "../outside" if where[-1] == "folder" or where[0] == "files" else "../../outside")(manifest)
        write_json(out / MANIFEST, manifest)
        seal_manifest(out / MANIFEST)
        verdict = judge("resize", out, text(where)).refused(MANIFEST, ALL)
        assert_none([verdict])
        said.append({way: (seen.error, seen.problems) for way, seen in verdict.looks.items()})
    assert said[0] == said[1] == said[2]


def test_two_of_one_name(changed):
    def shard_twice(manifest: Json) -> None:
        manifest["shards"].append(manifest["shards"][0])
        for name in ("rows", "pictures"):
            manifest["totals"][name] += manifest["shards"][0][name]

    def same_folder(manifest: Json) -> None:
        manifest["shards"][1]["folder"] = manifest["shards"][0]["folder"]

    def file_twice(manifest: Json) -> None:
        manifest["shards"][0]["files"].append(manifest["shards"][0]["files"][0])

    def other_length(manifest: Json) -> None:
        first = manifest["shards"][0]["files"][0]
        manifest["shards"][0]["files"].append({**first, "bytes": first["bytes"] + 1})

    refused = {"a shard twice": shard_twice, "two shards of one folder": same_folder, "two lengths of one file": other_length}
    for name, change in refused.items():
        assert_none([changed(change, name).found().agreed()])
    assert_none([changed(file_twice, "a file twice").same_or_refused()])


@pytest.mark.parametrize("name", ["rows.arrow", "pictures.arrow", "gray.npy", "rgb.npy", "unit.json"])
def test_a_file_that_the_manifest_does_not_name(changed, name):
    """It is there, but nothing vouches for it: found by `verify`, and nobody reads other data."""

    def forget(manifest: Json) -> None:
        files = manifest["shards"][0]["files"]
        files[:] = [file for file in files if file["name"] != name]

    assert_none([changed(forget, f"without {name}").found().never_other()])


@pytest.mark.parametrize("name", ["rows.index.npy", "rejects.jsonl"])
def test_a_top_file_that_the_manifest_does_not_name(changed, name):
    def forget(manifest: Json) -> None:
        manifest["files"] = [file for file in manifest["files"] if not is_named(name, file["name"])]

    assert_none([changed(forget, f"without {name}").found().never_other()])


def test_members_of_later_versions_that_python_cannot_hold_harm_nobody(tmp_path, judge):
    """A number of 5,000 digits, and JSON too deep: the rows are read, and `manifest` gives what it can."""
    for what, value in {"digits": "7" * 5000, "depth": "[" * 120 + "]" * 120}.items():
        out = copy(judge.folders["resize"], tmp_path / what)
        path = out / "manifest.json"
        path.write_bytes(path.read_bytes().replace(b"{", b'{"later": ' + value.encode() + b",", 1))
        seal_manifest(path)
        with mf.open(out) as dataset:
            assert dataset[0]["row"] == 0
            assert dataset.fingerprint == dataset.manifest["manifest_blake3"]
            assert str(dataset.manifest["later"]).strip("[]") in {"7" * 5000, ""}
