"""The distinct pictures of a data set, each once, with all its names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

import numpy as np
import numpy.typing as npt

from mmno_fast.data.schemas import pictures_schema
from mmno_fast.data.shard import Pixels, widened
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa

    from mmno_fast.data.contents import Contents
    from mmno_fast.data.dataset import Dataset


class Holder(Protocol):
    """What holds pictures under numbers: a shard, or the files that a scan has found."""

    @property
    def pictures(self) -> int:
        """How many."""

    @property
    def picture_table(self) -> pa.Table:
        """One row a picture, the columns of ``pictures.arrow``."""

    def pixels(self, picture: int) -> Pixels:
        """uint8 (H, W) or (H, W, 3)."""

    def file(self, picture: int) -> bytes:
        """The file as it was."""


@dataclass(frozen=True)
class Picture:
    """One distinct picture, by the hash of its file's bytes."""

    names: tuple[str, ...]
    """All names by which rows know it."""
    hash: str
    """BLAKE3 of the file it came from, 64 hex digits."""
    format: str
    """The file's format by content: ``jpeg``, ``png``, ``bmp``, ``gif``, ``tiff``, ``webp``."""
    mode: str
    """The file's own mode, in Pillow's words."""
    source_height: int
    """Height of the file's picture [pixels]."""
    source_width: int
    """Width of the file's picture [pixels]."""
    orientation: int
    """EXIF orientation, 1 where there is none."""
    height: int
    """Height as stored [pixels]."""
    width: int
    """Width as stored [pixels]."""
    channels: int | None
    """1 (without colour) or 3; None where that shows only when it is decoded."""
    _holder: Holder = field(repr=False, compare=False)
    _row: int = field(repr=False, compare=False)

    @property
    def pixels(self) -> Pixels:
        """As stored: uint8 (H, W) or (H, W, 3). A read-only view of the mapped shard, nothing copied; of JSONL, decoded now."""
        return self._holder.pixels(self._row)

    @property
    def file(self) -> bytes:
        """The file as it was: of JSONL, or where shards were built with ``Encoded()``; else a `ValueError`."""
        return self._holder.file(self._row)

    def rgb(self) -> Pixels:
        """A copy with three channels: uint8 (H, W, 3)."""
        return widened(self.pixels)


_LABELS: Final = frozenset({"source", "variant", "answer", "answer_text", "meta"})  # columns that may hold labels
_NAMED: Final = 20  # so many members of `meta` a message names
_HOLDER_BITS: Final = 32  # the core numbers pictures as holder << 32 | picture


class Pictures(Sequence[Picture]):
    """Every distinct picture of a data set once, in the order in which its rows first use them. Pixels are read when asked for.

    A source for `Loader`: each picture is a sample of its own. They pickle as how their data set was opened, and which pictures they are;
    another process opens it when it first needs it.
    """

    def __init__(self, contents: Contents, holders: Sequence[Holder], stored: npt.NDArray[np.int64]) -> None:
        self._opened: tuple[Contents, Sequence[Holder]] = (contents, holders)
        self._stored = stored  # of each picture: where it is stored, counted over all holders
        self._pickled: tuple[Dataset, str | None] | None = None  # until it is opened in another process: what, and what to expect there

    @property
    def contents(self) -> Contents:
        """What they belong to.

        Raises:
            ShardError: In another process: the data set, or its pictures, are others than those that were pickled.
        """
        return self._open()[0]

    @property
    def _holders(self) -> Sequence[Holder]:
        return self._open()[1]

    def _open(self) -> tuple[Contents, Sequence[Holder]]:
        pickled = self._pickled  # another thread may be opening it, too
        if pickled is not None:
            dataset, expected = pickled
            contents = dataset.open_contents()
            holders = _holders_of(contents)
            if expected is not None and _digest(holders, self._stored) != expected:
                raise shard_error(repr(dataset), "pictures have changed since these were chosen from it; choose them again")
            self._opened = (contents, holders)
            self._pickled = None
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        if self._pickled is not None:
            return {"pickled": self._pickled, "stored": self._stored}
        from mmno_fast.data.contents import ShardContents  # these import this module
        from mmno_fast.data.dataset import Dataset
        from mmno_fast.data.raw import RawContents

        contents, holders = self._opened
        if isinstance(contents, ShardContents):  # whose fingerprint covers every byte
            dataset, expected = Dataset(contents.path, contents), None
        elif isinstance(contents, RawContents):  # whose fingerprint covers rows only
            dataset, expected = Dataset(contents.opening, contents), _digest(holders, self._stored)
        else:
            raise TypeError(f"pictures of {type(contents).__name__} cannot be pickled")
        return {"pickled": (dataset, expected), "stored": self._stored}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._pickled = state["pickled"]
        self._stored = state["stored"]

    @cached_property
    def _offsets(self) -> npt.NDArray[np.int64]:
        return np.cumsum([0, *(holder.pictures for holder in self._holders)])

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        holder, row = self._place(index)
        values: dict[str, Any] = holder.picture_table.slice(row, 1).to_pylist()[0]
        return Picture(
            names=tuple(values["names"]),
            hash=values["hash"].hex(),
            format=values["format"],
            mode=values["mode"],
            source_height=values["source_height"],
            source_width=values["source_width"],
            orientation=values["orientation"],
            height=values["height"],
            width=values["width"],
            channels=values["channels"],
            _holder=holder,
            _row=row,
        )

    def __repr__(self) -> str:
        return f"<{len(self):,} distinct pictures>"

    @property
    def table(self) -> pa.Table:
        """``pictures.arrow`` of all shards, one row a distinct picture, in the order of this sequence. Copied; no pixels in it."""
        import pyarrow as pa  # imported when first used: it is large

        tables = [holder.picture_table for holder in self._holders]
        if not tables:
            return pictures_schema().empty_table()
        return pa.concat_tables(tables).unify_dictionaries().take(self._stored)

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """The core's number of each picture, uint64."""
        holder = np.searchsorted(self._offsets, self._stored, side="right") - 1
        ids: npt.NDArray[np.uint64] = (holder.astype(np.uint64) << np.uint64(_HOLDER_BITS)) | (self._stored - self._offsets[holder]).astype(
            np.uint64
        )
        return ids

    @property
    def hashes(self) -> npt.NDArray[np.void]:
        """BLAKE3 of each picture's file, 32 bytes each."""
        return _hashes(self._holders, self._stored)

    def pixels(self, index: int) -> Pixels:
        """What ``self[index].pixels`` is, without looking anything else up."""
        holder, row = self._place(index)
        return holder.pixels(row)

    def subset(self, numbers: npt.NDArray[np.int64]) -> Pictures:
        """These pictures only, in this order."""
        return Pictures(self.contents, self._holders, self._stored[numbers])

    def labelled(self, by: str = "folder") -> LabelledPictures:
        """These pictures with a class each.

        Args:
            by: ``"folder"`` (default): the name of the folder that the picture is in, by its first name; else a column of the rows that
                name it: ``"variant"``, ``"answer"``, ``"answer_text"``, ``"source"``, or a member of `meta`, as in ``"meta.diagnosis"``.
                Pictures for which no row says anything are left out.

        Raises:
            ValueError: Rows of one picture say different things; no such column, or no row of the data set has such a member.
        """
        names = self._folders() if by == "folder" else self._said(by)
        kept = np.array([i for i, name in enumerate(names) if name is not None], np.int64)
        classes = tuple(sorted({name for name in names if name is not None}))
        number = {name: i for i, name in enumerate(classes)}
        labels = np.array([number[names[i] or ""] for i in kept], np.int64)
        return LabelledPictures(self.subset(kept), labels, classes)

    def _folders(self) -> list[str | None]:
        first = self.table.column("names").to_pylist()
        return [PurePosixPath(names[0]).parent.name if names else None for names in first]

    def _said(self, column: str) -> list[str | None]:
        """What the rows of each picture say in `column`."""
        rows = self.contents.rows
        outer, _, member = column.partition(".")
        if outer not in _LABELS or (member == "") == (outer == "meta"):
            raise ValueError(f'labels: expected "folder", a column of texts, or "meta." and a member, found {column!r}')
        values = rows.column(outer).to_pylist()
        if member:
            values = _of_member(values, member)
        offsets, pictures = self.contents.row_pictures
        said: dict[int, str] = {}
        for row in np.flatnonzero(np.diff(offsets)):
            if values[row] is None:
                continue
            label = values[row] if isinstance(values[row], str) else json.dumps(values[row])
            for picture in pictures[offsets[row] : offsets[row + 1]].tolist():
                if said.setdefault(picture, label) != label:
                    raise ValueError(f"labels: the rows of one picture say {said[picture]!r} and {label!r} in {column}; picture {picture}")
        every = self.contents.pictures.ids
        place = {picture: i for i, picture in enumerate(every.tolist())}
        return [said.get(place[picture]) for picture in self.ids.tolist()]

    def _place(self, index: int) -> tuple[Holder, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self):,}")
        stored = int(self._stored[index])
        holder = int(np.searchsorted(self._offsets, stored, side="right")) - 1
        return self._holders[holder], stored - int(self._offsets[holder])


def _of_member(metas: Sequence[str | None], member: str) -> list[Any]:
    """What each `meta` has as `member`; None where it has none."""
    said: list[Any] = []
    there: set[str] = set()
    for text in metas:
        meta: dict[str, Any] = (json.loads(text) if text else None) or {}
        there.update(meta)
        said.append(meta.get(member))
    if member not in there:
        names = [*map(repr, sorted(there)[:_NAMED]), *(["…"] if len(there) > _NAMED else [])]
        raise ValueError(f"labels: no row has a member {member!r} of meta; there are {', '.join(names) or 'none'}")
    return said


def _holders_of(contents: Contents) -> Sequence[Holder]:
    from mmno_fast.data.contents import ShardContents  # it imports this module

    if isinstance(contents, ShardContents):
        return contents.shards  # as in `pictures`, which looks through all rows
    return contents.pictures._holders  # noqa: SLF001 - the same module


def _hashes(holders: Sequence[Holder], stored: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    every = np.concatenate([np.empty(0, "V32"), *(hashes_of(holder.picture_table) for holder in holders)])
    return every[stored] if stored.max(initial=-1) < len(every) else np.empty(0, "V32")


def _digest(holders: Sequence[Holder], stored: npt.NDArray[np.int64]) -> str:
    return blake2b(_hashes(holders, stored).tobytes(), digest_size=16).hexdigest()


def distinct(tables: Sequence[pa.Table]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Pictures of all tables by hash: where each is stored first, counted over all tables; and of each stored one its number among them."""
    hashes = np.concatenate([np.empty(0, "V32"), *(hashes_of(table) for table in tables)])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    return first[order].astype(np.int64), rank[inverse.reshape(-1)]


def hashes_of(table: pa.Table) -> npt.NDArray[np.void]:
    """The column `hash` as an array of 32-byte values; a view of each batch."""
    chunks = [np.frombuffer(chunk.buffers()[1], "V32", len(chunk), chunk.offset * 32) for chunk in table.column("hash").chunks]
    return np.concatenate([np.empty(0, "V32"), *chunks])


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Pictures with a class each: a source for `Loader`, whose batches then have `labels`. Made by `Pictures.labelled`."""

    pictures: Pictures
    """The pictures that have a label."""
    labels: npt.NDArray[np.int64]
    """Of each, its class, counted in `classes`."""
    classes: tuple[str, ...]
    """The names of the classes, sorted."""

    def __len__(self) -> int:
        return len(self.pictures)
