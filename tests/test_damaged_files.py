"""What is no regular file where one of a data set should be: FIFO, socket, device, folder, links that lead nowhere or in a circle.

What must hold: an error at once, that names the file; `verify` reports it. A link to a regular file is followed: hubs and annexes store
every file as one.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.damage import copy, file_of, read_json, seal, seal_manifest, write_json
from tests.judged import READERS, Judge, Verdict, assert_none
from tests.ways import WAYS

FILES = [
    ("resize", "manifest.json"),
    ("resize", "rows.index.npy"),
    ("resize", "rejects.jsonl"),
    ("resize", "unit.json"),
    ("resize", "rows.arrow"),
    ("resize", "pictures.arrow"),
    ("resize", "gray.npy"),
    ("resize", "rgb.npy"),
    ("original", "pixels.npy"),
    ("encoded", "pixels.npy"),
]
ALL = tuple(way for way in WAYS if way != "verify")
WAYS_OF = {"manifest.json": ALL, "unit.json": (), "rejects.jsonl": ()}
"""Which ways need a file; the others need all that `READERS` read."""


def make_socket(path: Path) -> None:
    """A socket; its own address may be too long a path, so it is bound from within its folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def of_links(path: Path) -> None:
    """A chain of links that is too long."""
    for i in range(60):
        (path.parent / f"link {i}").symlink_to(f"link {i + 1}")
    (path.parent / "link 60").write_bytes(b"")
    path.symlink_to("link 0")


def linked_fifo(path: Path) -> None:
    os.mkfifo(path.parent / "fifo")
    path.symlink_to("fifo")


KINDS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a folder": lambda path: path.mkdir(),
    "a device of zeros": lambda path: path.symlink_to("/dev/zero"),
    "a device of nothing": lambda path: path.symlink_to("/dev/null"),
    "a device that is full": lambda path: path.symlink_to("/dev/full"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "standard input": lambda path: path.symlink_to("/dev/stdin"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a file of the kernel that waits": lambda path: path.symlink_to("/proc/kmsg"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to its folder": lambda path: path.symlink_to("."),
    "a link to a FIFO": linked_fifo,
    "a chain of links without end": of_links,
    "nothing": lambda _: None,
}


@pytest.fixture
def replaced(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set of which a file is replaced by something; `sealed`: by the length that the system says of it."""

    def replaced(layout: str, name: str, make: Callable[[Path], object], what: str, *, sealed: bool) -> Verdict:
        out = copy(judge.folders[layout], tmp_path / "copy")
        path = file_of(out, name)
        path.unlink()
        make(path)
        if sealed:
            seal_lengths(out)
        return judge(layout, out, f"{layout}: {name} is {what}, sealed {sealed}")

    return replaced


def seal_lengths(out: Path) -> None:
    """The manifest says of every file the length that the system says, also of what is no file."""
    if not (out / "manifest.json").is_file():
        return
    manifest = read_json(out / "manifest.json")
    for folder, files in [(out, manifest["files"]), *((out / shard["folder"], shard["files"]) for shard in manifest["shards"])]:
        for file in files:
            try:
                file["bytes"] = (folder / file["name"]).stat().st_size
            except OSError:
                file["bytes"] = 0
    write_json(out / "manifest.json", manifest)
    seal_manifest(out / "manifest.json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layout", "name"), FILES)
def test_what_is_no_file_is_refused_at_once(replaced, layout, name, kind):
    verdicts = [replaced(layout, name, KINDS[kind], kind, sealed=sealed) for sealed in {False, name != "manifest.json"}]
    ways = WAYS_OF.get(name, READERS)
    assert_none(verdict.refused(name if name != "manifest.json" or kind != "nothing" else "", ways) for verdict in verdicts)


def test_rejects_that_wait_keep_no_loader(judge, tmp_path):
    """Who asks a data set for the identity of its rows reads `rejects.jsonl`, too."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    path = file_of(out, "rejects.jsonl")
    path.unlink()
    os.mkfifo(path)
    seal_lengths(out)
    assert_none([judge("resize", out, "rejects.jsonl").refused("rejects.jsonl", ("Loader", "Loader, grouped"))])


@pytest.mark.timeout(10)
def test_rejects_of_a_raw_reader_that_wait_are_refused(tmp_path):
    (tmp_path / "train.jsonl").touch()
    os.mkfifo(tmp_path / "rejects.jsonl")
    with pytest.raises(OSError, match=r"rejects\.jsonl.*found a pipe"):
        mf.open(tmp_path / "train.jsonl", tmp_path, rejects=tmp_path / "rejects.jsonl")


@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device of zeros", "a link to nothing", "a link to itself", "nothing"])
def test_a_shard_that_is_no_folder_is_refused(judge, tmp_path, kind):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    folder = file_of(out, "unit.json").parent
    shutil.rmtree(folder)
    KINDS[kind](folder)
    assert_none([judge("resize", out, kind).refused(folder.name)])


@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device of zeros", "a link to nothing", "a link to itself", "nothing"])
def test_a_data_set_that_is_no_folder_is_refused(judge, tmp_path, kind):
    KINDS[kind](tmp_path / "made")
    assert_none([judge("resize", tmp_path / "made", kind).refused("made", ALL)])


def moved(path: Path, to: Path) -> None:
    """The file, or folder, elsewhere, and a link where it was."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, to)
    path.symlink_to(to)


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
def test_links_to_regular_files_are_followed(judge, tmp_path, layout):
    """Every file a link, as a hub's cache has it: a relative one into a folder of contents; and a link to that."""
    out = copy(judge.folders[layout], tmp_path / "copy")
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    for number, path in enumerate(files):
        moved(path, tmp_path / "blobs" / str(number))
        if number % 2:
            target = os.path.relpath(path.readlink(), path.parent)
            path.unlink()
            path.symlink_to(target)
    assert all(path.is_symlink() for path in files)
    assert_none([judge(layout, out, f"{layout}: links").same()])
    again = tmp_path / "again"
    shutil.copytree(out, again, symlinks=True)
    for path in files:
        name = path.relative_to(out)
        (again / name).unlink()
        (again / name).symlink_to(path)
    assert_none([judge(layout, again, f"{layout}: links to links").same()])


def test_links_to_folders_are_followed(judge, tmp_path):
    out = copy(judge.folders["resize"], tmp_path / "copy")
    moved(file_of(out, "unit.json").parent, tmp_path / "elsewhere" / "shard")
    assert_none([judge("resize", out, "a shard is a link").same()])
    moved(out, tmp_path / "elsewhere" / "all")
    assert_none([judge("resize", out, "the data set is a link").same()])


def test_a_link_to_another_regular_file_is_refused(judge, tmp_path):
    """It is followed, and what it leads to is looked at as any file."""
    for layout, name in FILES:
        out = copy(judge.folders[layout], tmp_path / "copy")
        path = file_of(out, name)
        path.unlink()
        (tmp_path / "other").write_bytes(b"something else")
        path.symlink_to(tmp_path / "other")
        if name != "manifest.json":
            seal(out) if name != "unit.json" else seal_lengths(out)
        assert_none([judge(layout, out, f"{layout}: {name}").refused(name, WAYS_OF.get(name, READERS))])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("layout", "name"), FILES)
def test_verify_does_not_read_past_the_listed_length(judge, tmp_path, layout, name):
    """A hole of a TiB at the end takes no space, and would take an hour to hash."""
    out = copy(judge.folders[layout], tmp_path / "copy")
    path = file_of(out, name)
    before = path.stat().st_size
    os.truncate(path, before + (1 << 40))
    (problem,) = mf.verify(out).problems
    assert problem["path"] == path.relative_to(out).as_posix()
    assert name == "manifest.json" or f"expected {before} bytes" in problem["message"]


def test_strays_with_names_that_are_no_text_are_reported(judge, tmp_path):
    """The byte of such a name is shown as such: names stay apart."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    shard = file_of(out, "unit.json").parent
    for folder in (out, shard):
        Path(os.fsdecode(os.fsencode(folder) + b"/stray\xff")).touch()
    found = [problem["path"] for problem in mf.verify(out).problems]
    assert found == sorted([f"{shard.name}/stray\\xff", "stray\\xff"])


def test_a_build_refuses_names_that_are_no_text(tmp_path):
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "out").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "out") + b"/stray\xff")).touch()
    with pytest.raises(ValueError, match=r"found .stray"):
        mf.build(tmp_path / "a.jsonl", tmp_path / "images", tmp_path / "out", mf.Original())
