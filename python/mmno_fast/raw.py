"""JSONL and pictures as an open data set, without a build: the drop-in reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.checking import scan_json
from mmno_fast.contents import Pixels, in_order_of_use, offsets_and_values
from mmno_fast.machine import CHUNK_BYTES, WINDOW_PER_THREAD, thread_count
from mmno_fast.pictures import Pictures
from mmno_fast.schemas import pictures_schema, rows_schema
from mmno_fast.specs import ImageSpec

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 16_384  # rows read at once


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How JSONL was opened, so that another process can do it again."""

    sources: tuple[tuple[str, str], ...]
    roots: tuple[str, ...]
    image: ImageSpec
    rejects: tuple[tuple[str, int], ...]
    placeholders: str
    strip_prefix: str | None
    follow_links: bool
    max_line_bytes: int

    def scan(self, threads: int | None, progress: _core.Progress | None) -> _core.Table:
        """Read every line once, and hash and probe every picture; nothing is decoded."""
        workers = thread_count(threads)
        return _core.Table.open_raw(
            list(self.sources),
            list(self.roots),
            scan=scan_json(
                self.image,
                placeholders=self.placeholders,
                strip_prefix=self.strip_prefix,
                follow_links=self.follow_links,
                max_line_bytes=self.max_line_bytes,
            ),
            rejects=list(self.rejects),
            threads=workers,
            chunk_bytes=CHUNK_BYTES,
            window=WINDOW_PER_THREAD * workers,
            progress=progress,
        )


class RawContents:
    """Rows that are read, and pictures that are decoded, when they are asked for. Satisfies `Contents`."""

    def __init__(self, opening: Opening, threads: int | None = None, progress: _core.Progress | None = None) -> None:
        self.opening = opening
        self.core = opening.scan(threads, progress)
        self.count = self.core.rows
        self.spec: dict[str, Any] = opening.image.to_dict()

    @cached_property
    def rejected(self) -> list[tuple[str, int, list[str]]]:
        """(source, line, codes) of each rejected row; no codes where only `rejects` has it."""
        return self.core.rejected()

    @cached_property
    def identity(self) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
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
        """Offsets and numbers of the rows' pictures in `pictures`; and those pictures' numbers in the scan, in the order of first use."""
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
    def pictures(self) -> Pictures:
        """As `Contents` says; in the order in which accepted rows first name them."""
        return Pictures(self, [_Files(self)], self._used[2])

    def row(self, number: int) -> tuple[dict[str, Any], list[Pixels]]:
        """As `Contents` says; the pictures are decoded now."""
        import pyarrow as pa  # imported when first used: it is large

        values: dict[str, Any] = pa.record_batch(self.core.read_rows(np.array([number], np.uint64))).to_pylist()[0]
        return values, [self.core.read_picture(picture, stored=False) for picture in values["pictures"]]


class _Files:
    """The pictures of a scan; satisfies `pictures.Holder`."""

    def __init__(self, contents: RawContents) -> None:
        self._contents = contents

    @cached_property
    def picture_table(self) -> pa.Table:
        import pyarrow as pa  # imported when first used: it is large

        columns = self._contents.core.picture_columns()
        schema = pictures_schema()
        count = len(columns["names"])
        arrays = [pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type) for field in schema]
        return pa.table(arrays, schema=schema)

    @cached_property
    def pictures(self) -> int:
        return int(self.picture_table.num_rows)

    @cached_property
    def _paths(self) -> Sequence[str]:
        return self._contents.core.picture_files()

    def pixels(self, picture: int) -> Pixels:
        return self._contents.core.read_picture(picture, stored=True)

    def file(self, picture: int) -> bytes:
        from pathlib import Path

        return Path(self._paths[picture]).read_bytes()
