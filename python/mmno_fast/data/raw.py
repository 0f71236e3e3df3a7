"""JSONL and pictures as an open data set, without a build: the drop-in reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data.opening import Identity, RawOpening, fingerprint_of_rows
from mmno_fast.data.schemas import pictures_schema, rows_schema
from mmno_fast.data.values import Pixels, hashes_of, in_order_of_use, offsets_and_values
from mmno_fast.machine import CHUNK_BYTES, WINDOW_PER_THREAD, thread_count

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 16_384  # rows read at once


class RawContents:
    """Rows that are read, and pictures that are decoded, when they are asked for. Satisfies `Contents`."""

    def __init__(self, opening: RawOpening, threads: int | None = None, progress: _core.Progress | None = None) -> None:
        self._opening = opening
        self.core = _scanned(opening, threads, progress)
        self.count = self.core.rows
        self.spec: dict[str, Any] = opening.image.to_dict()

    @cached_property
    def rejected(self) -> list[tuple[str, int, list[str]]]:
        """(source, line, codes) of each rejected row; no codes where only `rejects` has it."""
        return self.core.rejected()

    @cached_property
    def fingerprint(self) -> str:
        """As `Contents` says."""
        return fingerprint_of_rows(self.identity)

    @property
    def opening(self) -> RawOpening:
        """As `Contents` says."""
        return replace(self._opening, fingerprint=self.fingerprint)

    @cached_property
    def identity(self) -> Identity:
        """As `Contents` says."""
        return [(name, blake3) for name, _, blake3, _ in self.core.sources()], sorted((source, line) for source, line, _ in self.rejected)

    @property
    def schema(self) -> pa.Schema:
        """As `Contents` says."""
        return rows_schema()

    @cached_property
    def _read(self) -> pa.Table:
        """All rows; column `pictures` counts in the scan's pictures."""
        import pyarrow as pa  # imported when first used: it is large

        blocks = [np.arange(start, min(start + _BLOCK_ROWS, self.count), dtype=np.uint64) for start in range(0, self.count, _BLOCK_ROWS)]
        batches = [pa.record_batch(self.core.read_rows(block)) for block in blocks]
        return pa.Table.from_batches(batches, rows_schema() if not batches else None)

    @cached_property
    def _used(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Offsets and places of the rows' pictures in `picture_ids`; and those pictures' ids, in the order of first use."""
        offsets, scanned = offsets_and_values(self._read.column("pictures"))
        return offsets, *in_order_of_use(scanned)

    @property
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """As `Contents` says."""
        return self._used[0], self._used[1]

    @cached_property
    def rows(self) -> pa.Table:
        """As `Contents` says; every line is read again."""
        import pyarrow as pa  # imported when first used: it is large

        offsets, numbers, _ = self._used
        table = self._read
        place = table.schema.get_field_index("pictures")
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(numbers, pa.uint32()))
        return table.set_column(place, table.schema.field(place), pa.chunked_array([lists]))

    @cached_property
    def picture_ids(self) -> npt.NDArray[np.uint64]:
        """As `Contents` says: numbers in the scan."""
        return self._used[2].astype(np.uint64)

    @cached_property
    def _pictures(self) -> pa.Table:
        """All pictures of the scan, with the columns of ``pictures.arrow``."""
        import pyarrow as pa  # imported when first used: it is large

        columns = self.core.picture_columns()
        schema = pictures_schema()
        count = len(columns["names"])
        arrays = [pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type) for field in schema]
        return pa.table(arrays, schema=schema)

    def picture_table(self, ids: npt.NDArray[np.uint64]) -> pa.Table:
        """As `Contents` says."""
        return self._pictures.unify_dictionaries().take(ids)

    def picture_hashes(self, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
        """As `Contents` says."""
        return hashes_of(self._pictures)[ids.astype(np.int64)]

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """As `Contents` says; the pictures are decoded now."""
        import pyarrow as pa  # imported when first used: it is large

        values: dict[str, Any] = pa.record_batch(self.core.read_rows(np.array([number], np.uint64))).to_pylist()[0]
        return values, [self.core.read_picture(picture, stored=False) for picture in values["pictures"]]

    def picture(self, id: int) -> dict[str, Any]:  # noqa: A002 - as in `Contents`
        """As `Contents` says."""
        values: dict[str, Any] = self._pictures.slice(id, 1).to_pylist()[0]
        return values

    def pixels(self, id: int) -> Pixels:  # noqa: A002
        """As `Contents` says; decoded now."""
        return self.core.read_picture(id, stored=True)

    @cached_property
    def _paths(self) -> Sequence[str]:
        return self.core.picture_files()

    def file(self, id: int) -> bytes:  # noqa: A002
        """As `Contents` says; read now."""
        return Path(self._paths[id]).read_bytes()


def _scanned(opening: RawOpening, threads: int | None, progress: _core.Progress | None) -> _core.Table:
    """Read every line once, and hash and probe every picture; nothing is decoded."""
    workers = thread_count(threads)
    return _core.Table.open_raw(
        list(opening.sources),
        list(opening.roots),
        spec=opening.image.to_json(),
        rejects=list(opening.rejects),
        **opening.scan.for_core(),
        threads=workers,
        chunk_bytes=CHUNK_BYTES,
        window=WINDOW_PER_THREAD * workers,
        progress=progress,
    )
