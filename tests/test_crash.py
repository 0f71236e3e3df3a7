"""A crash, a kill, or a system call that fails: no data set opens and is wrong, and the same command ends with the same bytes.

A sample of what `make nightly` tries. ``python -m tests.crash`` says more of a fault.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.calls_of_trace import calls
from tests.crash.disk import ROOT, Change, Disk, Folder, Name, Operation, Sync, Tree, Write

ROOT_FOLDER = Path(__file__).resolve().parents[1]


@pytest.fixture
def strace() -> None:
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("no strace: `make strace` installs it")
        pytest.skip("no strace")


def run(module: str, *args: str, seconds: float) -> str:
    """What a harness prints, where it finds no fault."""
    command = [sys.executable, "-m", module, *args]
    done = subprocess.run(command, cwd=ROOT_FOLDER, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_no_crash_does_harm(strace):
    said = run("tests.crash", "--states", "75", seconds=240)
    assert said.count("75 states of") == 4


@pytest.mark.slow
def test_no_crash_of_very_many_does_harm(strace):
    said = run("tests.crash", "--states", "25000", "--seed", "1", seconds=3500)
    assert said.count("25,000 states of") == 4


def test_no_system_call_that_fails_does_harm(strace):
    said = run("tests.crash.calls", "--count", "64", "--seed", "3", seconds=280)
    assert said.count("8 injections into") == 8


@pytest.mark.slow
def test_no_system_call_of_all_that_fails_does_harm(strace):
    said = run("tests.crash.calls", seconds=3500)
    assert said.count(" injections into ") == 8


def test_no_kill_does_harm(strace):
    said = run("tests.crash.kills", "--count", "16", seconds=240)
    assert said.count("4 kills at") == 4


@pytest.mark.slow
def test_no_kill_of_very_many_does_harm(strace):
    said = run("tests.crash.kills", "--count", "1000", "--seed", "1", seconds=3500)
    assert said.count("250 kills at") == 4


# the model of a disk

FILE, FOLDER, OTHER = 1, 2, 3


def disk_after(*changes: Change) -> Disk:
    return Disk.after(Tree(), [Operation(type(change).__name__, (change,)) for change in changes])


def test_bytes_last_by_a_sync_of_the_file_and_its_name_by_one_of_the_folder():
    made = (Name((((ROOT, "a"), FILE),)), Write(FILE, 0, b"one"), Write(FILE, 3, b"two"))
    disk = disk_after(*made)
    assert (disk.lasting.files(), len(disk.names), disk.writes) == ({}, 1, {FILE: list(made[1:])})
    disk = disk_after(*made, Sync(FILE))
    assert (disk.lasting.files(), len(disk.names), disk.writes) == ({}, 1, {})
    disk = disk_after(*made, Sync(ROOT))
    assert (disk.lasting.files(), len(disk.names), len(disk.writes)) == ({"a": b""}, 0, 1)
    disk = disk_after(*made, Sync(FILE), Sync(ROOT), Write(FILE, 2, None))
    assert (disk.lasting.files(), len(disk.names), len(disk.writes)) == ({"a": b"onetwo"}, 0, 1)


def test_a_file_that_was_moved_may_keep_its_old_name_and_a_folder_not():
    made = (Folder(FOLDER), Name((((ROOT, "work"), FOLDER),)), Sync(ROOT))
    moved = (Name((((FOLDER, "a"), FILE),)), Sync(FOLDER), Name((((ROOT, "a"), FILE), ((FOLDER, "a"), None))), Sync(ROOT))
    disk = disk_after(*made, *moved)
    assert disk.lasting.files() == {"work": None, "work/a": b"", "a": b""}
    assert [name.changes for _, name in disk.names] == [(((FOLDER, "a"), None),)]
    inner = (Folder(OTHER), Name((((FOLDER, "b"), OTHER),)), Name((((ROOT, "b"), OTHER), ((FOLDER, "b"), None))), Sync(ROOT))
    disk = disk_after(*made, *inner)
    assert (disk.lasting.files(), disk.names) == ({"work": None, "b": None}, [])


def test_lines_of_strace_are_read():
    at, name, text = (("".join(f"\\x{byte:02x}" for byte in word)) for word in (b"/t/out", b"a", b'",)\n'))
    lines = [
        f'openat(3<{at}>, "{name}", O_WRONLY|O_CREAT, 0666) = 4<{at}>',
        f'write(4<{at}>, "{text}", 4) = 4',
        f'rmdir("{at}") = -1 EIO (E)',
    ]
    opened, written, removed = calls("".join(f"7 {line}\n" for line in lines))
    assert (opened.paths[0], opened.text(1), opened.flags(2), opened.result) == ("/t/out", "a", {"O_WRONLY", "O_CREAT"}, 4)
    assert (written.number(0), written.arguments[1], written.failed) == (4, b'",)\n', False)
    assert removed.failed
    with pytest.raises(ValueError, match="two threads"):
        list(calls("7 write(4, <unfinished ...>\n"))
