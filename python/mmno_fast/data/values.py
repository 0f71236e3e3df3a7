"""Plain values and arrays of what Arrow and the core hand out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmno_fast._core import ShardError
from mmno_fast.errors import shard_error

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
        "meta": parsed(values["meta"], "meta"),
        "extra": parsed(values["extra"], "extra"),
    }


def parsed(text: str | None, column: str) -> Any:
    """JSON of a column as Python values; see `parsed_json`."""
    return None if text is None else parsed_json(text, "rows.arrow", f"in the column {column}")


def parsed_json(text: str, file: str, where: str = "") -> Any:
    """JSON of a file of a data set as Python values.

    A whole number too long for `int` (over 4,300 digits) becomes a `Decimal`, which holds it exactly.

    Raises:
        ShardError: The text is not JSON. Rows of JSONL always hold JSON, so that only a damaged shard does not.
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    except RecursionError as error:
        raise _no_json(file, where, "JSON that is too deep") from error
    try:
        return json.loads(text, parse_int=_whole)
    except ValueError as error:
        raise _no_json(file, where, str(error)) from error


def _no_json(file: str, where: str, found: str) -> ShardError:
    expected = " ".join(["expected JSON", *([where] if where else [])])
    return shard_error(file, f"{expected}, found: {found}; run mmno-fast verify")


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
