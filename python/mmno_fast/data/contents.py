"""What an open data set holds, by number: a thin view of the core's table, the same for shards and for JSONL with its pictures."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data.opening import Identity, Opening, ShardsOpening, fingerprint_of_rows
from mmno_fast.data.values import Pixels, parsed_json, widened
from mmno_fast.errors import shard_error
from mmno_fast.machine import CHUNK_BYTES, WINDOW_PER_THREAD, thread_count

if TYPE_CHECKING:
    import pyarrow as pa

_NONE: Final = np.empty(0, np.uint64)


class Contents:
    """Rows and pictures. A row is known by its number in order; a picture by its id, which is the core's number of it.

    Everything is read by the core when it is first asked for. It raises `ShardError` where a file of a data set is damaged, and
    `DataError` where a file of JSONL has changed since it was opened.
    """

    def __init__(self, opening: Opening, threads: int | None = None, progress: _core.Progress | None = None) -> None:
        self._opening = opening
        self._core = (os.getpid(), _opened_by_core(opening, threads, progress))
        self.count = self.core.row_count
        """How many rows there are."""
        self.spec: dict[str, Any] = json.loads(self.core.spec)
        """What becomes of pictures."""

    @property
    def core(self) -> _core.Table:
        """The table that the loader reads; of this process."""
        process, core = self._core
        if process != os.getpid():
            # The fork may have come while another thread was opening a shard, whose lock nobody would ever open.
            core = core.after_fork()
            self._core = (os.getpid(), core)
        return core

    # what it is ----------------------------------------------------------------------------------------------------------------

    @property
    def opening(self) -> Opening:
        """How to open the same data set in another process; with its fingerprint."""
        return replace(self._opening, fingerprint=self.fingerprint)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json``.

        Raises:
            ValueError: The data set was opened from JSONL.
            ShardError: A member that this version does not know is JSON that is too deep for Python.
        """
        text = self.core.manifest
        if text is None:
            raise ValueError("this data set was opened from JSONL: it has no manifest")
        manifest: dict[str, Any] = parsed_json(text, "manifest.json")
        return manifest

    @cached_property
    def fingerprint(self) -> str:
        """What identifies the data set: of shards the hash of the manifest, of JSONL that of the rows."""
        return self.core.fingerprint or fingerprint_of_rows(self.identity)

    @cached_property
    def identity(self) -> Identity:
        """What the rows in order follow from."""
        return self.core.identity()

    @cached_property
    def rejected(self) -> list[tuple[str, int, list[str]]]:
        """Of JSONL: (source, line, codes) of each rejected row; no codes where only the caller's `rejects` has it.

        Raises:
            ValueError: Shards hold accepted rows only.
        """
        return self.core.rejected()

    # rows ----------------------------------------------------------------------------------------------------------------------

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of `rows`."""
        return _table(self.core.rows(_NONE)).schema

    @cached_property
    def rows(self) -> pa.Table:
        """All rows in order; column `pictures` holds places in `picture_ids`."""
        return _table(self.core.rows()).unify_dictionaries()

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """One row as plain values, and its pictures: uint8 (H, W, 3), the caller's own."""
        return self.core.row(number), [widened(self.pixels(each)) for each in self.core.pictures_of(number)]

    @cached_property
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the pictures of each row begin (and the end of the last), and their places in `picture_ids`."""
        return self.core.row_pictures()

    # pictures ------------------------------------------------------------------------------------------------------------------

    @cached_property
    def picture_ids(self) -> npt.NDArray[np.uint64]:
        """The id of every distinct picture that rows use, in the order of first use."""
        return self.core.picture_ids()

    def picture_table(self, ids: npt.NDArray[np.uint64]) -> pa.Table:
        """What is known of these pictures, with the columns of ``pictures.arrow``; no pixels."""
        return _table(self.core.pictures(ids))

    def picture_hashes(self, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """BLAKE3 of the files of these pictures, 32 bytes each.

        Raises:
            ValueError: There is no such picture.
        """
        return np.frombuffer(self.core.hashes(ids), "V32")

    def picture(self, id: int) -> dict[str, Any]:  # noqa: A002 - what it is
        """One row of `picture_table` as plain values."""
        return self.core.picture(id)

    def pixels(self, id: int) -> Pixels:  # noqa: A002
        """The pixels of a picture as stored: uint8 (H, W) or (H, W, 3). A read-only view of a mapped shard, or decoded now."""
        pixels, shape = self.core.pixels(id)
        return np.frombuffer(memoryview(pixels), np.uint8).reshape(shape) if isinstance(pixels, _core.Pixels) else pixels

    def file(self, id: int) -> bytes:  # noqa: A002
        """The file of a picture as it was.

        Raises:
            ValueError: The data set holds pixels, and no files.
        """
        return self.core.file(id)


def opened(opening: Opening, threads: int | None = None, progress: _core.Progress | None = None) -> Contents:
    """Open a data set.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ShardError: It is not a data set, or another one than `opening` says.
    """
    contents = Contents(opening, threads, progress)
    if opening.fingerprint not in {None, contents.fingerprint}:
        message = f"expected the data set {opening.fingerprint}, found {contents.fingerprint}: it was rebuilt since then"
        raise shard_error(opening.name, message)
    return contents


def _opened_by_core(opening: Opening, threads: int | None, progress: _core.Progress | None) -> _core.Table:
    if isinstance(opening, ShardsOpening):
        return _core.Table.open(opening.path)
    workers = thread_count(threads)
    return _core.Table.open(
        list(opening.sources),
        list(opening.roots),
        scan=opening.scan.to_json(opening.image),
        rejects=list(opening.rejects),
        threads=workers,
        chunk_bytes=CHUNK_BYTES,
        window=WINDOW_PER_THREAD * workers,
        progress=progress,
    )


def _table(batches: _core.Batches) -> pa.Table:
    import pyarrow as pa  # imported when first used: it is large

    return pa.table(batches)
