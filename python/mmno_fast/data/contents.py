"""What an open data set holds: a folder of shards, or JSONL with its pictures. `Dataset` is the same over both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data import manifest
from mmno_fast.data.pictures import Pictures, distinct
from mmno_fast.data.row_table import columns_in_order
from mmno_fast.data.schemas import rows_schema
from mmno_fast.data.shard import Shard, widened
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_BITS: Final = 32  # rows.index.npy holds shard << 32 | row in shard
Pixels = npt.NDArray[np.uint8]


class Contents(Protocol):
    """Rows, pictures and pixels, by number."""

    @property
    def spec(self) -> dict[str, Any]:
        """What becomes of pictures."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    @property
    def core(self) -> _core.Table:
        """The table that the loader reads; of this process."""

    @property
    def identity(self) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
        """(name, BLAKE3) of each source, and (source, line) of each rejected row, sorted: what the rows in order follow from."""

    @property
    def schema(self) -> pa.Schema:
        """Of `rows`."""

    @property
    def rows(self) -> pa.Table:
        """All rows in order; column `pictures` counts in `pictures`."""

    @property
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the pictures of each row begin, and their numbers in `pictures`."""

    @property
    def pictures(self) -> Pictures:
        """Every distinct picture that rows use once, in the order of first use."""

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """One row as plain values, and its pictures: uint8 (H, W, 3), the caller's own."""


def fingerprint_of_rows(contents: Contents) -> str:
    """What identifies the rows and their order, but no pixels: the same for shards and for the JSONL that they were built from."""
    sources, rejected = contents.identity
    return blake2b(json.dumps([sources, rejected]).encode(), digest_size=16).hexdigest()


class ShardContents:
    """A folder of shards; everything in it is made when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = manifest.read(path)
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
    def identity(self) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
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
        shard, row = place >> _ROW_BITS, place & (2**_ROW_BITS - 1)
        if shard >= len(self.shards) or row >= self.shards[shard].rows:
            raise shard_error(self.path / "rows.index.npy", f"row {number} points outside the shards; run mmno-fast verify")
        return self.shards[shard], row

    @property
    def schema(self) -> pa.Schema:
        """As `Contents` says."""
        return self.shards[0].row_table.schema if self.shards else rows_schema()

    @cached_property
    def _distinct(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        return distinct([shard.picture_table for shard in self.shards])

    @cached_property
    def _used(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Offsets and numbers of the rows' pictures in `pictures`; and those pictures' numbers among the distinct ones."""
        column = columns_in_order(self.shards, self.index, self._of_shards(self._distinct[1]), ["pictures"]).column("pictures")
        offsets, stored = offsets_and_values(column)
        return offsets, *in_order_of_use(stored)

    def _of_shards(self, numbers: npt.NDArray[np.uint32]) -> Iterator[npt.NDArray[np.uint32]]:
        """The numbers of all stored pictures, shard by shard."""
        ends = np.cumsum([shard.pictures for shard in self.shards])
        return iter(np.split(numbers, ends[:-1]))

    @cached_property
    def pictures(self) -> Pictures:
        """As `Contents` says; in the order in which rows first name them."""
        return Pictures(self, self.shards, self._distinct[0][self._used[2]])

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


def read_rejects(path: Path) -> list[tuple[str, int]]:
    """(source, line) of each row in a ``rejects.jsonl``."""
    found = []
    with path.open("rb") as lines:
        for line in lines:
            reject = json.loads(line)
            found.append((str(reject["source"]), int(reject["line"])))
    return found


def in_order_of_use(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers counted anew, from 0, in the order in which each comes first; and of each new number the one that it was."""
    old, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(-1)], old[order]


def offsets_and_values(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A column of lists of numbers as two arrays, int64: where each list begins (and the end of the last), and all numbers."""
    lengths: Sequence[npt.NDArray[np.int64]] = [np.diff(chunk.offsets.to_numpy()).astype(np.int64) for chunk in column.chunks]
    values = [chunk.flatten().to_numpy().astype(np.int64) for chunk in column.chunks]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))]).astype(np.int64)
    return offsets, np.concatenate([np.empty(0, np.int64), *values])
