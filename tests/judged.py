"""What must hold of a damaged data set, whatever the damage: asked of every way to read it (`tests.ways`), in processes that may die."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tests.building import Json
from tests.damage import TOP, Seal, copy, read_json, seal, seal_manifest, shards, table_of, write_json, write_table
from tests.watched import Ended, Watcher
from tests.ways import ROW_WAYS, Looks, look

READERS: Final = (*ROW_WAYS, "pictures")
"""The ways that touch all shards."""


@dataclass(frozen=True)
class Patch:
    """A damage as bytes: a copy of `whole` in `scratch`, of which `file` is changed."""

    name: str
    """What it is, for messages."""
    whole: Path
    """The data set."""
    scratch: Path
    """Where the copy goes."""
    file: str
    """The file, below the data set's folder."""
    writes: tuple[tuple[int, bytes], ...]
    """Where something is written, and what."""
    how: Seal = "all"
    """How far the damage is made to look whole."""


def look_at(item: Path | Patch) -> Looks:
    """What every way makes of a data set, or of the copy that a patch makes."""
    if isinstance(item, Path):
        return look(item)
    folder = copy(item.whole, item.scratch)
    path = folder / item.file
    data = bytearray(path.read_bytes())
    for at, new in item.writes:
        data[at : at + len(new)] = new
    path.write_bytes(data)
    seal(folder, how=item.how)
    return look(folder)


def is_named(file: str, text: str) -> bool:
    """Whether a text names a file; of one over all shards, by the name that follows from its content."""
    stem, _, suffix = file.rpartition(".")
    return file in text or (file in TOP and re.search(rf"{re.escape(stem)}-[0-9a-f]{{16}}\.{suffix}", text) is not None)


@dataclass
class Verdict:
    """What the ways made of one damaged data set, beside what they make of the whole one."""

    name: str
    whole: Looks
    ended: Ended[Any]
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.looks: Looks = self.ended.value or {}
        if self.ended.died:
            self._fault(f"{self.ended.died} at {self.ended.step!r} after {self.ended.seconds:.1f} s {self.ended.said[-300:]}")
        elif self.ended.said:  # a panic that was caught is said all the same
            self._fault(f"said {self.ended.said[:300]!r}")
        if self.ended.too_much:
            self._fault(f"took {self.ended.peak >> 20} MiB")
        for way, seen in self.looks.items():
            if seen.kind == "odd":
                self._fault(f"{way}: {seen.error}")

    def _fault(self, text: str) -> None:
        self.faults.append(f"{self.name}: {text}")

    @property
    def found_by_verify(self) -> bool:
        """Whether `verify` reports it, or refuses the folder."""
        seen = self.looks.get("verify")
        return seen is not None and (bool(seen.problems) or seen.kind == "refused")

    def refused(self, file: str, ways: Sequence[str] = READERS, *, words: str = "") -> Verdict:
        """These ways, and `verify`, say what is wrong: the file, and `words` where they are given."""
        for way in ways:
            seen = self.looks.get(way)
            if seen is None:
                continue
            if seen.kind == "read":
                same = "the same data" if seen == self.whole[way] else "OTHER DATA"
                self._fault(f"{way}: read {same}")
            elif seen.kind == "refused" and (not is_named(file, seen.error + seen.path) or words not in seen.error):
                self._fault(f"{way}: names neither {file} nor {words!r}: {seen.error}")
        return self.found().never_other()

    def found(self) -> Verdict:
        """`verify` says that something is wrong."""
        if self.looks and not self.found_by_verify:
            self._fault("verify: found nothing")
        return self

    def never_other(self) -> Verdict:
        """No way reads other data than the whole data set's."""
        for way, seen in self.looks.items():
            if way != "verify" and seen.kind == "read" and self._differs(way):
                self._fault(f"{way}: read OTHER DATA")
        return self

    def agreed(self, *, by_verify: bool = True) -> Verdict:
        """Ways that read it agree in every row; and where `verify` passes, none refuses (`by_verify`)."""
        rows: dict[int, tuple[str, str]] = {}
        for way in ROW_WAYS:
            seen = self.looks.get(way)
            for number, row in (seen.rows if seen and seen.kind == "read" else {}).items():
                other, found = rows.setdefault(number, (way, row))
                if found != row:
                    self._fault(f"{way} and {other} DISAGREE in row {number}")
        if by_verify and self.looks and not self.found_by_verify:
            for way, seen in self.looks.items():
                if seen.kind == "refused":
                    self._fault(f"verify passes, {way} refuses: {seen.error}")
        return self

    def same(self) -> Verdict:
        """It is as good as the whole one: every way reads the same, and `verify` passes."""
        for way, seen in self.looks.items():
            if seen.kind == "refused":
                self._fault(f"{way}: {seen.error}")
        if self.found_by_verify:
            self._fault(f"verify: {self.looks['verify'].problems}")
        return self.never_other()

    def same_or_refused(self) -> Verdict:
        """A matter of taste: it is read as the whole one, or refused, by each way."""
        return self.never_other()

    def _differs(self, way: str) -> bool:
        return (self.looks[way].rows, self.looks[way].pictures) != (self.whole[way].rows, self.whole[way].pictures)


@dataclass
class Judge:
    """Data sets of each layout, and who looks at damaged ones."""

    watcher: Watcher[Path | Patch]
    folders: dict[str, Path]
    looks: dict[str, Looks]

    def __call__(self, layout: str, folder: Path, name: str = "") -> Verdict:
        """What the ways make of the damaged copy of a layout's data set in `folder`."""
        (ended,) = self.watcher(folder)
        return Verdict(name or layout, self.looks[layout], ended)

    def with_table(
        self,
        folder: Path,
        file: str,
        change: Callable[[pa.Table], pa.Table],
        *,
        layout: str = "resize",
        shard: int = 0,
        name: str = "",
        **how: Any,
    ) -> Verdict:
        """Of a sealed copy in `folder` in which the table of a file of one shard is another one, written as `how` says."""
        out = copy(self.folders[layout], folder)
        path = shards(out)[shard] / file
        write_table(path, change(table_of(path)), **how)
        seal(out)
        return self(layout, out, name or f"{layout}: {file}")

    def with_manifest(
        self, folder: Path, change: Callable[[Json], object], name: str, *, layout: str = "resize", sealed: bool = True
    ) -> Verdict:
        """Of a copy in `folder` whose manifest is changed."""
        out = copy(self.folders[layout], folder)
        path = out / "manifest.json"
        manifest = read_json(path)
        change(manifest)
        write_json(path, manifest)
        if sealed:
            seal_manifest(path)
        return self(layout, out, f"{layout}: {name}")

    def patches(self, layout: str, patches: Iterable[Patch]) -> list[Verdict]:
        """Of many patches."""
        every = list(patches)
        return [Verdict(patch.name, self.looks[layout], ended) for patch, ended in zip(every, self.watcher(*every), strict=True)]


def assert_none(verdicts: Iterable[Verdict]) -> None:
    """No verdict has a fault."""
    every = list(verdicts)
    assert every
    faults = [fault for verdict in every for fault in verdict.faults]
    bad = sum(bool(verdict.faults) for verdict in every)
    assert not faults, f"{bad} of {len(every)} damaged data sets, {len(faults)} faults:\n" + "\n".join(faults[:60])
