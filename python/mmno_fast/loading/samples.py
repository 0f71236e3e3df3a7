"""What a `Loader` may be given, and what its epochs then go through: rows, groups of rows, or pictures."""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data.contents import Contents
from mmno_fast.data.pictures import LabelledPictures, Pictures
from mmno_fast.data.rows import Rows

Source: TypeAlias = Rows | Pictures | LabelledPictures
"""A `Dataset`, rows of one, its pictures, or those with labels."""


def contents_of(source: Source) -> Contents:
    """What the samples of a source are read from.

    Raises:
        TypeError: No source.
    """
    if isinstance(source, Rows):
        return source.open_contents()
    if isinstance(source, LabelledPictures):
        return source.pictures.contents
    if isinstance(source, Pictures):
        return source.contents
    raise TypeError(f"expected a Dataset, rows or pictures of one, found {type(source).__name__}; open(…) opens a data set")


def samples_of(source: Source, *, shuffle: bool, group_by_picture: bool) -> tuple[_core.Samples, str]:
    """What an epoch goes through, and the fingerprint of its order."""
    contents = contents_of(source)
    if isinstance(source, Rows):
        identity = f"rows {source.rows_fingerprint}"
        if group_by_picture:
            return _core.Samples.groups(*source.groups_by_picture()), _digest(identity, "grouped", shuffle)
        numbers: npt.NDArray[np.uint32] | None = source.row_numbers
        samples = _core.Samples.all(contents.count) if numbers is None else _core.Samples.of_rows(numbers)
        return samples, _digest(identity, "", shuffle)
    if group_by_picture:
        raise ValueError("group_by_picture is for rows; pictures are alone already")
    pictures = source.pictures if isinstance(source, LabelledPictures) else source
    return _core.Samples.of_pictures(pictures.ids), _digest("pictures", blake2b(pictures.hashes.tobytes()).hexdigest(), shuffle)


def _digest(*parts: object) -> str:
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest()
