"""What a crash may leave of a recorded command: the states of its folder, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import comb
from pathlib import Path
from typing import Final, Literal

from tests.crash.disk import Disk, Name, Number, Tree, Write, written
from tests.crash.recording import Recording

BLOCK: Final = 512
"""Where a file may be cut."""
MOST: Final = 3
"""How many entries are lost, or are the only ones kept."""
Way = Literal["all", "absent", "cut", "zeros", "one"]


@dataclass(frozen=True)
class Bytes:
    """What is left of the bytes of a file that were not made to last."""

    way: Way
    """All; none; those before a border of blocks; as many, but zeros; all but one write."""
    at: int = 0
    """Which border, or which write."""

    def __str__(self) -> str:
        return {"cut": f"cut at {self.at * BLOCK}", "one": f"without write {self.at}"}.get(self.way, self.way)


@dataclass(frozen=True)
class State:
    """One state, as a recipe."""

    prefix: int
    """How many operations came before the crash."""
    keeps: bool
    """Whether `chosen` are the only entries that were kept; else they are those that were lost."""
    chosen: tuple[int, ...]
    """Numbers of entries that were not made to last."""
    data: tuple[tuple[Number, Bytes], ...]
    """What became of each file whose bytes were not made to last."""


class States:
    """All states of a recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._disks: dict[int, Disk] = {}

    def disk(self, prefix: int) -> Disk:
        """What lasts, and what may be lost, after so many operations."""
        if prefix not in self._disks:
            self._disks[prefix] = Disk.after(self.recording.before, self.recording.operations[:prefix])
        return self._disks[prefix]

    @property
    def last(self) -> int:
        """The prefix that is the whole command."""
        return len(self.recording.operations)

    def count(self) -> int:
        """How many recipes there are."""
        total = 0
        for prefix in range(self.last + 1):
            disk = self.disk(prefix)
            names = len(disk.names)
            subsets = sum(comb(names, size) for size in range(min(MOST, names) + 1))
            data = 1
            for file, writes in disk.writes.items():
                data *= len(self._ways(file, writes, disk))
            total += data * (2 * subsets if names > MOST else 2**names)
        return total

    def draw(self, rng: random.Random) -> State:
        """One of them. All prefixes are as likely, and so are the numbers of entries lost."""
        prefix = rng.randrange(self.last + 1)
        disk = self.disk(prefix)
        size = rng.randint(0, min(MOST, len(disk.names)))
        chosen, keeps = set(rng.sample(range(len(disk.names)), size)), rng.random() < 0.5
        if keeps:
            _keep_folders(chosen, disk)
        data = []
        for file, writes in disk.writes.items():
            ways = self._ways(file, writes, disk)
            # A file has many borders to be cut at: each kind is as likely as the others.
            kind = rng.choice(sorted({way.way for way in ways}))
            data.append((file, rng.choice([way for way in ways if way.way == kind])))
        return State(prefix, keeps, tuple(sorted(chosen)), tuple(data))

    @staticmethod
    def _ways(file: Number, writes: list[Write], disk: Disk) -> list[Bytes]:
        whole = disk.lasting.contents.get(file, b"")
        for write in writes:
            whole = written(whole, write)
        ways = [Bytes("all"), Bytes("absent")]
        if whole:
            ways += [Bytes("cut", at) for at in range((len(whole) - 1) // BLOCK + 1)]
            ways.append(Bytes("zeros"))
        if len(writes) > 1:
            ways += [Bytes("one", at) for at in range(len(writes))]
        return ways

    def tree(self, state: State) -> Tree:
        """The state itself."""
        disk = self.disk(state.prefix)
        tree = Tree(dict(disk.lasting.entries), disk.lasting.folders, dict(disk.lasting.contents))
        for number, (_, name) in enumerate(disk.names):
            if (number in state.chosen) == state.keeps:
                tree.change(name)
        for file, left in state.data:
            tree.contents[file] = _left_of(disk.lasting.contents.get(file, b""), disk.writes[file], left)
        return tree

    def words(self, state: State) -> list[str]:
        """A state for people."""
        disk = self.disk(state.prefix)
        done = self.recording.operations[: state.prefix]
        lines = [f"crash after operation {state.prefix} of {self.last}{f': {done[-1].words}' if done else ''}"]
        if state.keeps or state.chosen:
            fate = "only these are there" if state.keeps else "these are lost"
            lines.append(f"of {len(disk.names)} changes of entries that were not synced {fate}:")
            lines += [f"    {disk.names[number][0]}{_part(*disk.names[number])}" for number in state.chosen] or ["    (none)"]
        where = {number: name for name, number in _paths(self, state.prefix).items()}
        lines += [f"bytes of {where.get(file, file)} that were not synced: {left}" for file, left in state.data if left.way != "all"]
        return lines


def _keep_folders(chosen: set[int], disk: Disk) -> None:
    """Add the entries of folders that the chosen ones lie in: without these they could not be seen."""
    named: dict[Number, int] = {}
    for at, (_, name) in enumerate(disk.names):
        for _, number in name.changes:
            if number is not None and number in disk.lasting.folders:
                named.setdefault(number, at)
    todo = list(chosen)
    while todo:
        for (holder, _), _ in disk.names[todo.pop()][1].changes:
            needed = named.get(holder)
            if needed is not None and needed not in chosen:
                chosen.add(needed)
                todo.append(needed)


def _part(words: str, name: Name) -> str:
    """What is said of a rename whose new name lasts already."""
    return " (the old name)" if words.startswith("rename") and all(number is None for _, number in name.changes) else ""


def _paths(states: States, prefix: int) -> dict[str, Number]:
    """Every file by the last path that it had."""
    tree = Tree(dict(states.recording.before.entries), set(states.recording.before.folders), {})
    found: dict[str, Number] = {}
    for operation in ((), *(operation.changes for operation in states.recording.operations[:prefix])):
        for change in operation:
            if isinstance(change, Name):
                tree.change(change)
                tree.folders |= states.disk(states.last).lasting.folders
                for (holder, name), number in change.changes:
                    if number is not None:
                        found[f"{_path_of(tree, holder)}/{name}".lstrip("/")] = number
    return found


def _path_of(tree: Tree, folder: Number) -> str:
    for (holder, name), number in tree.entries.items():
        if number == folder:
            return f"{_path_of(tree, holder)}/{name}".lstrip("/")
    return ""


def _left_of(before: bytes, writes: Iterable[Write], left: Bytes) -> bytes:
    writes = list(writes)
    if left.way == "absent":
        return before
    if left.way == "one":
        writes = [write for number, write in enumerate(writes) if number != left.at]
    content = before
    for write in writes:
        content = written(content, write)
    if left.way == "cut":
        return content[: left.at * BLOCK]
    if left.way == "zeros":  # its length lasted, its blocks did not
        return before[: len(content)].ljust(len(content), b"\0")
    return content


def signature(files: dict[str, bytes | None]) -> bytes:
    """One name for equal folders."""
    hasher = blake2b(digest_size=16)
    for name, content in sorted(files.items()):
        hasher.update(f"{name}\0{-1 if content is None else len(content)}\0".encode("utf-8", "surrogateescape"))
        hasher.update(content or b"")
    return hasher.digest()


def materialise(files: dict[str, bytes | None], folder: Path) -> None:
    """Write files and folders, outer ones first, into a folder that is there and empty."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
