"""What an open data set holds, by number: the same for a folder of shards and for JSONL with its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data.opening import Identity, Opening, ShardsOpening
from mmno_fast.data.raw import RawContents
from mmno_fast.data.shards import ShardContents
from mmno_fast.data.values import Pixels
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa


class Contents(Protocol):
    """Rows and pictures. A row is known by its number in order; a picture by its id, which is the core's number of it."""

    @property
    def opening(self) -> Opening:
        """How to open the same data set in another process; with its fingerprint."""

    @property
    def fingerprint(self) -> str:
        """What identifies the data set: of shards the hash of the manifest, of JSONL that of the rows."""

    @property
    def identity(self) -> Identity:
        """What the rows in order follow from."""

    @property
    def core(self) -> _core.Table:
        """The table that the loader reads; of this process."""

    @property
    def spec(self) -> dict[str, Any]:
        """What becomes of pictures."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of `rows`."""

    @property
    def rows(self) -> pa.Table:
        """All rows in order; column `pictures` holds places in `picture_ids`."""

    @property
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the pictures of each row begin (and the end of the last), and their places in `picture_ids`."""

    @property
    def picture_ids(self) -> npt.NDArray[np.uint64]:
        """The id of every distinct picture that rows use, in the order of first use."""

    def picture_table(self, ids: npt.NDArray[np.uint64]) -> pa.Table:
        """What is known of these pictures, with the columns of ``pictures.arrow``; no pixels."""

    def picture_hashes(self, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """BLAKE3 of the files of these pictures.

        Raises:
            IndexError: There is no such picture.
        """

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """One row as plain values, and its pictures: uint8 (H, W, 3), the caller's own."""

    def picture(self, id: int) -> dict[str, Any]:  # noqa: A002 - what it is
        """One row of `picture_table` as plain values."""

    def pixels(self, id: int) -> Pixels:  # noqa: A002
        """The pixels of a picture as stored: uint8 (H, W) or (H, W, 3)."""

    def file(self, id: int) -> bytes:  # noqa: A002
        """The file of a picture as it was."""


def opened(opening: Opening, threads: int | None = None, progress: _core.Progress | None = None) -> Contents:
    """Open a data set.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ShardError: It is not a data set, or another one than `opening` says.
    """
    contents: Contents = ShardContents(opening) if isinstance(opening, ShardsOpening) else RawContents(opening, threads, progress)
    if opening.fingerprint not in {None, contents.fingerprint}:
        message = f"expected the data set {opening.fingerprint}, found {contents.fingerprint}: it was rebuilt since then"
        raise shard_error(opening.name, message)
    return contents
