"""Where the parts of an Arrow IPC file lie: every number of its metadata and every buffer, by name, so that a test can change one.

Reads the flatbuffers by the rules of their format and the field numbers of Arrow's `File.fbs`, `Message.fbs` and `Schema.fbs`; for files
that are whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

_MAGIC: Final = b"ARROW1"
_FORMATS: Final = {1: "<B", 2: "<H", 4: "<i", 8: "<q"}


@dataclass(frozen=True)
class Place:
    """Some bytes of a file that mean one thing."""

    name: str
    """What, as in ``batch 0: buffer 3: length``."""
    at: int
    """The first byte."""
    size: int
    """How many bytes."""

    def read(self, data: bytes | bytearray) -> int:
        """The number that stands there."""
        value: int = struct.unpack_from(_FORMATS[self.size], data, self.at)[0]
        return value

    def write(self, data: bytearray, number: int) -> None:
        """Put a number there; what is too large is cut off."""
        data[self.at : self.at + self.size] = (number % (1 << 8 * self.size)).to_bytes(self.size, "little")


@dataclass(frozen=True)
class Buffer:
    """One buffer of a record batch or a dictionary."""

    name: str
    """As in ``batch 0: messages.item.content: offsets``."""
    at: int
    """The first byte in the file."""
    length: int
    """Its bytes, without padding."""
    width: int
    """Bytes of one of its numbers; 1 for texts and bits."""


class Layout:
    """The places of one file."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        assert self.data.startswith(_MAGIC)
        assert self.data.endswith(_MAGIC)
        self.footer_length = Place("footer: length", len(self.data) - 10, 4)
        self.footer = len(self.data) - 10 - self.footer_length.read(self.data)
        """Where the footer begins."""
        self._root = self._indirect(self.footer)
        self.schema = self.data.index(b"\xff\xff\xff\xff", len(_MAGIC))
        """Where the message with the schema begins: behind the magic, and what pads it to the writer's alignment."""
        self.dictionaries = list(self._blocks(2))
        """Where each dictionary's message begins."""
        self.batches = list(self._blocks(3))
        """Where each batch's message begins."""
        schema = pa.ipc.open_file(path).schema
        self._columns = schema.names
        self._buffers_of_batch = [(f"{field.name}{rest}", width) for field in schema for rest, width in _buffers_of(field.type)]
        self._nodes_of_batch = [f"{field.name}{rest}" for field in schema for rest in _nodes_of(field.type)]

    # flatbuffers

    def _int(self, at: int, size: int) -> int:
        return Place("", at, size).read(self.data)

    def _indirect(self, at: int) -> int:
        return at + self._int(at, 4)

    def _field(self, table: int, number: int) -> int | None:
        """Where field `number` of a table lies; None where it has its default."""
        entries = table - self._int(table, 4)
        at = 4 + 2 * number
        offset = self._int(entries + at, 2) if at < self._int(entries, 2) else 0
        return table + offset if offset else None

    def _vector(self, table: int, number: int, size: int) -> list[int]:
        """Where each item of a vector of structs lies."""
        field = self._field(table, number)
        if field is None:
            return []
        start = self._indirect(field)
        return [start + 4 + i * size for i in range(self._int(start, 4))]

    def _blocks(self, number: int) -> Iterator[int]:
        for block in self._vector(self._root, number, 24):
            yield self._int(block, 8)

    # what lies where

    def _messages(self) -> Iterator[tuple[str, int, int, int]]:
        """Of each message with a body: its name, where it begins, its header's table, and that of its record batch."""
        for kind, starts in (("dictionary", self.dictionaries), ("batch", self.batches)):
            for number, start in enumerate(starts):
                root = self._indirect(start + 8)
                header = self._field(root, 2)
                assert header is not None
                batch = self._indirect(header)
                if kind == "dictionary":
                    data = self._field(batch, 1)
                    assert data is not None
                    batch = self._indirect(data)
                yield f"{kind} {number}", start, root, batch

    def metadata(self) -> Iterator[tuple[str, int, int]]:
        """The runs of bytes that hold flatbuffers: name, first byte, end."""
        yield "footer", self.footer, len(self.data) - 10
        yield "schema", self.schema, self.schema + 8 + self._int(self.schema + 4, 4)
        for name, start, _, _ in self._messages():
            yield name, start, start + 8 + self._int(start + 4, 4)

    def blocks(self) -> Iterator[Place]:
        """What the footer says of each dictionary and batch."""
        for kind, number in (("dictionary", 2), ("batch", 3)):
            for i, block in enumerate(self._vector(self._root, number, 24)):
                for name, offset, size in (("offset", 0, 8), ("metadata length", 8, 4), ("body length", 16, 8)):
                    yield Place(f"footer: {kind} {i}: {name}", block + offset, size)

    def messages(self) -> Iterator[Place]:
        """What each message says of itself."""
        for name, start, root, batch in self._messages():
            yield Place(f"{name}: continuation", start, 4)
            yield Place(f"{name}: metadata length", start + 4, 4)
            for what, table, number, size in (
                ("version", root, 0, 2),
                ("kind", root, 1, 1),
                ("body length", root, 3, 8),
                ("rows", batch, 0, 8),
            ):
                at = self._field(table, number)
                if at is not None:
                    yield Place(f"{name}: {what}", at, size)

    def dictionary_numbers(self) -> Iterator[Place]:
        """By which number columns, in both copies of the schema, and dictionaries know each other; 0 is not written, and so is left out."""
        message = self._indirect(self.schema + 8)
        header = self._field(message, 2)
        in_footer = self._field(self._root, 1)
        assert header is not None
        assert in_footer is not None
        for name, schema in (("footer", self._indirect(in_footer)), ("schema", self._indirect(header))):
            for column, item in zip(self._columns, self._vector(schema, 1, 4), strict=True):
                encoding = self._field(self._indirect(item), 4)
                at = None if encoding is None else self._field(self._indirect(encoding), 0)
                if at is not None:
                    yield Place(f"{name}: {column}", at, 8)
        for number, start in enumerate(self.dictionaries):
            header = self._field(self._indirect(start + 8), 2)
            assert header is not None
            at = self._field(self._indirect(header), 0)
            if at is not None:
                yield Place(f"dictionary {number}: number", at, 8)

    def _names(self, message: str, names: list[str], count: int) -> list[str]:
        if message.startswith("batch"):
            assert len(names) == count, (names, count)
            return names
        return ["values", "values", "values"][:count]

    def nodes(self) -> Iterator[Place]:
        """Length and number of nulls of every column, inner ones too."""
        for message, _, _, batch in self._messages():
            found = self._vector(batch, 1, 16)
            for name, at in zip(self._names(message, self._nodes_of_batch, len(found)), found, strict=True):
                yield Place(f"{message}: {name}: length", at, 8)
                yield Place(f"{message}: {name}: nulls", at + 8, 8)

    def buffer_places(self) -> Iterator[Place]:
        """Where the metadata say that every buffer begins, and its length."""
        for message, _, _, batch in self._messages():
            found = self._vector(batch, 2, 16)
            names = self._names(message, [f"{name}" for name, _ in self._buffers_of_batch], len(found))
            for number, (name, at) in enumerate(zip(names, found, strict=True)):
                yield Place(f"{message}: {name}: buffer {number}: offset", at, 8)
                yield Place(f"{message}: {name}: buffer {number}: length", at + 8, 8)

    def buffers(self) -> Iterator[Buffer]:
        """Every buffer that holds something."""
        in_dictionary = [("values: validity", 1), ("values: offsets", 4), ("values: texts", 1)]
        for message, start, _, batch in self._messages():
            body = start + 8 + self._int(start + 4, 4)
            found = self._vector(batch, 2, 16)
            names = self._buffers_of_batch if message.startswith("batch") else in_dictionary
            for (name, width), at in zip(names, found, strict=True):
                length = self._int(at + 8, 8)
                if length:
                    yield Buffer(f"{message}: {name}", body + self._int(at, 8), length, width)


def _nodes_of(kind: pa.DataType) -> Iterator[str]:
    """The columns of a column: itself first."""
    yield ""
    if pa.types.is_list(kind):
        yield from (f".item{rest}" for rest in _nodes_of(kind.value_type))
    elif pa.types.is_struct(kind):
        yield from (f".{field.name}{rest}" for field in kind for rest in _nodes_of(field.type))


def _buffers_of(kind: pa.DataType) -> Iterator[tuple[str, int]]:
    """The buffers of a column, in their order: name, and bytes of a number."""
    yield ": validity", 1
    if pa.types.is_list(kind):
        yield ": offsets", 4
        yield from ((f".item{rest}", width) for rest, width in _buffers_of(kind.value_type))
    elif pa.types.is_struct(kind):
        yield from ((f".{field.name}{rest}", width) for field in kind for rest, width in _buffers_of(field.type))
    elif pa.types.is_string(kind):
        yield ": offsets", 4
        yield ": texts", 1
    elif pa.types.is_dictionary(kind):
        yield ": keys", 4
    elif pa.types.is_fixed_size_binary(kind):
        yield ": bytes", 1
    else:
        yield ": numbers", kind.bit_width // 8
