"""Page-locked memory for batches: from it, copies to a device run beside everything else."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from mmno_fast.data.pictures import LabelledPictures
from mmno_fast.data.rows import Rows
from mmno_fast.loading.samples import Source, contents_of
from mmno_fast.spec.output import Output
from mmno_fast.torch.batch import DTYPES

_LOG = logging.getLogger("mmno_fast")


def pinned_slots(source: Source, batch_size: int, output: Output | None, count: int, most_bytes: int, *, grouped: bool) -> list[Any]:
    """`count` arrays of page-locked memory, each large enough for any batch; none where they would take more than `most_bytes`."""
    each = largest_batch(source, batch_size, output, grouped=grouped)
    if each == 0 or each * count > most_bytes:
        _LOG.warning(
            "batches of up to %.1f MiB, %d of them, are more than prefetch_bytes allows to lock in memory: copies to the device will not "
            "run beside other work",
            each / 2**20,
            count,
        )
        return []
    return [torch.empty(each, dtype=torch.uint8, pin_memory=True).numpy() for _ in range(count)]


def largest_batch(source: Source, batch_size: int, output: Output | None, *, grouped: bool = False) -> int:
    """Bytes that no batch exceeds: those of the `batch_size` largest samples together. 0 where sizes are not known beforehand."""
    contents = contents_of(source)
    table = contents.picture_table(contents.picture_ids)
    if table.column("height").null_count or table.column("width").null_count:
        return 0
    sides = table.column("height").to_numpy().astype(np.int64) * table.column("width").to_numpy().astype(np.int64)
    numbers = sides * 3 * (output.temporal or 1 if output else 1)
    each = numbers * (DTYPES[output.dtype].itemsize if output else 1)
    if isinstance(source, Rows):
        offsets, values = contents.row_pictures
        cumulated = np.concatenate([[0], np.cumsum(each[values])])
        samples = cumulated[offsets[1:]] - cumulated[offsets[:-1]]
        if source.row_numbers is not None:
            samples = samples[source.row_numbers]
        if grouped:  # a group has the pictures of its rows, at most
            starts, rows = source.groups_by_picture()
            of_all = cumulated[offsets[1:]] - cumulated[offsets[:-1]]
            samples = np.add.reduceat(of_all[rows], starts[:-1].astype(np.int64)) if len(rows) else of_all[:0]
    else:
        own = source.pictures if isinstance(source, LabelledPictures) else source
        place = {picture: i for i, picture in enumerate(contents.picture_ids.tolist())}
        samples = each[[place[picture] for picture in own.ids.tolist()]]
    if not len(samples):
        return 0
    largest = np.sort(samples)[::-1][:batch_size]
    # Where samples come again (uneven="wrap"), a batch may be larger than the data set: its largest sample fills it up.
    return int(largest.sum() + largest[0] * (batch_size - len(largest)))
