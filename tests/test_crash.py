"""The model of a disk that `tests/crash/` replays crashes with.

The harness itself is run by hand until every fault that it finds is mended: ``python -m tests.crash`` (states after a crash),
``python -m tests.crash.calls`` (a system call fails), ``python -m tests.crash.kills``. They need strace.
"""

from __future__ import annotations

import pytest

from tests.crash.calls_of_trace import calls
from tests.crash.disk import ROOT, Change, Disk, Folder, Name, Operation, Sync, Tree, Write

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
