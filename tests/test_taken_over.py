"""What a build takes over is read first: no damage gets a fresh hash, and what is damaged is made anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import bytes_of, encoded, manifest_of, noise, write_files
from tests.test_commit import Work

FILES = ["gray.npy", "pictures.arrow", "rows.arrow", "unit.json"]
"""The files of a shard."""


@pytest.fixture
def work(tmp_path: Path) -> Work:
    work = Work(tmp_path)
    work.build()
    return work


def shard_files(out: Path, name: str) -> list[Path]:
    """Such a file of each shard."""
    return [out / shard["folder"] / name for shard in manifest_of(out)["shards"]]


def rot(path: Path, at: int = -1) -> None:
    """One bit of a file is another one."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def fresh(work: Work) -> dict[str, bytes]:
    """What a build into an empty folder makes."""
    again = work.folder / "fresh"
    shutil.rmtree(again, ignore_errors=True)
    work.build(out=again)
    return bytes_of(again)


@pytest.mark.parametrize("at", [0, 5, 4100, -1])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("update", [False, True])
def test_a_shard_that_rotted_is_made_anew_by_the_same_command(work: Work, name: str, update: bool, at: int) -> None:
    whole = bytes_of(work.out)
    path = shard_files(work.out, name)[1]
    rot(path, min(at, path.stat().st_size - 1))
    report = work.build(update=update)
    assert (report.unchanged, report.repaired, report.kept) == (False, (path.parent.name,), 2)
    assert bytes_of(work.out) == whole
    assert mf.verify(work.out).ok
    assert work.build(update=update).unchanged


@pytest.mark.parametrize("how", ["linked", "copied"])
@pytest.mark.parametrize("name", ["gray.npy", "pictures.arrow", "the header of gray.npy"])
def test_what_rotted_is_not_taken_over_by_an_update(work: Work, how: str, name: str) -> None:
    if how == "linked":  # the same pictures, other rows
        work.write([0, 0, 1, 2, 3, 4, 5])
    else:  # the same pictures, other neighbours
        work.write([1, 2, 3, 4, 5])
    path = shard_files(work.out, name.rpartition(" ")[2])[0]
    rot(path, {"gray.npy": 4200, "pictures.arrow": 600}.get(name, 20))
    report = work.build(update=True)
    assert report.decoded > 0
    assert report.linked + report.copied > 0
    assert path.parent.name in report.repaired
    assert bytes_of(work.out) == fresh(work)
    assert mf.verify(work.out).ok


def test_trust_takes_over_unread_and_the_manifest_says_so(work: Work) -> None:
    work.write([0, 0, 1, 2, 3, 4, 5])
    path = shard_files(work.out, "gray.npy")[0]
    rot(path, 4200)
    rotten = path.read_bytes()
    report = work.build(update=True, trust=True)
    assert (report.repaired, report.decoded) == ((), 0)
    assert manifest_of(work.out)["trusted_previous"] is True
    assert list(manifest_of(work.out))[5] == "trusted_previous"
    assert rotten in [path.read_bytes() for path in shard_files(work.out, "gray.npy")]
    # Whoever takes over from there says it, too.
    work.write([0, 0, 0, 1, 2, 3, 4, 5])
    work.build(update=True)
    assert manifest_of(work.out)["trusted_previous"] is True
    shutil.rmtree(work.out)
    work.build()
    assert "trusted_previous" not in manifest_of(work.out)


def test_shards_of_a_build_that_was_stopped_are_read_before_they_are_kept(work: Work) -> None:
    whole = bytes_of(work.out)
    for name in [*work.out.glob("*.json*"), *work.out.glob("*.npy")]:
        name.unlink()
    path = shard_files_without_manifest(work.out)[0] / "gray.npy"
    rot(path)
    report = work.build()
    assert (report.kept, report.built, report.repaired) == (2, 1, (path.parent.name,))
    assert bytes_of(work.out) == whole


def shard_files_without_manifest(out: Path) -> list[Path]:
    """The folders of shards."""
    return sorted(path for path in out.iterdir() if path.is_dir())


@pytest.mark.parametrize("why", ["missing", "unreadable"])
def test_a_picture_that_is_there_again_is_taken_in_by_the_same_command(tmp_path: Path, why: str) -> None:
    work = Work(tmp_path)
    picture = work.images / "3.png"
    if why == "missing":
        picture.rename(tmp_path / "elsewhere.png")
    elif os.geteuid() == 0:  # who may read everything is refused by a loop of links
        picture.rename(tmp_path / "elsewhere.png")
        picture.symlink_to(picture)
    else:
        picture.chmod(0)
    report = work.build()
    assert report.rejected == 2
    assert any("3.png" in example for example in report.examples.values())
    if (tmp_path / "elsewhere.png").exists():
        picture.unlink(missing_ok=True)
        (tmp_path / "elsewhere.png").rename(picture)
    else:
        picture.chmod(0o644)
    assert work.build().rejected == 1
    assert bytes_of(work.out) == fresh(work)


@pytest.mark.parametrize("change", ["another picture", "a row less", "a picture less"])
def test_what_the_user_has_changed_still_needs_an_update(work: Work, change: str) -> None:
    before = bytes_of(work.out)
    if change == "another picture":
        write_files(work.images, {"3.png": encoded(noise(99, 12, 12))})
    elif change == "a row less":
        work.write(range(5))
    else:
        (work.images / "3.png").unlink()
    with pytest.raises(ValueError, match="say --update"):
        work.build()
    assert bytes_of(work.out) == before


# folders of our own


LINKS = [
    ".build is a link",
    ".build is a file",
    "the lock is a link",
    "the lock has two names",
    "the lock is a pipe",
    "what .build holds is a link",
    "the manifest is a link",
    "the rejects are a link",
    "an old shard is a link",
]


def lay(kind: str, out: Path, user: Path) -> None:
    """Something of the user's, or something else, where only something of our own may be."""
    work = out / ".build"
    if kind in {"the lock is a link", "the lock has two names", "the lock is a pipe", "what .build holds is a link"}:
        work.mkdir()
    if kind == ".build is a link":
        work.symlink_to(user)
    elif kind == ".build is a file":
        work.write_text("mine")
    elif kind == "the lock is a link":
        (work / "lock").symlink_to(user / "thesis")
    elif kind == "the lock has two names":
        (work / "lock").hardlink_to(user / "thesis")
    elif kind == "the lock is a pipe":
        os.mkfifo(work / "lock")
    elif kind == "what .build holds is a link":
        (work / "old").symlink_to(user)
    elif kind == "an old shard is a link":
        (out / "0123456789abcdef").symlink_to(user / "shard")
    else:
        name = "manifest.json" if "manifest" in kind else "rejects.jsonl"
        (out / name).unlink()
        (out / name).symlink_to(user / "thesis")


@pytest.mark.parametrize("kind", LINKS)
def test_nothing_of_the_user_s_is_emptied_or_written(work: Work, kind: str) -> None:
    user = write_files(work.folder / "user", {"thesis": b"years of work", "deep/more": b"and more", "shard/unit.json": b"{}"})
    before = bytes_of(user)
    lay(kind, work.out, user)
    try:
        work.build(update=True)
    except (ValueError, OSError, mf.ShardError) as error:
        assert str(work.out) in str(error)  # noqa: PT017 - either is fine
    else:
        assert mf.verify(work.out).ok
    assert bytes_of(user) == before


def test_the_files_of_a_shard_may_be_links_of_an_annex(work: Work) -> None:
    """They are shared as files; the new shard holds no link."""
    store = work.folder / "annex"
    store.mkdir()
    for number, path in enumerate(shard_files(work.out, "gray.npy")):
        path.rename(store / str(number))
        path.symlink_to(store / str(number))
    work.write([0, 0, 1, 2, 3, 4, 5])
    report = work.build(update=True)
    assert report.linked > 0
    assert mf.verify(work.out).ok
    assert len(list(store.iterdir())) == 3
