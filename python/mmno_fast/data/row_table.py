"""All rows of a data set as one Arrow table, in the order of row numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mmno_fast.data.schemas import rows_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from mmno_fast.data.shard import Shard

_BLOCK_ROWS: Final = 16_384  # rows brought into order at once


def columns_in_order(
    shards: Sequence[Shard],
    index: npt.NDArray[np.uint64],
    numbers: Iterable[npt.NDArray[np.uint32]],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of all shards, or some of their columns.

    `index` is row number -> shard << 32 | row; `numbers` are of each shard the numbers that its pictures get in column `pictures`.
    """
    import pyarrow as pa  # imported when first used: it is large

    if not shards:
        return rows_schema().empty_table().select(columns or rows_schema().names)
    tables = [shard.row_table if columns is None else shard.row_table.select(columns) for shard in shards]
    tables = [_renumbered(table, own) for table, own in zip(tables, numbers, strict=True)]
    stored = pa.concat_tables(tables).unify_dictionaries()
    starts = np.cumsum([0, *(shard.rows for shard in shards)])
    where = starts[(index >> np.uint64(32)).astype(np.int64)] + (index & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    if np.array_equal(where, np.arange(len(where))):
        return stored
    batches = stored.to_batches()
    ends = np.cumsum([batch.num_rows for batch in batches])
    blocks = [_picked(batches, ends, where[start : start + _BLOCK_ROWS]) for start in range(0, len(where), _BLOCK_ROWS)]
    return pa.concat_tables(blocks)


def _picked(batches: Sequence[pa.RecordBatch], ends: npt.NDArray[np.int64], where: npt.NDArray[np.int64]) -> pa.Table:
    """The rows at the places `where`, counted over all batches, in this order."""
    import pyarrow as pa  # imported when first used: it is large

    # Arrow's own `take` over many batches joins all of them first, which fails beyond 2 GiB of text: pick from each by itself.
    owner = np.searchsorted(ends, where, side="right")
    by_owner = np.argsort(owner, kind="stable")
    pieces = []
    for number in np.unique(owner):
        batch = batches[number]
        mine = where[owner == number] - (ends[number] - batch.num_rows)
        pieces.append(batch.take(pa.array(mine)))
    try:
        return pa.Table.from_batches(pieces).take(pa.array(np.argsort(by_owner)))
    except pa.ArrowInvalid:
        if len(where) == 1:
            raise
        middle = len(where) // 2  # the texts of this block are beyond 2 GiB together
        return pa.concat_tables([_picked(batches, ends, where[:middle]), _picked(batches, ends, where[middle:])])


def _renumbered(rows: pa.Table, numbers: npt.NDArray[np.uint32]) -> pa.Table:
    """`rows` with column `pictures` mapped from this shard's pictures to `numbers`."""
    import pyarrow as pa  # imported when first used: it is large

    place = rows.schema.get_field_index("pictures")
    chunks = []
    for chunk in rows.column(place).chunks:
        flat = numbers[chunk.values.to_numpy()]
        chunks.append(pa.ListArray.from_arrays(chunk.offsets, pa.array(flat, pa.uint32())))
    column = pa.chunked_array(chunks, rows.schema.field(place).type)
    return rows.set_column(place, rows.schema.field(place), column)
