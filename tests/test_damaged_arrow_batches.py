"""Arrow files whose batches, dictionaries, counts and places are not those of the shard. Sealed: lengths and hashes agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.arrow_layout import Layout
from tests.damage import copy, npy_header, seal, shards, table_of, with_column, write_table
from tests.judged import Judge, Verdict, assert_none

ROWS = "rows.arrow"
PICTURES = "pictures.arrow"
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def changed(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set in which the table of a file of one shard is another one."""
    return partial(judge.with_table, tmp_path / "copy")


# batches and dictionaries


def batches_of(table: pa.Table, *ends: int) -> list[pa.RecordBatch]:
    """The table in batches that end there."""
    whole = table.combine_chunks().to_batches()[0]
    starts = [0, *ends]
    return [whole.slice(start, end - start) for start, end in zip(starts, [*ends, len(whole)], strict=True)]


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_several_batches_are_read_as_one(judge, tmp_path, file, layout):
    verdicts = []
    for ends in ((1,), (1, 2), (0,), (0, 1, 1, 2)):
        out = copy(judge.folders[layout], tmp_path / "copy")
        path = next(folder / file for folder in shards(out) if len(table_of(folder / file)) > 2)
        write_table(path, batches_of(table_of(path), *ends))
        seal(out)
        verdicts.append(judge(layout, out, f"{layout}: {file} in batches that end at {ends}").same())
    assert_none(verdicts)


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_dictionaries_that_go_on_or_change_between_batches(judge, tmp_path, file, delta):
    """One that goes on in a later batch is Arrow's right, but not the format's; to replace one is neither's."""
    out = copy(judge.folders["resize"], tmp_path / "copy")
    path = next(folder / file for folder in shards(out) if len(table_of(folder / file)) > 2)
    table = table_of(path)
    name = "variant" if file == ROWS else "mode"  # not the first one: its number is 0, which is not written
    first, second = batches_of(table, 1)
    place = table.schema.get_field_index(name)

    def with_values(batch: pa.RecordBatch, values: list[str]) -> pa.RecordBatch:
        keys = pa.array([values.index(value) for value in batch.column(place).to_pylist()], pa.int32())
        own = pa.DictionaryArray.from_arrays(keys, pa.array(values, pa.utf8()))
        return batch.set_column(place, table.schema.field(name), own)

    used = sorted({*table.column(name).to_pylist()})
    if delta:
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_batch(with_values(first, used))
            writer.write_batch(with_values(second, [*used, "later"]))
        assert len(Layout(path).dictionaries) > len(Layout(path_of(judge, path)).dictionaries)
    else:
        others = pa.DictionaryArray.from_arrays(pa.array([0] * len(table), pa.int32()), pa.array([f"other {value}" for value in used]))
        write_table(path, table.append_column("later", others))
        replace_dictionary(path, name, "later")
    seal(out)
    verdict = judge("resize", out, f"{file}: dictionary of {name}, delta {delta}")
    assert_none([verdict.refused(file)])


def with_additions(path: Path, name: str, count: int) -> None:
    """Write the file of one batch anew in so many, each of which adds a value to the dictionary of a column (`later`: one more column)."""
    table = table_of(path)
    (batch,) = table.combine_chunks().to_batches()
    values = [f"{i} {'x' * 5000}" for i in range(count)]
    own = sorted({*table.column(name).to_pylist()}) if name != "later" else ["x"]
    keys = [own.index(value) for value in table.column(name).to_pylist()] if name != "later" else [0] * len(table)

    def part(rows: pa.RecordBatch, keys: list[int], end: int) -> pa.RecordBatch:
        dictionary = pa.DictionaryArray.from_arrays(pa.array(keys, pa.int32()), pa.array([*own, *values[:end]], pa.utf8()))
        if name == "later":
            return rows.append_column(name, dictionary)
        return rows.set_column(rows.schema.get_field_index(name), table.schema.field(name), dictionary)

    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    whole = part(batch, keys, 0)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema, options=options) as writer:
        writer.write_batch(whole)
        for end in range(1, count + 1):
            writer.write_batch(part(batch.slice(0, 0), [], end))


@pytest.mark.parametrize(("file", "name"), [(ROWS, "variant"), (PICTURES, "mode")])
def test_a_dictionary_of_many_additions_takes_no_time(judge, tmp_path, file, name):
    """Arrow copies the dictionary for each of them. Of a column that nobody reads, they are of no matter."""
    for column in (name, "later"):
        out = copy(judge.folders["resize"], tmp_path / "copy")
        with_additions(shards(out)[0] / file, column, 1000)
        seal(out)
        verdict = judge("resize", out, f"{file}: {column} of 1,000 additions")
        assert_none([verdict.refused(file) if column == name else verdict.same()])
        assert verdict.ended.seconds < 2


@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_blocks_that_are_listed_twice_or_overlap_are_refused(judge, tmp_path, file):
    """The number of rows is right, so nothing else shows it."""
    verdicts = []
    for ends, change in (((1, 2), 0), ((1, 2), 8), ((0, 0), 0)):
        out = copy(judge.folders["resize"], tmp_path / "copy")
        path = next(folder / file for folder in shards(out) if len(table_of(folder / file)) > 2)
        write_table(path, batches_of(table_of(path), *ends))
        data = bytearray(path.read_bytes())
        layout = Layout(path)
        places = {place.name: place for place in layout.blocks()}
        for what in ("offset", "metadata length", "body length"):
            first, second = (places[f"footer: batch {i}: {what}"] for i in (0, 1))
            second.write(data, first.read(layout.data) + (change if what == "offset" else 0))
        path.write_bytes(data)
        seal(out)
        verdicts.append(judge("resize", out, f"{file}: the second of {ends} is the first, and {change}").refused(file))
    assert_none(verdicts)


@pytest.mark.parametrize("layout", ["original", "encoded"])
def test_pictures_without_pixels_are_refused(judge, tmp_path, layout):
    """The last picture of a shard is 0 high or wide, and takes no bytes of the store: all numbers fit together."""
    verdicts = []
    for side in ("height", "width"):
        out = copy(judge.folders[layout], tmp_path / "copy")
        folder = shards(out)[0]
        rows = table_of(folder / PICTURES).to_pylist()
        end = 4096 + rows[-1]["offset"]
        rows[-1].update({side: 0, "length": 0})
        write_table(folder / PICTURES, pa.Table.from_pylist(rows, schema=table_of(folder / PICTURES).schema))
        pixels = (folder / "pixels.npy").read_bytes()[4096:end]
        (folder / "pixels.npy").write_bytes(npy_header("|u1", (len(pixels),)) + pixels)
        seal(out)
        verdicts.append(judge(layout, out, f"{layout}: {side} 0").refused(PICTURES, words=f"picture {len(rows) - 1} has no pixels"))
    assert_none(verdicts)


def path_of(judge: Judge, path: Path) -> Path:
    """The same file of the whole data set."""
    return judge.folders["resize"] / path.parent.name / path.name


def replace_dictionary(path: Path, column: str, other: str) -> None:
    """Give the dictionary of `other`, which comes later in the file, the number of that of `column`."""
    layout = Layout(path)
    data = bytearray(layout.data)
    places = {place.name: place for place in layout.dictionary_numbers()}
    old, new = (places[f"footer: {name}"].read(layout.data) for name in (other, column))
    assert new < old
    for place in places.values():
        if place.read(layout.data) == old:
            place.write(data, new)
    path.write_bytes(data)


# counts, and what rows and pictures say of each other


def rows_as(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    """The table with its rows, as plain values, changed."""

    def changed(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        change(rows)
        return pa.Table.from_pylist(rows, schema=table.schema)

    return changed


@pytest.mark.parametrize("file", [ROWS, PICTURES])
def test_another_number_of_rows_is_refused(changed, file):
    fewer = [changed(file, lambda table, n=n: table.slice(0, n), name=f"{n} rows").refused(file) for n in (0, 1)]
    more = changed(file, lambda table: pa.concat_tables([table, table.slice(0, 1)]), name="one row more").refused(file)
    no_batch = changed(file, lambda table: table.schema.empty_table(), name="no batch").refused(file)
    assert_none([*fewer, more, no_batch])


@pytest.mark.parametrize("number", [3, 99, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
def test_a_picture_that_is_not_there_is_refused(changed, number):
    change = rows_as(lambda rows: next(row for row in rows if row["pictures"])["pictures"].__setitem__(0, number))
    assert_none([changed(ROWS, change, name=f"picture {number}").refused(ROWS)])


def test_other_numbers_of_names_and_pictures_are_refused(changed):
    fewer = rows_as(lambda rows: next(row for row in rows if row["pictures"])["pictures"].pop())
    more = rows_as(lambda rows: rows[0]["pictures"].append(0))
    names = rows_as(lambda rows: rows[0]["images"].append("x.png"))
    cases = {"fewer pictures": fewer, "more pictures": more, "more names": names}
    assert_none(changed(ROWS, change, name=name).refused(ROWS) for name, change in cases.items())


def first(name: str, number: int) -> Callable[[list[dict[str, Any]]], None]:
    """A number of the first row becomes this one."""

    def put(rows: list[dict[str, Any]]) -> None:
        rows[0][name] = number

    return put


NUMBERS = [0, 2, 3, 4, 17, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
@pytest.mark.parametrize("name", ["height", "width", "channels"])
def test_sizes_that_the_pixels_do_not_have(changed, layout, name):
    verdicts = []
    for number in NUMBERS:
        change = rows_as(first(name, number))
        verdict = changed(PICTURES, change, layout=layout, name=f"{layout}: {name} {number}")
        # Of files that are kept as they were, nobody knows the size but who decodes them, and `verify` does not.
        verdicts.append(verdict.agreed(by_verify=False) if layout == "encoded" else verdict.same_or_refused().agreed())
    both = rows_as(lambda rows: rows[0].update(height=(1 << 32) - 1, width=(1 << 32) - 1, channels=(1 << 32) - 1))
    verdict = changed(PICTURES, both, layout=layout, name=f"{layout}: 2^96 bytes")
    assert_none([*verdicts, verdict.agreed(by_verify=False) if layout == "encoded" else verdict.refused(PICTURES)])


@pytest.mark.parametrize(
    ("layout", "name"), [("resize", "index"), *((layout, name) for layout in ("original", "encoded") for name in ("offset", "length"))]
)
def test_places_outside_the_pixels_are_refused(changed, layout, name):
    numbers = [1 << 20, (1 << 32) - 1, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096]
    change = {number: rows_as(first(name, number)) for number in numbers}
    assert_none(changed(PICTURES, change[n], layout=layout, name=f"{layout}: {name} {n}").refused(PICTURES) for n in numbers)


@pytest.mark.parametrize("layout", ["resize", "original", "encoded"])
def test_places_of_other_pixels_are_agreed_upon_and_found_by_verify(changed, layout):
    """Pixels that are there, but another picture's: what a reader gives is the same by every way, and `verify` says so."""
    name = "index" if layout == "resize" else "offset"
    verdict = changed(PICTURES, rows_as(first(name, 1)), layout=layout, name=f"{layout}: {name} 1")
    assert_none([verdict.found().agreed()])


@pytest.mark.parametrize("store", ["gray", "rgb", "pixels", "", "grey", "../gray", "unit.json", "rows.arrow\0"])
def test_a_store_that_does_not_go_with_the_spec_is_refused(changed, store):
    def change(table: pa.Table) -> pa.Table:
        values = [other if other != table.column("store")[0].as_py() else store for other in table.column("store").to_pylist()]
        return with_column(table, "store", pa.array(values).dictionary_encode())

    for layout in ("resize", "original"):
        verdict = changed(PICTURES, change, layout=layout, name=f"{layout}: store {store!r}")
        whole = store == "pixels" and layout == "original"
        assert_none([verdict.same() if whole else verdict.same_or_refused().agreed()])


@pytest.mark.parametrize("text", ["{", "", "[1,", "nul", "[" * 5000 + "]" * 5000, "NaN", '"\\ud800"', "1" * 5000, "\0"])
@pytest.mark.parametrize("name", ["meta", "extra"])
def test_members_that_are_no_json_are_named_where_they_are_parsed(changed, name, text):
    verdict = changed(ROWS, lambda table: with_column(table, name, pa.array([text] * len(table))), name=f"{name}: {text[:9]!r}")
    for way in ("[i]", "take", "to_hf"):
        seen = verdict.looks[way]
        if seen.kind == "refused":
            assert ROWS in seen.error + seen.path
            assert name in seen.error
    assert_none([verdict])
