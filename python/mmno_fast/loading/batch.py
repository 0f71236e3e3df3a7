"""One batch: its rows, and its pictures as arrays over a leased slot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.spec.output import Output

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
_DTYPES = {"uint8": np.uint8, "float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


class Skipped(NamedTuple):
    """A row that was left out, with ``on_error="skip"``."""

    row: int | None
    """Its number; None where pictures come alone."""
    source: str
    """Its source; of a picture alone, its file."""
    line: int
    """Its line, from 1."""
    code: str
    """A finding's code, as in ``picture.corrupt``."""
    message: str
    """What went wrong."""


@dataclass(frozen=True)
class _Copied:
    """What the core's batch says, as plain values: what a batch has in another process."""

    rows: pa.RecordBatch | None
    position: int
    bytes: int
    row_count: int
    row_numbers: npt.NDArray[np.uint64]
    samples: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    pictures: list[tuple[int, int, int, int]]
    size: tuple[int, int] | None
    count: int
    skipped: list[tuple[int | None, str, int, str, str]]

    def lease(self) -> None:
        """It holds no memory: the batch has `Batch.numbers`."""

    def without_pixels(self) -> _Copied:
        """It has none."""
        return self


class Batch:
    """Rows and their pictures. Arrays are views of one slot, which is used again only when the last of them is gone: keep what you like.

    It pickles by value: with all its pictures and rows.

    The pictures of row ``i`` are ``images[j] for j in image_index[image_offsets[i]:image_offsets[i + 1]]``.
    """

    def __init__(self, core: _core.Batch, output: Output | None, epoch: int, labels: npt.NDArray[np.int64] | None) -> None:
        self._core: _core.Batch | _Copied = core
        self._output = output
        self._labels = labels
        self.epoch = epoch
        """The epoch, from 0."""

    def __len__(self) -> int:
        """Rows; pictures where they come alone."""
        return self.row_count or self.picture_count

    def __repr__(self) -> str:
        return f"<batch of {self.row_count} rows, {self.picture_count} pictures, epoch {self.epoch}, position {self.position}>"

    @property
    def dtype(self) -> str:
        """``"uint8"``, ``"float32"``, ``"float16"`` or ``"bfloat16"``: NumPy has no bfloat16, there `images` are uint16, the bits."""
        return self._output.dtype if self._output else "uint8"

    @cached_property
    def images(self) -> Any:
        """The pictures.

        - Of one size: one array, (pictures, H, W, 3) or (pictures, 3, H, W).
        - Of different sizes: a list of arrays.
        - As patches: one array, (patches of all pictures, 3 * temporal * patch * patch); see `image_grid_thw`.
        - With ``channels="stored"``: a list of uint8 (H, W) or (H, W, 3).
        """
        return self.views(self.numbers)

    def views(self, flat: Any) -> Any:
        """What `images` is, as views of `flat`: `numbers`, or a copy of it that lies elsewhere, a tensor on a device for example."""
        if self._output is None:
            shapes = [(at, (height, width) if channels == 1 else (height, width, 3)) for at, height, width, channels in self._core.pictures]
            return [flat[at : at + math.prod(shape)].reshape(shape) for at, shape in shapes]
        if self._output.layout == "patches":
            return flat.reshape(-1, self._output.numbers_of_a_patch)
        size = self._core.size
        nhwc = self._output.layout == "nhwc"
        if size is not None or self._core.count == 0:
            height, width = size or (0, 0)
            return flat.reshape((self._core.count, height, width, 3) if nhwc else (self._core.count, 3, height, width))
        bytes_of_one = np.dtype(_DTYPES[self.dtype]).itemsize
        views = []
        for at, height, width, _ in self._core.pictures:
            view = flat[at // bytes_of_one : at // bytes_of_one + 3 * height * width]
            views.append(view.reshape((height, width, 3) if nhwc else (3, height, width)))
        return views

    @property
    def pixel_values(self) -> Array:
        """The patches of all pictures, as Qwen's models take them; the same array as `images`. Needs ``layout="patches"``."""
        if self._output is None or self._output.layout != "patches":
            raise AttributeError('pixel_values are there with Output(layout="patches"); this batch has images')
        return np.asarray(self.images)

    @cached_property
    def image_grid_thw(self) -> npt.NDArray[np.int64]:
        """1, rows and columns of patches of each picture: int64 (pictures, 3). Needs ``layout="patches"``."""
        if self._output is None or self._output.layout != "patches":
            raise AttributeError('image_grid_thw is there with Output(layout="patches")')
        patch = self._output.patch or 1
        grids = [(1, height // patch, width // patch) for _, height, width, _ in self._core.pictures]
        return np.array(grids, np.int64).reshape(-1, 3)

    @cached_property
    def image_offsets(self) -> npt.NDArray[np.int64]:
        """Where the pictures of each row begin in `image_index`, and the end of the last: int64 (rows + 1,)."""
        return self._core.offsets

    @cached_property
    def image_index(self) -> npt.NDArray[np.int64]:
        """Of each picture of each row its place in `images`, int64. 0, 1, 2, … but where rows share pictures (`group_by_picture`)."""
        return self._core.index

    @cached_property
    def row_numbers(self) -> npt.NDArray[np.uint64]:
        """The number of each row in its data set, uint64. Empty where pictures come alone."""
        return self._core.row_numbers

    @cached_property
    def samples(self) -> npt.NDArray[np.uint64]:
        """The number of each sample in the loader's source: of a row, of a group of rows, or of a picture. uint64."""
        return self._core.samples

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each picture, int64 (pictures,). Needs a source with labels (`Pictures.labelled`)."""
        if self._labels is None:
            raise AttributeError("labels are there where the loader's source has some: Loader(dataset.pictures.labelled(…), …)")
        return self._labels[self.samples.astype(np.int64)]

    @cached_property
    def rows(self) -> pa.RecordBatch:
        """The rows as Arrow: source, line, images (names), messages, variant, options, answer, answer_text, meta, extra."""
        import pyarrow as pa  # imported when first used: it is large

        rows = self._core.rows
        if rows is None:
            raise AttributeError("this batch has pictures and no rows")
        return pa.record_batch(rows)

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Rows that were left out because a picture of theirs cannot be decoded."""
        return [Skipped(*each) for each in self._core.skipped]

    @property
    def has_rows(self) -> bool:
        """Whether it has rows; else pictures come alone."""
        return self._core.rows is not None

    @property
    def has_labels(self) -> bool:
        """Whether its pictures have labels."""
        return self._labels is not None

    @property
    def has_patches(self) -> bool:
        """Whether its pictures come as patches."""
        return self._output is not None and self._output.layout == "patches"

    @property
    def shares_pictures(self) -> bool:
        """Whether a picture belongs to several rows; `image_index` then is not 0, 1, 2, 3."""
        return len(self.image_index) != self._core.count

    @property
    def position(self) -> int:
        """Samples of the epoch that all ranks have seen after this batch."""
        return self._core.position

    @property
    def row_count(self) -> int:
        """How many rows there are; 0 where pictures come alone."""
        return self._core.row_count

    @property
    def picture_count(self) -> int:
        """How many pictures `images` has."""
        return self._core.count

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return self._core.bytes

    @cached_property
    def numbers(self) -> Array:
        """The numbers of all pictures, flat, as `dtype`: the slot itself."""
        lease = self._core.lease()
        if lease is None or self.nbytes == 0:
            return np.empty(0, _DTYPES[self.dtype])
        return np.frombuffer(memoryview(lease), _DTYPES[self.dtype])

    def without_pixels(self) -> Batch:
        """The same batch without its pictures' numbers: for whoever holds a copy of them, and wants the slot to be free again."""
        bare = object.__new__(Batch)
        bare.__dict__.update(self.__dict__)
        bare._core = self._core.without_pixels()
        for name in ("images", "numbers"):
            bare.__dict__.pop(name, None)
        return bare

    def __getstate__(self) -> dict[str, Any]:
        core = self._core
        copied = _Copied(
            rows=self.rows if core.rows is not None else None,
            position=core.position,
            bytes=core.bytes,
            row_count=core.row_count,
            row_numbers=core.row_numbers,
            samples=core.samples,
            offsets=core.offsets,
            index=core.index,
            pictures=core.pictures,
            size=core.size,
            count=core.count,
            skipped=core.skipped,
        )
        state: dict[str, Any] = {"_core": copied, "_output": self._output, "_labels": None, "epoch": self.epoch}
        if self._labels is not None:
            state |= {"_labels": self._labels[:0], "labels": self.labels}  # its own only, and that there are some
        if core.lease() is not None or "numbers" in self.__dict__:  # else whoever holds the numbers pickles them
            state["numbers"] = self.numbers
        return state
