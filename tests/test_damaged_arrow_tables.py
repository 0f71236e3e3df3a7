"""Arrow files that are whole as such, but not those of the format: other columns, types, nulls, compression, batches, dictionaries, counts.

Sealed: lengths and hashes agree, so only a look at the tables themselves can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from tests.damage import copy, seal, shards, table_of, with_column, write_table
from tests.judged import Judge, Verdict, assert_none

ROWS = "rows.arrow"
PICTURES = "pictures.arrow"
Change = Callable[[pa.Table], pa.Table]
ROW_COLUMNS = ["source", "line", "images", "pictures", "messages", "variant", "options", "answer", "answer_text", "meta", "extra"]
PICTURE_COLUMNS = [
    "names",
    "hash",
    "format",
    "mode",
    "source_height",
    "source_width",
    "orientation",
    "height",
    "width",
    "channels",
    "store",
]
PLACE_COLUMNS = ["index", "offset", "length"]


@pytest.fixture
def changed(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set in which the table of a file of one shard is another one."""
    return partial(judge.with_table, tmp_path / "copy")


def drop(name: str) -> Change:
    return lambda table: table.drop_columns(name)


def put(name: str, values: Callable[[pa.Table], pa.Array]) -> Change:
    return lambda table: with_column(table, name, values(table))


def other_type(kind: pa.DataType) -> pa.DataType:
    """A type that holds about the same."""
    if pa.types.is_list(kind):
        return pa.large_list(kind.value_type)
    if pa.types.is_dictionary(kind):
        return pa.utf8()
    if pa.types.is_string(kind):
        return pa.large_utf8()
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    return pa.int64()


def nulls_in(name: str, *, item: str = "") -> Change:
    """The column with a null in its first row, or within that row's list (`item`: the member of a struct, or ``item``)."""

    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type
        values = table.column(name).to_pylist()
        place = next((i for i, value in enumerate(values) if value), 0)
        if not item:
            values[place] = None
        elif item == "item":
            values[place] = [None, *values[place][1:]]
        else:
            values[place] = [{**values[place][0], item: None}, *values[place][1:]]
        if pa.types.is_dictionary(kind):
            return with_column(table, name, pa.array(values, pa.utf8()).dictionary_encode().cast(kind))
        return with_column(table, name, pa.array(values, kind))

    return change


# columns


@pytest.mark.parametrize(("file", "columns"), [(ROWS, ROW_COLUMNS), (PICTURES, PICTURE_COLUMNS + PLACE_COLUMNS)])
def test_a_column_that_is_not_there_is_named(changed, file, columns):
    assert_none(changed(file, drop(name), name=f"without {name}").refused(file, words=name) for name in columns)


@pytest.mark.parametrize(("file", "columns"), [(ROWS, ROW_COLUMNS), (PICTURES, PICTURE_COLUMNS + PLACE_COLUMNS)])
def test_a_column_of_another_type_is_named(changed, file, columns):
    def cast(name: str) -> Change:
        return lambda table: with_column(table, name, table.column(name).cast(other_type(table.schema.field(name).type)))

    assert_none(changed(file, cast(name), name=f"{name} of another type").refused(file, words=name) for name in columns)


@pytest.mark.parametrize(("file", "columns"), [(ROWS, ROW_COLUMNS), (PICTURES, PICTURE_COLUMNS + PLACE_COLUMNS)])
def test_a_column_of_nulls_is_named(changed, file, columns):
    """Of the type null: nothing at all."""
    change = {name: put(name, lambda table: pa.nulls(len(table))) for name in columns}
    assert_none(changed(file, change[name], name=f"{name} is nothing").refused(file, words=name) for name in columns)


def test_other_types_within_columns_are_refused(changed):
    turn = pa.struct([("role", pa.utf8()), ("content", pa.utf8())])
    more = pa.struct([("role", pa.utf8()), ("content", pa.utf8()), ("more", pa.utf8())])
    turned = pa.struct([("content", pa.utf8()), ("role", pa.utf8())])
    wide = pa.dictionary(pa.int64(), pa.utf8())
    narrow = pa.dictionary(pa.int8(), pa.utf8())
    numbers = pa.dictionary(pa.int32(), pa.int64())
    cases: list[tuple[str, str, Change]] = [
        (ROWS, "pictures", put("pictures", lambda t: pa.array([["x"]] * len(t)))),
        (ROWS, "pictures", put("pictures", lambda t: t.column("pictures").cast(pa.list_(pa.int32())))),
        (ROWS, "pictures", put("pictures", lambda t: pa.array([0] * len(t), pa.uint32()))),
        (ROWS, "images", put("images", lambda t: pa.array([[b"x"]] * len(t), pa.list_(pa.binary())))),
        (ROWS, "messages", put("messages", lambda t: pa.array([[]] * len(t), pa.list_(more)))),
        (ROWS, "messages", put("messages", lambda t: pa.array([[]] * len(t), pa.list_(turned)))),
        (ROWS, "messages", put("messages", lambda t: pa.array([{"role": "a", "content": "b"}] * len(t), turn))),
        (ROWS, "source", put("source", lambda t: t.column("source").cast(wide))),
        (ROWS, "variant", put("variant", lambda t: t.column("variant").cast(narrow))),
        (ROWS, "variant", put("variant", lambda t: pa.array([1] * len(t)).dictionary_encode().cast(numbers))),
        (ROWS, "line", put("line", lambda t: pa.array([1.0] * len(t)))),
        (ROWS, "line", put("line", lambda t: pa.array([1] * len(t), pa.timestamp("us")))),
        (PICTURES, "hash", put("hash", lambda t: pa.array([b"x" * 8] * len(t), pa.binary(8)))),
        (PICTURES, "hash", put("hash", lambda t: pa.array([b"x" * 33] * len(t), pa.binary(33)))),
        (PICTURES, "hash", put("hash", lambda t: pa.array([b""] * len(t), pa.binary(0)))),
        (PICTURES, "height", put("height", lambda t: t.column("height").cast(pa.int32()))),
        (PICTURES, "index", put("index", lambda t: t.column("index").cast(pa.uint32()))),
    ]
    assert_none(changed(file, change, name=f"{column} {i}").refused(file, words=column) for i, (file, column, change) in enumerate(cases))


def test_columns_that_a_later_version_may_add_are_ignored(changed):
    add = {
        "a number": lambda t: t.append_column("later", pa.array([1] * len(t))),
        "first": lambda t: t.add_column(0, "later", pa.array(["x"] * len(t))),
        "a dictionary": lambda t: t.add_column(1, "later", pa.array(["x"] * len(t)).dictionary_encode()),
        "nested": lambda t: t.append_column("later", pa.array([[{"a": [1]}]] * len(t))),
        "an extension of the schema": lambda t: t.replace_schema_metadata({"a": "b"}),
    }
    assert_none(changed(file, change, name=f"{file}: {name}").same() for file in (ROWS, PICTURES) for name, change in add.items())


def test_columns_twice_or_in_another_order(changed):
    turned: Change = lambda t: t.select(t.column_names[::-1])  # noqa: E731
    assert_none(changed(file, turned, name=f"{file}: turned").same_or_refused() for file in (ROWS, PICTURES))
    for file, names in ((ROWS, ROW_COLUMNS), (PICTURES, PICTURE_COLUMNS)):
        twice = [changed(file, lambda t, n=n: t.append_column(n, t.column(n).slice(0, len(t))), name=f"{n} twice") for n in names]
        assert_none(verdict.same_or_refused() for verdict in twice)
        other = [changed(file, lambda t, n=n: t.append_column(n, pa.nulls(len(t))), name=f"{n} twice, once null") for n in names]
        assert_none(verdict.same_or_refused() for verdict in other)


# nulls


@pytest.mark.parametrize("name", ["source", "line", "images", "pictures", "messages", "variant"])
def test_a_null_in_a_column_of_rows_that_has_none_is_named(changed, name):
    assert_none([changed(ROWS, nulls_in(name), name=f"{name} is null").refused(ROWS, words=name)])


@pytest.mark.parametrize("name", PICTURE_COLUMNS)
def test_a_null_in_a_column_of_pictures_that_has_none_is_named(changed, name):
    assert_none([changed(PICTURES, nulls_in(name), name=f"{name} is null").refused(PICTURES, words=name)])


@pytest.mark.parametrize(
    ("file", "name", "item"),
    [
        (ROWS, "images", "item"),
        (ROWS, "pictures", "item"),
        (ROWS, "messages", "item"),
        (ROWS, "messages", "role"),
        (ROWS, "messages", "content"),
        (PICTURES, "names", "item"),
    ],
)
def test_a_null_within_a_list_is_named(changed, file, name, item):
    assert_none([changed(file, nulls_in(name, item=item), name=f"{item} of {name} is null").refused(file, words=name)])


@pytest.mark.parametrize("item", ["item", "letter", "text"])
def test_a_null_within_options_is_named(changed, judge, item):
    number = next(
        i for i, folder in enumerate(shards(judge.folders["resize"])) if any(table_of(folder / ROWS).column("options").to_pylist())
    )
    verdict = changed(ROWS, nulls_in("options", item=item), shard=number, name=f"{item} of options is null")
    assert_none([verdict.refused(ROWS, words="options")])


@pytest.mark.parametrize(
    ("file", "name"), [(ROWS, "source"), (ROWS, "variant"), (PICTURES, "format"), (PICTURES, "mode"), (PICTURES, "store")]
)
def test_a_null_among_the_values_of_a_dictionary_is_refused_where_it_is_used(changed, file, name):
    def change(*, used: bool) -> Change:
        def null(table: pa.Table) -> pa.Table:
            whole = table.column(name).combine_chunks()
            whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
            values = whole.dictionary.to_pylist()
            key = whole.indices[0].as_py()
            values = [None if i == key else value for i, value in enumerate(values)] if used else [*values, None]
            return with_column(table, name, pa.DictionaryArray.from_arrays(whole.indices, pa.array(values, pa.utf8())))

        return null

    assert_none([changed(file, change(used=True), name=f"{name}: used").refused(file, words=name)])
    assert_none([changed(file, change(used=False), name=f"{name}: unused").same_or_refused()])


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
def test_a_place_that_is_null_is_refused(changed, layout):
    named = ["index"] if layout == "resize" else ["offset", "length"]
    assert_none(changed(PICTURES, nulls_in(name), layout=layout, name=f"{layout}: {name} is null").refused(PICTURES) for name in named)


def test_nulls_where_the_format_has_them_are_read(changed):
    same: Change = lambda table: table  # noqa: E731
    assert_none(changed(file, same, layout=layout).same() for layout in ("resize", "original", "encoded") for file in (ROWS, PICTURES))


# compression


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_compressed_buffers_are_refused(changed, file, codec):
    assert_none([changed(file, lambda table: table, compression=codec).refused(file)])


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_gigabytes_of_nothing_take_no_memory(judge, tmp_path, file, codec):
    """Three columns of 512 MiB of zeros, as some hundred KiB (zstd) or MiB (lz4)."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    path = shards(out)[0] / file
    table = table_of(path)
    zeros = pa.py_buffer(bytes(1 << 29))
    ends = pa.py_buffer(b"".join(end.to_bytes(4, "little") for end in (0, *[1 << 29] * len(table))))
    text = pa.Array.from_buffers(pa.utf8(), len(table), [None, ends, zeros])
    for name in ("later a", "later b", "later c"):
        table = table.append_column(name, text)
    write_table(path, table, compression=codec)
    del table, text, zeros
    seal(out)
    assert path.stat().st_size < 1 << 24
    assert_none([judge("resize", out, f"{file}: {codec} bomb").refused(file)])
