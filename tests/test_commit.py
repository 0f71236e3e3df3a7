"""A commit is one rename: the manifest names the index and the rejects by their content, and copies under plain names are for people."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import mmno_fast as mf
import numpy as np
import pytest
from blake3 import blake3

from tests import damage
from tests.building import about, bytes_of, encoded, inodes_of, manifest_of, noise, top_file, write_files, write_rows

SPEC = mf.Resize(16, fit="stretch")
INDEX, REJECTS = damage.TOP[1], damage.TOP[0]


class Work:
    """Rows and pictures that may be changed, and a data set of several shards."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.images = write_files(folder / "images", {f"{i}.png": encoded(noise(i, 12, 12)) for i in range(6)})
        self.write(range(6))

    def write(self, numbers: range | list[int]) -> None:
        write_rows(self.folder / "rows.jsonl", [*(about(f"{i}.png", n=i) for i in numbers), about("missing.png")])

    def build(self, *, out: Path | None = None, update: bool = False, trust: bool = False) -> mf.BuildReport:
        size = 2 * 16 * 16 * 3
        rows, out = self.folder / "rows.jsonl", out or self.out
        return mf.build(rows, self.images, out, SPEC, shard_bytes=size, threads=1, update=update, trust_previous=trust)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    work = Work(tmp_path)
    assert work.build().rejected == 1
    return work


def as_older_version(out: Path) -> None:
    """The same data set in format 1.0."""
    manifest = manifest_of(out)
    manifest["format"] = [1, 0]
    for file in manifest["files"]:
        (out / file["name"]).unlink()
        stem, suffix = file["name"].rsplit(".", 1)
        file["name"] = f"{stem.rpartition('-')[0]}.{suffix}"
    damage.write_json(out / "manifest.json", manifest)
    damage.seal_manifest(out / "manifest.json")


def test_names_follow_from_content_and_copies_hold_the_same(work: Work) -> None:
    manifest = manifest_of(work.out)
    assert manifest["format"] == [1, 1]
    for file, plain in zip(manifest["files"], (REJECTS, INDEX), strict=True):
        content = (work.out / file["name"]).read_bytes()
        assert blake3(content).hexdigest() == file["blake3"]
        stem, suffix = plain.rsplit(".", 1)
        assert file["name"] == f"{stem}-{file['blake3'][:16]}.{suffix}"
        assert (work.out / plain).read_bytes() == content
        assert (work.out / plain).stat().st_ino != (work.out / file["name"]).stat().st_ino  # who edits the copy changes nothing
    for shard in manifest["shards"]:
        assert json.loads((work.out / shard["folder"] / "unit.json").read_bytes())["format"] == [1, 0]


def test_readers_use_what_the_manifest_names_alone(work: Work) -> None:
    whole = [row["row"] for row in mf.open(work.out)]
    for plain in damage.TOP:
        (work.out / plain).unlink()
    with mf.open(work.out) as dataset, mf.Loader(dataset, 2, shuffle=False) as loader:
        assert [row["row"] for row in dataset] == whole
        assert sum(len(batch.rows) for batch in loader) == len(whole)
    found = mf.verify(work.out).problems
    assert sorted(each["path"] for each in found) == sorted(damage.TOP)
    assert all("run the same build again, which mends it" in each["message"] for each in found)


def test_an_older_data_set_is_read_as_before_and_stays_as_it_is(work: Work) -> None:
    rows = [row["messages"] for row in mf.open(work.out)]
    as_older_version(work.out)
    assert [row["messages"] for row in mf.open(work.out)] == rows
    assert mf.verify(work.out).ok
    before = bytes_of(work.out)
    assert work.build().unchanged
    assert bytes_of(work.out) == before


def test_the_index_of_other_rows_is_refused_in_an_older_data_set_and_mended(work: Work) -> None:
    """What an update of an older version leaves that dies between two renames."""
    as_older_version(work.out)
    whole = bytes_of(work.out)
    index = np.load(work.out / INDEX)
    path = work.out / INDEX
    path.write_bytes(path.read_bytes()[: -index.nbytes] + index[::-1].tobytes())
    with pytest.raises(mf.ShardError, match="run the build of this data set again, which mends it"):
        mf.open(work.out)
    report = work.build()
    assert (report.unchanged, report.repaired) == (False, (INDEX,))
    assert bytes_of(work.out) == whole


@pytest.mark.parametrize("content", [None, b"", b"x" * 4160])
@pytest.mark.parametrize("name", [INDEX, REJECTS])
@pytest.mark.parametrize("named", [True, False], ids=["by content", "plain"])
def test_whatever_is_lost_or_changed_is_mended_and_never_unchanged(work: Work, name: str, content: bytes | None, named: bool) -> None:
    whole = bytes_of(work.out)
    path = top_file(work.out, name) if named else work.out / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert not mf.verify(work.out).ok
    report = work.build()
    assert (report.unchanged, report.repaired, report.built) == (False, (path.name,), 0)
    assert bytes_of(work.out) == whole
    assert mf.verify(work.out).ok
    assert work.build().unchanged


def test_an_update_leaves_nothing_of_the_data_set_before(work: Work) -> None:
    before = set(bytes_of(work.out))
    work.write([5, 0, 1, 2])
    work.build(update=True)
    assert mf.verify(work.out).ok
    gone = [name for name in before if re.fullmatch(r"(rejects|rows\.index)-\w+\.\w+", name)]
    assert len(gone) == 2
    assert not any((work.out / name).exists() for name in gone)


def test_what_is_open_goes_on_with_what_it_opened_or_says_that_it_is_gone(work: Work) -> None:
    """Two readers and twenty updates that turn the order of rows: no row is one of another data set."""
    stop = threading.Event()
    faults: list[object] = []
    read: list[list[int]] = []

    def reading() -> None:
        while not stop.is_set():
            try:
                with mf.open(work.out) as dataset:
                    sources = [row["extra"]["n"] for row in dataset]
                    first = [dataset[0]["extra"]["n"], dataset[len(dataset) - 1]["extra"]["n"]]
                if sources not in ([*range(6)], [*range(5, -1, -1)]) or first != [sources[0], sources[-1]]:
                    faults.append(sources)
                read.append(sources)
            except mf.ShardError as error:
                if "built anew" not in str(error):
                    faults.append(str(error))
            except FileNotFoundError as error:
                faults.append(repr(error))

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        work.write(list(range(5, -1, -1)) if turn % 2 == 0 else range(6))
        work.build(update=True)
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert len(read) > 2


def test_an_unfinished_update_beside_a_whole_data_set_is_no_damage(work: Work) -> None:
    (work.out / ".build").mkdir()
    (work.out / "0123456789abcdef").mkdir()
    (work.out / "rows.index-0123456789abcdef.npy").write_bytes(b"")
    report = mf.verify(work.out)
    assert (report.ok, report.unfinished) == (True, True)
    assert "was stopped" in str(report)
    (work.out / "notes.txt").write_text("")
    assert [each["path"] for each in mf.verify(work.out).problems] == ["notes.txt"]


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda text: text[:-40],
    "a letter": lambda text: text.replace(b'"rows"', b'"rowz"', 1),
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_damaged_manifest_is_made_anew_on_request(work: Work, kind: str) -> None:
    whole, inodes = bytes_of(work.out), inodes_of(work.out)
    path = work.out / "manifest.json"
    path.write_bytes(SPOILT[kind](path.read_bytes()))
    with pytest.raises(mf.ShardError):
        work.build()
    assert work.build(update=True).kept == 3
    assert bytes_of(work.out) == whole
    assert {name: inode for name, inode in inodes_of(work.out).items() if "/" in name}.items() <= inodes.items()


def test_a_manifest_of_a_newer_version_is_never_replaced(work: Work) -> None:
    manifest = manifest_of(work.out)
    manifest["format"] = [2, 0]
    damage.write_json(work.out / "manifest.json", manifest)
    damage.seal_manifest(work.out / "manifest.json")
    before = bytes_of(work.out)
    for update in (False, True):
        with pytest.raises(mf.ShardError, match="install a newer mmno_fast"):
            work.build(update=update)
    assert bytes_of(work.out) == before
