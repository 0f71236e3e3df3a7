"""A folder of shards as an open data set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data import manifest
from mmno_fast.data.opening import Identity, ShardsOpening
from mmno_fast.data.row_table import columns_in_order
from mmno_fast.data.schemas import pictures_schema, rows_schema
from mmno_fast.data.shard import Shard
from mmno_fast.data.sources import read_rejects
from mmno_fast.data.values import Pixels, hashes_of, in_order_of_use, offsets_and_values, widened
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa

_BITS: Final = 32  # rows.index.npy and ids of pictures hold shard << 32 | place in the shard
_LOW: Final = 2**_BITS - 1


class ShardContents:
    """A folder of shards; everything in it is made when first used. Satisfies `Contents`."""

    def __init__(self, opening: ShardsOpening) -> None:
        self.path = path = opening.path
        self.manifest = manifest.read(path)
        self.fingerprint = str(self.manifest["manifest_blake3"])
        self.opening = replace(opening, fingerprint=self.fingerprint)
        self.spec: dict[str, Any] = self.manifest["spec"]
        self.count = int(self.manifest["totals"]["rows"])
        self.shards = tuple(Shard(path / entry["folder"], entry, self.spec) for entry in self.manifest["shards"])
        self._core: tuple[int, _core.Table] | None = None

    @property
    def core(self) -> _core.Table:
        """As `Contents` says."""
        # A fork may have come while another thread was opening a shard: a child opens its own.
        if self._core is None or self._core[0] != os.getpid():
            entries = [(entry["folder"], entry["rows"], entry["pictures"]) for entry in self.manifest["shards"]]
            table = _core.Table.open_shards(str(self.path), entries, json.dumps(self.spec))
            self._core = (os.getpid(), table)
        return self._core[1]

    @cached_property
    def identity(self) -> Identity:
        """As `Contents` says; read from the manifest and ``rejects.jsonl``."""
        sources = [(source["name"], source["blake3"]) for source in self.manifest["sources"]]
        return sources, sorted(read_rejects(self.path / "rejects.jsonl")) if self.manifest["totals"]["rejected"] else []

    @cached_property
    def index(self) -> npt.NDArray[np.uint64]:
        """Row number -> shard << 32 | row in shard; mapped."""
        path = self.path / "rows.index.npy"
        try:
            index: npt.NDArray[np.uint64] = np.load(path, mmap_mode="r" if self.count else None, allow_pickle=False)
        except ValueError as error:
            raise shard_error(path, f"not a NumPy file ({error}); run mmno-fast verify") from error
        if index.dtype != np.uint64 or index.shape != (self.count,):
            raise shard_error(path, f"expected uint64 ({self.count},), found {index.dtype} {index.shape}; run mmno-fast verify")
        return index

    def place(self, number: int) -> tuple[Shard, int]:
        """The shard that holds row `number`, and the row in it."""
        place = int(self.index[number])
        shard, row = place >> _BITS, place & _LOW
        if shard >= len(self.shards) or row >= self.shards[shard].rows:
            raise shard_error(self.path / "rows.index.npy", f"row {number} points outside the shards; run mmno-fast verify")
        return self.shards[shard], row

    @property
    def schema(self) -> pa.Schema:
        """As `Contents` says."""
        return self.shards[0].row_table.schema if self.shards else rows_schema()

    @cached_property
    def _distinct(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        return _distinct_of([shard.picture_table for shard in self.shards])

    @cached_property
    def _used(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Offsets and places of the rows' pictures in `picture_ids`; and those pictures' numbers among the distinct ones."""
        column = columns_in_order(self.shards, self.index, self._of_shards(self._distinct[1]), ["pictures"]).column("pictures")
        offsets, stored = offsets_and_values(column)
        return offsets, *in_order_of_use(stored)

    def _of_shards(self, numbers: npt.NDArray[np.uint32]) -> Iterator[npt.NDArray[np.uint32]]:
        """The numbers of all stored pictures, shard by shard."""
        return iter(np.split(numbers, self._starts[1:-1]))

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Of each shard the number of stored pictures before it, and the number of all."""
        return np.cumsum([0, *(shard.pictures for shard in self.shards)])

    @cached_property
    def picture_ids(self) -> npt.NDArray[np.uint64]:
        """As `Contents` says."""
        stored = self._distinct[0][self._used[2]]
        shard = np.searchsorted(self._starts, stored, side="right") - 1
        ids: npt.NDArray[np.uint64] = (shard << _BITS | (stored - self._starts[shard])).astype(np.uint64)
        return ids

    def _stored(self, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Where pictures are stored, counted over all shards."""
        stored: npt.NDArray[np.int64] = self._starts[(ids >> np.uint64(_BITS)).astype(np.int64)] + (ids & np.uint64(_LOW)).astype(np.int64)
        return stored

    def picture_table(self, ids: npt.NDArray[np.uint64]) -> pa.Table:
        """As `Contents` says."""
        import pyarrow as pa  # imported when first used: it is large

        if not self.shards:
            return pictures_schema().empty_table()
        return pa.concat_tables([shard.picture_table for shard in self.shards]).unify_dictionaries().take(self._stored(ids))

    def picture_hashes(self, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """As `Contents` says."""
        every = np.concatenate([np.empty(0, "V32"), *(hashes_of(shard.picture_table) for shard in self.shards)])
        return every[self._stored(ids)]

    def _picture_place(self, picture: int) -> tuple[Shard, int]:
        """The shard that holds a picture, and the picture in it."""
        shard, place = picture >> _BITS, picture & _LOW
        if shard >= len(self.shards) or place >= self.shards[shard].pictures:
            raise IndexError(f"{self.path}: there is no picture {place} of shard {shard}")
        return self.shards[shard], place

    def picture(self, id: int) -> dict[str, Any]:  # noqa: A002 - as in `Contents`
        """As `Contents` says."""
        shard, place = self._picture_place(id)
        values: dict[str, Any] = shard.picture_table.slice(place, 1).to_pylist()[0]
        return values

    def pixels(self, id: int) -> Pixels:  # noqa: A002
        """As `Contents` says; a read-only view of the mapped shard, unless files are kept as they were."""
        shard, place = self._picture_place(id)
        return shard.pixels(place)

    def file(self, id: int) -> bytes:  # noqa: A002
        """As `Contents` says; a `ValueError` where pixels are kept and not files."""
        shard, place = self._picture_place(id)
        return shard.file(place)

    @cached_property
    def rows(self) -> pa.Table:
        """As `Contents` says."""
        stored, numbers = self._distinct
        used = self._used[2]
        anew = np.zeros(len(stored), np.uint32)  # a picture that no row uses any more has no number
        anew[used] = np.arange(len(used), dtype=np.uint32)
        return columns_in_order(self.shards, self.index, self._of_shards(anew[numbers]))

    @property
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """As `Contents` says."""
        return self._used[0], self._used[1]

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """As `Contents` says."""
        shard, row = self.place(number)
        values: dict[str, Any] = shard.row_table.slice(row, 1).to_pylist()[0]
        return values, [widened(shard.pixels(picture)) for picture in values["pictures"]]


def _distinct_of(tables: Sequence[pa.Table]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Pictures of all tables by hash: where each is stored first, counted over all tables; and of each stored one its number among them."""
    hashes = np.concatenate([np.empty(0, "V32"), *(hashes_of(table) for table in tables)])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    return first[order].astype(np.int64), rank[inverse.reshape(-1)]
