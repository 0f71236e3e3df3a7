"""From a source to its lines, and how to tell a file that is JSON but not JSON Lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

BOM = b"\xef\xbb\xbf"
BLANKS = b" \t\r"
SKIP_BYTES = 1 << 16
"""How much of a line that is too long is held at once."""


@dataclass(slots=True)
class Line:
    """One line that holds something."""

    number: int
    """Counted from 1, blank lines too."""
    offset: int
    """Bytes from the start of the source."""
    length: int
    """Bytes, without the line feed."""
    data: bytes | None
    """The bytes themselves; None where there are more than a line may have."""


class Hasher(Protocol):
    """What takes the bytes of a source on their way."""

    def update(self, data: bytes, /) -> object:
        """Take the next bytes."""


def read_lines(file: BinaryIO, longest: int, hasher: Hasher) -> Iterator[Line]:
    r"""Every line of an open source that holds something; `hasher` sees every byte of the file.

    >>> from io import BytesIO
    >>> from blake3 import blake3
    >>> [(line.number, line.offset, line.data) for line in read_lines(BytesIO(b"[]\n \n{}"), 100, blake3())]
    [(1, 0, b'[]'), (3, 5, b'{}')]
    """
    offset = len(BOM) if file.read(len(BOM)) == BOM else 0
    if offset:
        hasher.update(BOM)
    file.seek(offset)
    number = 0
    while piece := file.readline(longest + 1):
        number += 1
        hasher.update(piece)
        if len(piece) <= longest or piece.endswith(b"\n"):
            data = piece.removesuffix(b"\n")
            if data.strip(BLANKS):
                yield Line(number, offset, len(data), data)
            offset += len(piece)
            continue
        length = len(piece)
        while not piece.endswith(b"\n") and (piece := file.readline(SKIP_BYTES)):
            hasher.update(piece)
            length += len(piece)
        yield Line(number, offset, length - piece.endswith(b"\n"), None)
        offset += length


def is_not_lines(path: Path, first: Line) -> bool:
    """Whether the whole file is one JSON array, or one object over several lines (`source.not_lines`).

    `first` is the first line that holds something. The file is read whole, but only where that line does not look like
    a row: where it begins with `[`, or is no JSON by itself.
    """
    with path.open("rb") as file:
        file.seek(first.offset)
        bracket = file.read(min(first.length, SKIP_BYTES)).strip(BLANKS)[:1]
        if bracket not in (b"[", b"{") or (bracket == b"{" and first.data is not None and is_json(first.data)):
            return False
        file.seek(first.offset)
        whole = file.read().strip(BLANKS + b"\n")
    if not whole.endswith(b"]" if bracket == b"[" else b"}") or not is_json(whole):
        return False
    return bracket == b"[" or b"\n" in whole


def is_json(data: bytes) -> bool:
    r"""Whether the grammar is right, whatever the encoding, the depth, the keys and the escapes of surrogates.

    >>> is_json(b'["\xff", "\\ud800"]'), is_json(b"[NaN]")
    (True, False)
    """
    try:
        json.loads(data.decode("utf-8", "surrogateescape"), parse_int=str, parse_float=str, parse_constant=refuse_constant)
    except ValueError:
        return False
    return True


def refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)
