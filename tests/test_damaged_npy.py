"""Headers of `gray.npy`, `rgb.npy`, `pixels.npy` and `rows.index.npy` that the format does not allow, and indices that lead astray.

Sealed: lengths and hashes agree. The format names every byte of a header, so any other one is refused, even where NumPy would read
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.damage import copy, file_of, npy_header, npy_shape, npy_text, read_json, seal
from tests.judged import READERS, Judge, Verdict, assert_none

INDEX = "rows.index.npy"
STORES = [("resize", "gray.npy"), ("resize", "rgb.npy"), ("original", "pixels.npy"), ("encoded", "pixels.npy")]
FILES = [*STORES, ("resize", INDEX)]
Change = Callable[[bytes, str, tuple[int, ...]], bytes]
"""What becomes of a file's bytes, of which the type and the shape are given."""


@pytest.fixture
def changed(judge: Judge, tmp_path: Path) -> Callable[..., Verdict]:
    """What becomes of a data set in which one file of NumPy is another one."""

    def changed(layout: str, name: str, change: Change, what: str = "") -> Verdict:
        out = copy(judge.folders[layout], tmp_path / "copy")
        path = file_of(out, name)
        dtype = "<u8" if name == INDEX else "|u1"
        path.write_bytes(change(path.read_bytes(), dtype, npy_shape(path)))
        seal(out)
        return judge(layout, out, f"{layout}: {name}: {what}")

    return changed


def header(make: Callable[[str, tuple[int, ...]], bytes]) -> Change:
    """Another header, the data as they were."""
    return lambda data, dtype, shape: make(dtype, shape) + data[4096:]


def says(text: str) -> Change:
    """A header of this text, with the type and shape filled in."""
    return header(lambda dtype, shape: npy_text(text.format(dtype=dtype, shape=shape).encode()))


HEADERS: dict[str, Change] = {
    "version 2": header(lambda dtype, shape: npy_header(dtype, shape, version=2)),
    "version 3": header(lambda dtype, shape: npy_header(dtype, shape, version=3)),
    "version 0": header(lambda dtype, shape: npy_header(dtype, shape)[:6] + b"\0\0" + npy_header(dtype, shape)[8:]),
    "version 1.1": header(lambda dtype, shape: npy_header(dtype, shape)[:6] + b"\1\1" + npy_header(dtype, shape)[8:]),
    "version 255": header(lambda dtype, shape: npy_header(dtype, shape)[:6] + b"\xff\xff" + npy_header(dtype, shape)[8:]),
    "another magic": header(lambda dtype, shape: b"\x93NUMPX" + npy_header(dtype, shape)[6:]),
    "fortran_order": header(lambda dtype, shape: npy_header(dtype, shape, fortran=True)),
    "signed": says("{{'descr': '|i1', 'fortran_order': False, 'shape': {shape}, }}"),
    "truth values": says("{{'descr': '|b1', 'fortran_order': False, 'shape': {shape}, }}"),
    "of 2 bytes": says("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}"),
    "big-endian": says("{{'descr': '>u8', 'fortran_order': False, 'shape': {shape}, }}"),
    "fractions": says("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"),
    "texts": says("{{'descr': '|S1', 'fortran_order': False, 'shape': {shape}, }}"),
    "objects": says("{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}"),
    "no bytes": says("{{'descr': '|V0', 'fortran_order': False, 'shape': {shape}, }}"),
    "a structure": says("{{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': {shape}, }}"),
    "another name of the type": says("{{'descr': 'uint8', 'fortran_order': False, 'shape': {shape}, }}"),
    "without blanks": says("{{'descr':'{dtype}','fortran_order':False,'shape':{shape}}}"),
    "another order": says("{{'fortran_order': False, 'descr': '{dtype}', 'shape': {shape}, }}"),
    "double quotes": says('{{"descr": "{dtype}", "fortran_order": False, "shape": {shape}, }}'),
    "twice": says("{{'descr': '{dtype}', 'fortran_order': True, 'fortran_order': False, 'shape': {shape}, }}"),
    "more": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, 'more': 1, }}"),
    "less": says("{{'descr': '{dtype}', 'shape': {shape}, }}"),
    "a number for a truth": says("{{'descr': '{dtype}', 'fortran_order': 0, 'shape': {shape}, }}"),
    "a list": says("['{dtype}', False, {shape}]"),
    "nothing": says(""),
    "NULs": header(lambda *_: bytes(4096)),
    "brackets that never close": says("(" * 3000),
    "brackets too deep": says("-" * 3000 + "1"),
    "names too deep": says("a" + ".a" * 1900),
    "a call": says("__import__('os').abort()"),
    "digits": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (" + "9" * 3900 + ",), }}"),
    "a shape of fractions": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1.0, 16), }}"),
    "a negative shape": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (-1,), }}"),
    "no shape": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (), }}"),
    "a huge shape": says("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (4294967296, 4294967296, 3), }}"),
    "not ASCII": header(lambda dtype, shape: npy_header(dtype, shape).replace(b"  \n", b"\xff\xfe\n")),
    "no line feed": header(lambda dtype, shape: npy_header(dtype, shape)[:-1] + b" "),
    "a tab": header(lambda dtype, shape: npy_header(dtype, shape).replace(b"    \n", b"   \t\n")),
    "a comment": header(lambda dtype, shape: npy_header(dtype, shape).replace(b"     \n", b"  #  \n")),
    "a header that ends at byte 128": lambda data, dtype, shape: npy_header(dtype, shape, end=128) + data[4096:] + bytes(4096 - 128),
    "the same, shorter": lambda data, dtype, shape: npy_header(dtype, shape, end=128) + data[4096:],
    "a header that ends at byte 8192": lambda data, dtype, shape: npy_header(dtype, shape, end=8192) + data[4096:],
    "one that ends at byte 4160": lambda data, dtype, shape: npy_header(dtype, shape, end=4160) + data[4096 + 64 :],
    "a length too small": header(lambda dtype, shape: npy_header(dtype, shape)[:8] + b"\x76\0" + npy_header(dtype, shape)[10:]),
    "a length of nothing": header(lambda dtype, shape: npy_header(dtype, shape)[:8] + b"\0\0" + npy_header(dtype, shape)[10:]),
    "a length beyond the file": header(lambda dtype, shape: npy_header(dtype, shape)[:8] + b"\xff\xff" + npy_header(dtype, shape)[10:]),
}
SHAPES: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "one more": lambda shape: (shape[0] + 1, *shape[1:]),
    "one less": lambda shape: (shape[0] - 1, *shape[1:]),
    "none": lambda shape: (0, *shape[1:]),
    "flat": lambda shape: (int(np.prod(shape)), 1),
    "in a list": lambda shape: (1, *shape),
    "of other sides": lambda shape: (shape[0], shape[1] // 2, shape[2] * 2, *shape[3:]) if len(shape) > 2 else (shape[0] // 2, 2),
    "turned": lambda shape: (*shape[1:], shape[0]) if len(shape) > 1 else (shape[0], 1),
}


@pytest.mark.parametrize(("layout", "name"), FILES)
def test_another_header_is_refused(changed, layout, name):
    assert_none(changed(layout, name, change, what).refused(name) for what, change in HEADERS.items())


@pytest.mark.parametrize(("layout", "name"), FILES)
def test_another_shape_is_refused(changed, layout, name):
    def of(shape_of: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Change:
        return header(lambda dtype, shape: npy_header(dtype, shape_of(shape)))

    assert_none(changed(layout, name, of(shape), what).refused(name) for what, shape in SHAPES.items())


@pytest.mark.parametrize(("layout", "name"), FILES)
def test_another_length_is_refused(changed, layout, name):
    cuts: dict[str, Change] = {
        "empty": lambda *_: b"",
        "magic alone": lambda data, *_: data[:6],
        "half a header": lambda data, *_: data[:2000],
        "a header alone": lambda data, *_: data[:4096],
        "a byte less": lambda data, *_: data[:-1],
        "a byte more": lambda data, *_: data + b"\0",
        "twice": lambda data, *_: data + data[4096:],
    }
    assert_none(changed(layout, name, change, what).refused(name) for what, change in cuts.items())


@pytest.mark.parametrize(("layout", "name"), FILES)
def test_a_huge_header_takes_neither_time_nor_memory(judge, tmp_path, layout, name):
    """A file with holes: 600 MiB that take no room on the disk."""
    verdicts = []
    for version, length in ((2, 560 << 20), (3, (1 << 32) - 1)):
        out = copy(judge.folders[layout], tmp_path / "copy")
        path = file_of(out, name)
        with path.open("wb") as file:
            file.write(npy_text(b"{", version=version, length=length))
            file.truncate(600 << 20)
        seal(out, how="lengths")
        verdicts.append(judge(layout, out, f"{layout}: {name}: version {version}, {length} bytes").refused(name))
        assert verdicts[-1].ended.peak < 1 << 28
    assert_none(verdicts)


# the index


def at(number: int, entry: int) -> Callable[[np.ndarray], None]:
    """The entry of one row number becomes this one."""

    def put(entries: np.ndarray) -> None:
        entries[number] = entry

    return put


def index_as(change: Callable[[np.ndarray], object]) -> Change:
    """Other entries under the same header."""

    def changed(data: bytes, dtype: str, shape: tuple[int, ...]) -> bytes:
        entries = np.frombuffer(data[4096:], np.uint64).copy()
        change(entries)
        return data[:4096] + entries.tobytes()

    return changed


@pytest.mark.parametrize(
    "entry", [3 << 32, 7 << 32, 1 << 31, (1 << 32) - 1, (1 << 32) | 999, 1 << 63, (1 << 64) - 1, 2, 99, (2 << 32) | (1 << 31)], ids=hex
)
def test_an_entry_that_leads_to_no_row_is_refused(changed, judge, entry):
    rows = [shard["rows"] for shard in read_json(judge.folders["resize"] / "manifest.json")["shards"]]
    shard, row = entry >> 32, entry & 0xFFFF_FFFF
    for number in (0, 8):
        verdict = changed("resize", INDEX, index_as(at(number, entry)), f"{number} -> {entry:x}")
        outside = shard >= len(rows) or row >= rows[shard]
        assert_none([verdict.refused(INDEX, READERS).agreed() if outside else verdict.found().agreed()])


@pytest.mark.parametrize("what", ["two numbers of one row", "turned", "all the same"])
def test_an_index_that_is_another_is_found_by_verify_or_agreed_upon(changed, what):
    """A row that nobody reaches is a fault; another order of all rows is another data set, once it is sealed."""
    change = {
        "two numbers of one row": lambda entries: entries.__setitem__(0, entries[1]),
        "turned": lambda entries: entries.__setitem__(slice(None), entries[::-1].copy()),
        "all the same": lambda entries: entries.__setitem__(slice(None), entries[0]),
    }[what]
    verdict = changed("resize", INDEX, index_as(change), what)
    assert_none([verdict.agreed() if what == "turned" else verdict.found().agreed()])
