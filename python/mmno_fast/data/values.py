"""Plain values and arrays of what Arrow and the core hand out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""A picture: (H, W) or (H, W, 3)."""


def plain_row(number: int, values: dict[str, Any], images: Any) -> dict[str, Any]:
    """A row as ``dataset[i]`` gives it, of its Arrow columns as plain values."""
    return {
        "row": number,
        "source": values["source"],
        "line": values["line"],
        "images": images,
        "image_names": values["images"],
        "messages": values["messages"],
        "variant": values["variant"],
        "options": values["options"],
        "answer": values["answer"],
        "answer_text": values["answer_text"],
        "meta": parsed(values["meta"]),
        "extra": parsed(values["extra"]),
    }


def parsed(text: str | None) -> Any:
    """JSON as Python values; a whole number too long for `int` (over 4,300 digits) becomes a `Decimal`, which holds it exactly."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def widened(pixels: Pixels) -> Pixels:
    """A copy of the pixels with three channels: uint8 (H, W, 3), contiguous, the caller's own."""
    height, width = pixels.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    if pixels.ndim == 3:
        out[...] = pixels
    else:
        for channel in range(3):  # four times as fast as one broadcast assignment
            out[:, :, channel] = pixels
    return out


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


def hashes_of(table: pa.Table) -> npt.NDArray[np.void]:
    """The column `hash` of a table of pictures as an array of 32-byte values; a view of each batch."""
    chunks = [np.frombuffer(chunk.buffers()[1], "V32", len(chunk), chunk.offset * 32) for chunk in table.column("hash").chunks]
    return np.concatenate([np.empty(0, "V32"), *chunks])
