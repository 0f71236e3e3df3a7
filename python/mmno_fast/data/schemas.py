"""The Arrow schemas of format 1.0 (`docs/format.md`), for data sets that have no shard to take them from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def rows_schema() -> pa.Schema:
    """Of ``rows.arrow``.

    >>> rows_schema().names[:3]
    ['source', 'line', 'images']
    """
    import pyarrow as pa  # imported when first used: it is large

    name = pa.dictionary(pa.int32(), pa.utf8())
    turn = pa.struct([("role", pa.utf8()), ("content", pa.utf8())])
    option = pa.struct([("letter", pa.utf8()), ("text", pa.utf8())])
    return pa.schema(
        [
            ("source", name),
            ("line", pa.uint64()),
            ("images", pa.list_(pa.utf8())),
            ("pictures", pa.list_(pa.uint32())),
            ("messages", pa.list_(turn)),
            ("variant", name),
            ("options", pa.list_(option)),
            ("answer", pa.utf8()),
            ("answer_text", pa.utf8()),
            ("meta", pa.utf8()),
            ("extra", pa.utf8()),
        ]
    )


def pictures_schema() -> pa.Schema:
    """Of ``pictures.arrow``.

    >>> pictures_schema().field("hash").type
    FixedSizeBinaryType(fixed_size_binary[32])
    """
    import pyarrow as pa  # imported when first used: it is large

    name = pa.dictionary(pa.int32(), pa.utf8())
    return pa.schema(
        [
            ("names", pa.list_(pa.utf8())),
            ("hash", pa.binary(32)),
            ("format", name),
            ("mode", name),
            ("source_height", pa.uint32()),
            ("source_width", pa.uint32()),
            ("orientation", pa.uint32()),
            ("height", pa.uint32()),
            ("width", pa.uint32()),
            ("channels", pa.uint32()),
            ("store", name),
            ("index", pa.uint64()),
            ("offset", pa.uint64()),
            ("length", pa.uint64()),
        ]
    )
