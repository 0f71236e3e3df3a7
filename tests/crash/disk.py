"""A file system of files and folders by number, that knows what has been made to last, and what a crash may lose.

What POSIX promises, and no more: ``fsync`` of a file makes its bytes last, ``fsync`` of a folder its entries. A rename is seen whole or
not at all, but the old name in another folder may outlive it. Everything else may be lost, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

Number: TypeAlias = int
"""Of a file or folder."""
Entry: TypeAlias = tuple[Number, str]
"""A name in a folder."""
ROOT: Final = 0


@dataclass(frozen=True)
class Write:
    """Bytes go into a file; without any, its length changes to `at`."""

    file: Number
    at: int
    data: bytes | None


@dataclass(frozen=True)
class Name:
    """Entries change together: each names this file or folder, or nothing."""

    changes: tuple[tuple[Entry, Number | None], ...]


@dataclass(frozen=True)
class Sync:
    """A file's bytes, or a folder's entries, last."""

    what: Number


@dataclass(frozen=True)
class Folder:
    """A folder is made; its name is another change."""

    number: Number


Change: TypeAlias = Write | Name | Sync | Folder


@dataclass(frozen=True)
class Operation:
    """What one system call did, in words and as changes."""

    words: str
    changes: tuple[Change, ...]


@dataclass
class Tree:
    """Files and folders as they are at one moment."""

    entries: dict[Entry, Number] = field(default_factory=dict)
    folders: set[Number] = field(default_factory=lambda: {ROOT})
    contents: dict[Number, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Tree:
        """What lies there now."""
        tree, numbers = cls(), {folder.stat().st_ino: ROOT}
        for path in sorted(folder.rglob("*")):  # a folder comes before what lies in it
            number = numbers.setdefault(path.lstat().st_ino, len(numbers))
            tree.entries[numbers[path.parent.stat().st_ino], path.name] = number
            if path.is_dir():
                tree.folders.add(number)
            else:
                tree.contents[number] = path.read_bytes()
        return tree

    def find(self, path: str) -> Number | None:
        """What a relative path names."""
        number: Number | None = ROOT
        for name in path.split("/"):
            if name and number is not None:
                number = self.entries.get((number, name))
        return number

    def names(self, folder: Number) -> dict[str, Number]:
        """The entries of a folder."""
        return {name: number for (holder, name), number in self.entries.items() if holder == folder}

    def change(self, change: Change) -> None:
        """Do it."""
        if isinstance(change, Name):
            for entry, number in change.changes:
                if number is None:
                    self.entries.pop(entry, None)
                else:
                    self.entries[entry] = number
        elif isinstance(change, Folder):
            self.folders.add(change.number)
        elif isinstance(change, Write):
            self.contents[change.file] = written(self.contents.get(change.file, b""), change)

    def files(self, path: str = "") -> dict[str, bytes | None]:
        """Everything below a folder, by relative path, outer folders (None) first."""
        start = self.find(path)
        found: dict[str, bytes | None] = {}
        if start is None:
            return found
        children: dict[Number, list[tuple[str, Number]]] = {}
        for (holder, name), number in self.entries.items():
            children.setdefault(holder, []).append((name, number))
        todo = [("", start)]
        while todo:
            here, folder = todo.pop()
            for name, number in sorted(children.get(folder, [])):
                below = f"{here}/{name}" if here else name
                if number in self.folders:
                    found[below] = None
                    todo.append((below, number))
                else:
                    found[below] = self.contents.get(number, b"")
        return found


def written(before: bytes, write: Write) -> bytes:
    """A file's bytes after a write."""
    if write.data is None:
        return before[: write.at].ljust(write.at, b"\0")
    end = write.at + len(write.data)
    return before[: write.at].ljust(write.at, b"\0") + write.data + before[end:]


@dataclass
class Disk:
    """What lasts after some operations, and what may be lost."""

    lasting: Tree
    """What a crash leaves at least."""
    names: list[tuple[str, Name]]
    """Entries that may be lost, each with the words of its call."""
    writes: dict[Number, list[Write]]
    """Bytes that may be lost, by file."""

    @classmethod
    def after(cls, before: Tree, operations: Iterable[Operation]) -> Disk:
        """What a crash finds behind these operations; all before them lasts."""
        lasting = Tree(dict(before.entries), set(before.folders), dict(before.contents))
        disk = cls(lasting, [], {})
        for operation in operations:
            for change in operation.changes:
                if isinstance(change, Write):
                    disk.writes.setdefault(change.file, []).append(change)
                elif isinstance(change, Name):
                    disk.names.append((operation.words, change))
                elif isinstance(change, Folder):
                    lasting.change(change)
                else:
                    disk._sync(change.what)
        return disk

    def _sync(self, what: Number) -> None:
        for write in self.writes.pop(what, []):
            self.lasting.change(write)
        left: list[tuple[str, Name]] = []
        for words, name in self.names:
            holders = [entry[0] for entry, _ in name.changes]
            if what not in holders:
                left.append((words, name))
                continue
            # The new name of what was moved is enough; the old one, in a folder that was not synced, may still be there.
            added = [holder for (holder, _), number in name.changes if number is not None]
            if added and what not in added:
                left.append((words, name))
                continue
            self.lasting.change(Name(tuple(each for each in name.changes if each[0][0] == what)))
            rest = tuple(each for each in name.changes if each[0][0] != what)
            if rest and not any(number in self.lasting.folders for _, number in name.changes):
                left.append((words, Name(rest)))
            elif rest:  # a folder has one name
                self.lasting.change(Name(rest))
                gone = {entry for entry, _ in rest}
                left = [(before, each) for before, each in left if not any(entry in gone for entry, _ in each.changes)]
        self.names = left
