"""The Arrow files of a shard."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from mmno_fast.reference.check import Checked
from mmno_fast.reference.scan import Picture, Row

BATCH_ROWS = 65_536
BATCH_BYTES = 32 << 20
"""Bytes of lines in one batch of rows: the columns they become stay well below the format's 256 MiB."""

VARIANTS = ["open", "closed", "closed_cot", "chat"]

DICTIONARY = pa.dictionary(pa.int32(), pa.utf8())
ROWS = pa.schema(
    {
        "source": DICTIONARY,
        "line": pa.uint64(),
        "images": pa.list_(pa.utf8()),
        "pictures": pa.list_(pa.uint32()),
        "messages": pa.list_(pa.struct({"role": pa.utf8(), "content": pa.utf8()})),
        "variant": DICTIONARY,
        "options": pa.list_(pa.struct({"letter": pa.utf8(), "text": pa.utf8()})),
        "answer": pa.utf8(),
        "answer_text": pa.utf8(),
        "meta": pa.utf8(),
        "extra": pa.utf8(),
    }
)
PICTURES = pa.schema(
    {
        "names": pa.list_(pa.utf8()),
        "hash": pa.binary(32),
        "format": DICTIONARY,
        "mode": DICTIONARY,
        "source_height": pa.uint32(),
        "source_width": pa.uint32(),
        "orientation": pa.uint32(),
        "height": pa.uint32(),
        "width": pa.uint32(),
        "channels": pa.uint32(),
        "store": DICTIONARY,
        "index": pa.uint64(),
        "offset": pa.uint64(),
        "length": pa.uint64(),
    }
)


def batch_of(schema: pa.Schema, rows: list[tuple[Any, ...]], dictionaries: dict[str, list[str]]) -> pa.RecordBatch:
    """Rows as columns; values of `dictionaries` are given by their position in them."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = []
    for field, column in zip(schema, columns, strict=True):
        if field.name in dictionaries:
            indices, values = pa.array(column, pa.int32()), pa.array(dictionaries[field.name], pa.utf8())
            arrays.append(pa.DictionaryArray.from_arrays(indices, values))
        else:
            arrays.append(pa.array(column, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class RowTable:
    """`rows.arrow`, written batch by batch."""

    def __init__(self, path: Path, sources: list[str | None]) -> None:
        """`sources` are the names of all sources, None for those that the unit does not use."""
        used = [name for name in sources if name is not None]
        self.dictionaries = {"source": used, "variant": VARIANTS}
        self.source_index = [used.index(name) if name is not None else -1 for name in sources]
        self.path = path
        self.sink = pa.BufferOutputStream()  # pyarrow opens no file whose name is not UTF-8
        self.writer = pa.ipc.new_file(self.sink, ROWS)
        self.rows: list[tuple[Any, ...]] = []
        self.bytes = 0
        self.batches = 0

    def append(self, row: Row, line: Checked, pictures: list[int]) -> None:
        """Add an accepted row; `pictures` are rows of `pictures.arrow`."""
        if self.rows and (len(self.rows) == BATCH_ROWS or self.bytes + row.length > BATCH_BYTES):
            self.flush()
        self.bytes += row.length
        meaning = line.meaning
        if meaning is None:
            raise ValueError("expected a row without findings that reject it")
        self.rows.append(
            (
                self.source_index[row.source],
                row.line,
                line.names,
                pictures,
                [{"role": role, "content": content} for role, content in line.messages],
                VARIANTS.index(meaning.variant),
                None if meaning.options is None else [{"letter": letter, "text": text} for letter, text in meaning.options],
                meaning.answer,
                meaning.answer_text,
                line.meta,
                line.extra,
            )
        )

    def flush(self) -> None:
        """Write what was added as one batch."""
        self.writer.write_batch(batch_of(ROWS, self.rows, self.dictionaries))
        self.rows, self.bytes = [], 0
        self.batches += 1

    def close(self) -> None:
        """Finish the file; one without rows has one empty batch, so that its dictionaries are there."""
        if self.rows or not self.batches:
            self.flush()
        self.writer.close()
        _write(self.path, self.sink)


class PictureTable:
    """`pictures.arrow`."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.dictionaries: dict[str, list[str]] = {"format": [], "mode": [], "store": []}

    def append(
        self,
        picture: Picture,
        shape: tuple[int, ...],
        orientation: int,
        place: tuple[str, int | None, int | None, int | None],
    ) -> None:
        """Add a stored picture; `shape` is (H, W) or (H, W, 3), `place` is `store`, `index`, `offset`, `length`."""
        probe = picture.probe
        store, index, offset, length = place
        self.rows.append(
            (
                picture.names,
                picture.hash,
                self.position("format", probe.format),
                self.position("mode", probe.mode),
                probe.height,
                probe.width,
                orientation,
                shape[0],
                shape[1],
                3 if len(shape) == 3 else 1,
                self.position("store", store),
                index,
                offset,
                length,
            )
        )

    def position(self, column: str, value: str) -> int:
        """Where a value stands in the dictionary of its column, in the order of first appearance."""
        values = self.dictionaries[column]
        if value not in values:
            values.append(value)
        return values.index(value)

    def write(self, path: Path) -> None:
        """Write the file."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, PICTURES) as writer:
            for start in range(0, len(self.rows) or 1, BATCH_ROWS):
                writer.write_batch(batch_of(PICTURES, self.rows[start : start + BATCH_ROWS], self.dictionaries))
        _write(path, sink)


def _write(path: Path, sink: pa.BufferOutputStream) -> None:
    with path.open("wb") as file:
        file.write(sink.getvalue())
