"""What a command does to its folder, recorded once by strace: the operations on files and folders, in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.crash.calls_of_trace import Call, calls
from tests.crash.disk import Change, Folder, Name, Number, Operation, Sync, Tree, Write
from tests.crash.traced import traced

CALLS: Final = (
    "open,openat,creat,lseek,write,pwrite64,writev,pwritev,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,"
    "fsync,fdatasync,syncfs,truncate,ftruncate,fallocate,mkdir,mkdirat,copy_file_range,sendfile,mmap,msync,dup,dup2,dup3,ioctl"
)


@dataclass(frozen=True)
class Recording:
    """A folder as it was, and all that was done in it."""

    before: Tree
    operations: tuple[Operation, ...]


def record(base: Path, command: Callable[[], Any]) -> Recording:
    """Run the command, which must succeed, and record what it does below `base`."""
    before = Tree.of(base)
    ended = traced(command, ["-y", "-xx", "-s", str(1 << 26), "-e", f"trace={CALLS}"])
    if ended.code or ended.died:
        raise RuntimeError(f"the command to record failed: {ended.died} {ended.said}")
    recorder = _Recorder(base, Tree(dict(before.entries), set(before.folders), dict(before.contents)))
    operations = tuple(operation for call in calls(ended.trace) if (operation := recorder.take(call)))
    after, now = recorder.tree.files(), Tree.of(base).files()
    differing = sorted(name for name in {*after, *now} if after.get(name, 0) != now.get(name, 0))
    if differing:
        raise RuntimeError(f"the operations recorded do not make what there is: {differing[:5]}")
    return Recording(before, operations)


@dataclass
class _File:
    """An open file."""

    number: Number
    at: int = 0
    appends: bool = False


class _Recorder:
    """Follows the calls of one process."""

    def __init__(self, base: Path, tree: Tree) -> None:
        self.base, self.tree = f"{base}/", tree
        self._files: dict[int, _File] = {}
        self._next = max([*tree.entries.values(), 0]) + 1

    def take(self, call: Call) -> Operation | None:
        """What a call has changed."""
        if call.failed:
            return None
        handler = getattr(self, f"_{call.name}", None)
        if handler is None:
            raise NotImplementedError(f"{call.name} is not understood")
        changes: list[Change] | None = handler(call)
        if not changes:
            return None
        for change in changes:
            self.tree.change(change)
        return Operation(self._words(call), tuple(changes))

    def _words(self, call: Call) -> str:
        own = len(self.base)
        named = [path[own:] or "." for path in call.paths if f"{path}/".startswith(self.base) and call.name not in ("unlinkat", "linkat")]
        for at, argument in enumerate(call.arguments):
            text = argument.decode("latin-1")
            if text.startswith(self.base):
                named.append(text[own:])
            elif call.name == "unlinkat" and at == 1:
                named.append(f"{call.paths[0]}/{text}"[own:])
        size = f" {call.result} bytes" if "write" in call.name or "copy" in call.name else ""
        return f"{call.name} {' -> '.join(named)}{size}"

    # paths

    def _path(self, call: Call, at: int, folder: int | None = None) -> str | None:
        """A path below the base; None for others."""
        path = call.text(at)
        if not path.startswith("/"):
            path = f"{call.paths[folder] if folder is not None else Path.cwd()}/{path}"
        path = os.path.normpath(path) + "/"
        return path[len(self.base) : -1] if path.startswith(self.base) else None

    def _entry(self, path: str) -> tuple[Number, str]:
        holder, _, name = path.rpartition("/")
        folder = self.tree.find(holder)
        if folder is None:
            raise ValueError(f"{path}: its folder is not known")
        return folder, name

    def _new(self) -> Number:
        self._next += 1
        return self._next

    # opening

    def _openat(self, call: Call) -> list[Change]:
        return self._opened(call, self._path(call, 1, 0), call.flags(2))

    def _open(self, call: Call) -> list[Change]:
        return self._opened(call, self._path(call, 0), call.flags(1))

    def _opened(self, call: Call, path: str | None, flags: set[str]) -> list[Change]:
        self._files.pop(call.result, None)
        if path is None:
            return []
        if "O_TMPFILE" in flags:
            raise NotImplementedError("a file without a name")
        changes: list[Change] = []
        number = self.tree.find(path)
        if number is None:
            number = self._new()
            changes = [Name(((self._entry(path), number),)), Write(number, 0, None)]
        elif "O_TRUNC" in flags and self.tree.contents.get(number):
            changes = [Write(number, 0, None)]
        self._files[call.result] = _File(number, appends="O_APPEND" in flags)
        return changes

    def _dup(self, call: Call) -> None:
        self._files.pop(call.result, None)
        if file := self._files.get(call.number(0)):
            self._files[call.result] = file

    _dup2 = _dup3 = _dup

    # bytes

    def _lseek(self, call: Call) -> None:
        if file := self._files.get(call.number(0)):
            file.at = call.result

    def _write(self, call: Call) -> list[Change]:
        file = self._files.get(call.number(0))
        if file is None:
            return []
        at = len(self.tree.contents[file.number]) if file.appends else file.at
        file.at = at + call.result
        return [Write(file.number, at, call.arguments[1][: call.result])]

    def _pwrite64(self, call: Call) -> list[Change]:
        file = self._files.get(call.number(0))
        return [Write(file.number, call.number(3), call.arguments[1][: call.result])] if file else []

    def _ftruncate(self, call: Call) -> list[Change]:
        file = self._files.get(call.number(0))
        return [Write(file.number, call.number(1), None)] if file else []

    def _copy_file_range(self, call: Call) -> list[Change]:
        return self._copied(call, call.number(0), call.number(2), call.arguments[1], call.arguments[3])

    def _sendfile(self, call: Call) -> list[Change]:
        return self._copied(call, call.number(1), call.number(0), call.arguments[2], b"NULL")

    def _copied(self, call: Call, source: int, target: int, *places: bytes) -> list[Change]:
        taken, given = self._files.get(source), self._files.get(target)
        if given is None:
            return []
        if taken is None or set(places) != {b"NULL"}:
            raise NotImplementedError(f"{call.name} from elsewhere, or at a given place")
        data = self.tree.contents[taken.number][taken.at : taken.at + call.result]
        change = Write(given.number, given.at, data)
        taken.at, given.at = taken.at + call.result, given.at + call.result
        return [change]

    def _mmap(self, call: Call) -> None:
        if (
            len(call.arguments) > 4
            and "PROT_WRITE" in call.flags(2)
            and "MAP_SHARED" in call.flags(3)
            and call.paths[4].startswith(self.base)
        ):
            raise NotImplementedError("a file is written through a mapping")

    def _msync(self, call: Call) -> None:
        """Nothing is written through a mapping."""

    def _ioctl(self, call: Call) -> None:
        if any(b"FICLONE" in argument for argument in call.arguments):
            raise NotImplementedError("a file is cloned")

    # names

    def _mkdir(self, call: Call, at: int = 0, folder: int | None = None) -> list[Change]:
        path = self._path(call, at, folder)
        if path is None:
            return []
        number = self._new()
        return [Folder(number), Name(((self._entry(path), number),))]

    def _mkdirat(self, call: Call) -> list[Change]:
        return self._mkdir(call, 1, 0)

    def _rename(self, call: Call, places: tuple[tuple[int, int | None], ...] = ((0, None), (1, None))) -> list[Change]:
        old, new = (self._path(call, at, folder) for at, folder in places)
        if old is None and new is None:
            return []
        number = self.tree.find(old) if old is not None else None
        if old is None or new is None or number is None:
            raise NotImplementedError(f"a rename across the border of the folder: {old} {new}")
        return [Name(((self._entry(new), number), (self._entry(old), None)))]

    def _renameat(self, call: Call) -> list[Change]:
        if call.flags(4) - {"0", "RENAME_NOREPLACE"}:
            raise NotImplementedError("a rename that exchanges")
        return self._rename(call, ((1, 0), (3, 2)))

    _renameat2 = _renameat

    def _link(self, call: Call, places: tuple[tuple[int, int | None], ...] = ((0, None), (1, None))) -> list[Change]:
        old, new = (self._path(call, at, folder) for at, folder in places)
        if new is None:
            return []
        number = self.tree.find(old) if old is not None else None
        if number is None:
            raise NotImplementedError(f"a link to a file outside: {new}")
        return [Name(((self._entry(new), number),))]

    def _linkat(self, call: Call) -> list[Change]:
        return self._link(call, ((1, 0), (3, 2)))

    def _unlink(self, call: Call, at: int = 0, folder: int | None = None) -> list[Change]:
        path = self._path(call, at, folder)
        return [] if path is None else [Name(((self._entry(path), None),))]

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> list[Change]:
        return self._unlink(call, 1, 0)

    # what lasts

    def _fsync(self, call: Call) -> list[Change]:
        file = self._files.get(call.number(0))
        return [Sync(file.number)] if file else []

    _fdatasync = _fsync
