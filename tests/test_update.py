"""`--update`: a fresh build's bytes, for no more work than what is new."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import Json, about, bytes_of, chat, encoded, inodes_of, manifest_of, noise, problems, rows_of, write_files, write_rows

MakeCorpus = Callable[..., Path]

SPEC = mf.Resize(64, fit="stretch")
SHARD_BYTES = 40 * 64 * 64 * 3
"""Forty pictures a shard."""


class Work:
    """A corpus that may be changed, and the data set that is kept up to date with it."""

    def __init__(self, corpus: Path, folder: Path) -> None:
        shutil.copytree(corpus, folder / "corpus")
        self.folder = folder
        self.images = folder / "corpus" / "images" / "Dataset" / "Dataset"
        self.sources = [folder / "corpus" / "training" / f"train_{name}.jsonl" for name in ("open", "no_cot_closed", "cot_closed")]
        self.out = folder / "shards"
        self.fresh: mf.BuildReport | None = None

    def build(self, *, out: Path | None = None, update: bool = False) -> mf.BuildReport:
        return mf.build(self.sources, self.images, out or self.out, SPEC, shard_bytes=SHARD_BYTES, update=update)

    def update(self) -> mf.BuildReport:
        """An update that must end with a fresh build's bytes; `fresh` is that build."""
        report = self.build(update=True)
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        self.fresh = self.build(out=self.folder / "fresh")
        assert bytes_of(self.out) == bytes_of(self.folder / "fresh")
        return report

    def rows(self) -> list[tuple[Path, int, list[str]]]:
        """Source, line from 0, and names of every row, in order."""
        return [
            (source, number, json.loads(line)["images"])
            for source in self.sources
            for number, line in enumerate(source.read_bytes().splitlines())
        ]

    def remove(self, places: set[tuple[Path, int]]) -> None:
        for source in self.sources:
            lines = source.read_bytes().splitlines(keepends=True)
            source.write_bytes(b"".join(line for number, line in enumerate(lines) if (source, number) not in places))

    def hashes(self) -> set[bytes]:
        return {picture["hash"] for path in self.out.glob("*/pictures.arrow") for picture in rows_of(path)}

    def picture_folders(self) -> list[str]:
        """The shards that hold pictures, in order."""
        return [shard["folder"] for shard in manifest_of(self.out)["shards"] if shard["pictures"]]


@pytest.fixture
def work(make_corpus: MakeCorpus, tmp_path: Path) -> Work:
    work = Work(make_corpus(images=300, faults=0, seed=0), tmp_path)
    work.build()
    assert len(work.picture_folders()) >= 6
    return work


def pixel_inodes(out: Path) -> list[int]:
    return sorted(inode for name, inode in inodes_of(out).items() if name.endswith(".npy") and "/" in name)


def test_rows_removed_that_first_named_no_picture_leave_every_pixel_where_it_is(work: Work) -> None:
    seen: set[str] = set()
    later = []
    for source, number, names in work.rows():
        if seen.issuperset(names):
            later.append((source, number))
        seen.update(names)
    removed = random.Random(1).sample(later, len(work.rows()) // 100)
    before, shards = pixel_inodes(work.out), len(work.picture_folders())
    work.remove(set(removed))
    report = work.update()
    assert (report.decoded, report.copied) == (0, 0)
    assert report.linked + report.kept == shards
    assert report.linked > 0
    assert pixel_inodes(work.out) == before
    assert problems(work.out) == []


def test_rows_removed_at_random_and_a_source_added_decode_only_what_is_new(work: Work, make_corpus: MakeCorpus) -> None:
    more = make_corpus(images=20, faults=0, seed=3)
    shutil.copytree(more / "images" / "Dataset" / "Dataset", work.images, dirs_exist_ok=True)
    shutil.copy(more / "training" / "train_open.jsonl", work.folder / "more.jsonl")
    rows = [(source, number) for source, number, _ in work.rows()]
    work.remove(set(random.Random(2).sample(rows, len(rows) // 100)))
    work.sources.append(work.folder / "more.jsonl")
    before = work.hashes()
    report = work.update()
    new = len(work.hashes() - before)
    assert 0 < new < 20  # some of the pictures are new, and some are old ones under new names
    assert report.decoded == new
    assert work.fresh is not None
    assert work.fresh.decoded == work.fresh.distinct_pictures > new


def test_a_source_of_new_pictures_at_the_end_leaves_full_shards_alone(work: Work) -> None:
    write_files(work.images, {f"new/{n}.png": encoded(noise(n, 20, 30, 3)) for n in range(90)})
    more = write_rows(work.folder / "zz_more.jsonl", [about(f"new/{n}.png") for n in range(90) for _ in range(2)])
    folders, before = work.picture_folders(), inodes_of(work.out)
    work.sources.append(more)
    report = work.update()
    full = folders[:-1]
    assert work.picture_folders()[: len(full)] == full
    after = inodes_of(work.out)
    for name, inode in before.items():
        if name.split("/")[0] in full:
            assert after[name] == inode, name
    assert report.decoded == 90
    assert report.kept >= len(full)
    assert 0 <= report.copied < 40  # the shard that was not full


def test_an_unchanged_data_set_is_left_alone(work: Work) -> None:
    before = inodes_of(work.out)
    report = work.build(update=True)
    assert report.unchanged
    assert (report.decoded, report.copied, report.linked, report.built) == (0, 0, 0, 0)
    assert inodes_of(work.out) == before


def test_mended_rows_and_pictures_come_in(work: Work) -> None:
    source = work.sources[0]
    good = source.read_bytes()
    name = work.rows()[5][2][0]
    picture = (work.images / name).read_bytes()
    (work.images / name).write_bytes(picture[:40])
    source.write_bytes(good.replace(b'"messages"', b'"massages"', 1))
    spoilt = work.update()
    assert spoilt.rejected >= 2
    assert {"row.missing_field"} < spoilt.rejects.keys()
    (work.images / name).write_bytes(picture)
    source.write_bytes(good)
    mended = work.update()
    assert (mended.rejected, mended.decoded) == (0, 1)


def test_another_spec_takes_nothing_over(work: Work) -> None:
    other = mf.Resize(64, fit="stretch", filter="lanczos")
    report = mf.build(work.sources, work.images, work.out, other, shard_bytes=SHARD_BYTES, update=True)
    assert (report.linked, report.copied, report.kept) == (0, 0, 0)
    assert report.decoded == report.distinct_pictures
    fresh = mf.build(work.sources, work.images, work.folder / "fresh", other, shard_bytes=SHARD_BYTES)
    assert bytes_of(work.out) == bytes_of(fresh.path)


def test_other_shard_sizes_copy_every_picture(work: Work) -> None:
    report = mf.build(work.sources, work.images, work.out, SPEC, shard_bytes=SHARD_BYTES // 3, update=True)
    fresh = mf.build(work.sources, work.images, work.folder / "fresh", SPEC, shard_bytes=SHARD_BYTES // 3)
    assert bytes_of(work.out) == bytes_of(fresh.path)
    assert (report.decoded, report.copied) == (0, fresh.pictures)


def test_readers_of_the_old_data_set_are_not_disturbed(work: Work) -> None:
    old = mf.open(work.out)
    expected = [old.rows.slice(number, 1).to_pylist() for number in (0, len(old) - 1)]
    pictures = [picture.pixels for picture in list(old.pictures)[:3]]
    before = [pixels.copy() for pixels in pictures]
    work.sources.pop()
    work.update()
    assert [old.rows.slice(number, 1).to_pylist() for number in (0, len(old) - 1)] == expected
    assert all((now == then).all() for now, then in zip(pictures, before, strict=True))
    assert len(mf.open(work.out)) < len(old)


def test_an_update_to_nothing_and_back(work: Work) -> None:
    rows: list[Json | bytes] = [chat(), b"{"]
    sources, work.sources = work.sources, [write_rows(work.folder / "text.jsonl", rows)]
    report = work.update()
    assert (report.rows, report.rejected, report.pictures, report.shards) == (1, 1, 0, 1)
    work.sources = sources
    assert work.update().decoded == len(work.hashes())


def test_old_shards_that_a_kill_left_behind_the_commit_go(tmp_path: Path) -> None:
    images = write_files(tmp_path / "i", {f"{n}.png": encoded(noise(n, 6, 6)) for n in range(2)})
    old = write_rows(tmp_path / "a" / "s.jsonl", [about("0.png")])
    source = write_rows(tmp_path / "b" / "s.jsonl", [about("1.png")])
    for rows, out in ((old, "old"), (source, "fresh"), (source, "killed")):
        mf.build(rows, images, tmp_path / out, SPEC)
    (stray,) = (path.parent for path in (tmp_path / "old").glob("*/unit.json"))
    shutil.copytree(stray, tmp_path / "killed" / stray.name)
    report = mf.build(source, images, tmp_path / "killed", SPEC, update=True)
    assert report.removed == 1
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "fresh")
