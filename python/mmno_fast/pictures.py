"""The distinct pictures of a data set, each once, with all its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from mmno_fast.schemas import pictures_schema
from mmno_fast.shard import Pixels, Shard, widened

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
    channels: int
    """1 (without colour) or 3."""
    _shard: Shard = field(repr=False, compare=False)
    _row: int = field(repr=False, compare=False)

    @property
    def pixels(self) -> Pixels:
        """As stored: uint8 (H, W) or (H, W, 3), a read-only view of the mapped shard. Nothing is copied."""
        return self._shard.pixels(self._row)

    @property
    def file(self) -> bytes:
        """The file as it was, where the data set was built with ``Encoded()``; else a `ValueError`."""
        return self._shard.file(self._row)

    def rgb(self) -> Pixels:
        """A copy with three channels: uint8 (H, W, 3)."""
        return widened(self.pixels)


class Pictures(Sequence[Picture]):
    """Every distinct picture of a data set once, in the order in which shards store them. Pixels are read when asked for."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        offsets = np.cumsum([0, *(shard.pictures for shard in shards)])
        hashes = np.concatenate([np.empty(0, "V32"), *(_hashes(shard.picture_table) for shard in shards)])
        _, first, distinct = np.unique(hashes, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(order), np.uint32)
        rank[order] = np.arange(len(order), dtype=np.uint32)
        self._stored = first[order]  # of each distinct picture: where it is stored first, counted over all shards
        self._numbers = rank[distinct.reshape(-1)]  # of each stored picture: its number here
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        shard, row = self._place(index)
        values: dict[str, Any] = shard.picture_table.slice(row, 1).to_pylist()[0]
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
            _shard=shard,
            _row=row,
        )

    def __repr__(self) -> str:
        return f"<{len(self):,} distinct pictures>"

    @property
    def table(self) -> pa.Table:
        """``pictures.arrow`` of all shards, one row a distinct picture, in the order of this sequence. Copied; no pixels in it."""
        import pyarrow as pa  # imported when first used: it is large

        tables = [shard.picture_table for shard in self._shards]
        if not tables:
            return pictures_schema().empty_table()
        return pa.concat_tables(tables).unify_dictionaries().take(self._stored)

    def numbers(self, shard: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        """Of each picture that shard number `shard` stores: its number in this sequence, uint32."""
        return self._numbers[self._offsets[shard] : self._offsets[shard + 1]]

    def _place(self, index: int) -> tuple[Shard, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self):,}")
        stored = int(self._stored[index])
        shard = int(np.searchsorted(self._offsets, stored, side="right")) - 1
        return self._shards[shard], stored - int(self._offsets[shard])


def _hashes(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The column `hash` as an array of 32-byte values; a view of each batch."""
    chunks = [np.frombuffer(chunk.buffers()[1], "V32", len(chunk), chunk.offset * 32) for chunk in table.column("hash").chunks]
    return np.concatenate([np.empty(0, "V32"), *chunks])
