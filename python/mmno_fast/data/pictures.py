"""The distinct pictures of a data set, each once, with all its names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from mmno_fast.data.contents import Contents, opened
from mmno_fast.data.opening import Opening
from mmno_fast.data.values import Pixels, widened
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa


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
    _alone: Pictures = field(repr=False, compare=False)  # this picture only

    @property
    def pixels(self) -> Pixels:
        """As stored: uint8 (H, W) or (H, W, 3). A read-only view of the mapped shard, nothing copied; of JSONL, decoded now."""
        return self._alone.pixels(0)

    @property
    def file(self) -> bytes:
        """The file as it was: of JSONL, or where shards were built with ``Encoded()``; else a `ValueError`."""
        return self._alone.contents.file(int(self._alone.ids[0]))

    def rgb(self) -> Pixels:
        """A copy with three channels: uint8 (H, W, 3)."""
        return widened(self.pixels)


_LABELS: Final = frozenset({"source", "variant", "answer", "answer_text", "meta"})  # columns that may hold labels
_NAMED: Final = 20  # so many members of `meta` a message names


class _Pickled(NamedTuple):
    """What pickled pictures hold until another process needs them."""

    opening: Opening
    """How to open their data set."""
    digest: str | None
    """What identifies their files there; None where the fingerprint of the data set covers them."""


class Pictures(Sequence[Picture]):
    """Every distinct picture of a data set once, in the order in which its rows first use them. Pixels are read when asked for.

    A source for `Loader`: each picture is a sample of its own. They pickle as how their data set was opened, and which pictures they are;
    another process opens it when it first needs it.
    """

    def __init__(self, contents: Contents, ids: npt.NDArray[np.uint64]) -> None:
        self._held: Contents | _Pickled = contents
        self._ids = ids

    @property
    def contents(self) -> Contents:
        """What they belong to.

        Raises:
            ShardError: In another process: the data set, or its pictures, are others than those that were pickled.
        """
        held = self._held  # two threads may both open it: either's contents will do
        if isinstance(held, _Pickled):
            contents = opened(held.opening)
            if held.digest is not None and _digest(contents, self._ids) != held.digest:
                raise shard_error(held.opening.name, "pictures have changed since these were chosen from it; choose them again")
            self._held = held = contents
        return held

    def __getstate__(self) -> dict[str, Any]:
        held = self._held
        if not isinstance(held, _Pickled):
            opening = held.opening
            held = _Pickled(opening, None if opening.covers_pictures else _digest(held, self._ids))
        return {"_held": held, "_ids": self._ids}

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        values = self.contents.picture(self._id(index))
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
            _alone=self.subset(np.array([index], np.int64)),
        )

    def __repr__(self) -> str:
        return f"<{len(self):,} distinct pictures>"

    @property
    def table(self) -> pa.Table:
        """``pictures.arrow`` of all shards, one row a distinct picture, in the order of this sequence. Copied; no pixels in it."""
        return self.contents.picture_table(self._ids)

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """The id of each picture in `contents`: the core's number, uint64."""
        return self._ids

    @property
    def hashes(self) -> npt.NDArray[np.void]:
        """BLAKE3 of each picture's file, 32 bytes each."""
        return self.contents.picture_hashes(self._ids)

    def pixels(self, index: int) -> Pixels:
        """What ``self[index].pixels`` is, without looking anything else up."""
        return self.contents.pixels(self._id(index))

    def subset(self, numbers: npt.NDArray[np.int64]) -> Pictures:
        """These pictures only, in this order."""
        return Pictures(self.contents, self._ids[numbers])

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
        place = {picture: i for i, picture in enumerate(self.contents.picture_ids.tolist())}
        return [said.get(place[picture]) for picture in self.ids.tolist()]

    def _id(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self):,}")
        return int(self._ids[index])


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


def _digest(contents: Contents, ids: npt.NDArray[np.uint64]) -> str:
    """What identifies the files of these pictures; "" where there are not as many any more."""
    try:
        hashes = contents.picture_hashes(ids)
    except ValueError:
        return ""
    return blake2b(hashes.tobytes(), digest_size=16).hexdigest()


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
