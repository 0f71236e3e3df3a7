"""Every number in the Arrow files of a shard changed: blocks, messages, nodes, buffers; offsets, keys, texts, bits. Sealed: hashes agree.

What must hold: no way to read it crashes, hangs, fills the memory or raises what is no `ShardError`; those that read it agree; none refuses
what `verify` passes; and what points outside is refused by all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.arrow_layout import Layout, Place
from tests.damage import shards
from tests.judged import Judge, Patch, Verdict, assert_none
from tests.random_cases import tries

FILES = ["rows.arrow", "pictures.arrow"]
HUGE = (1 << 31) - 256
FAR = 1 << 46


@pytest.fixture(scope="module", params=FILES)
def file(request) -> str:
    return str(request.param)


@pytest.fixture
def where(judge, file) -> tuple[Layout, str]:
    """The layout of a file of the first shard, and its path below the data set's folder."""
    folder = shards(judge.folders["resize"])[0]
    return Layout(folder / file), f"{folder.name}/{file}"


@pytest.fixture
def judged(judge: Judge, where, tmp_path: Path) -> Callable[[Iterable[tuple[str, list[tuple[int, bytes]]]]], list[Verdict]]:
    """What becomes of each change of the file: its name, and what is written where."""
    whole, path = judge.folders["resize"], where[1]

    def judged(changes: Iterable[tuple[str, list[tuple[int, bytes]]]]) -> list[Verdict]:
        patches = (Patch(f"{path[17:]}, {name}", whole, tmp_path / "copy", path, tuple(writes)) for name, writes in changes)
        return judge.patches("resize", patches)

    return judged


def numbers(
    layout: Layout, places: Iterable[Place], values: Callable[[int], Iterable[int]]
) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """Each place with some of the values that are made of what it holds, others for each place; all of them in `make nightly`."""
    for number, place in enumerate(places):
        now = place.read(layout.data)
        every = sorted({*values(now)} - {now})
        count = min(len(every), tries(2))
        for value in (every[(2 * number + i) % len(every)] for i in range(count)):
            data = bytearray(place.size)
            Place("", 0, place.size).write(data, value)
            yield f"{place.name}: {now} -> {value}", [(place.at, bytes(data))]


def outside(now: int) -> list[int]:
    return [HUGE, FAR, -64, -1, (1 << 63) - 1, -(1 << 63), 3 << 30]


def near(now: int) -> list[int]:
    return [0, now + 1, now - 8]


def test_the_whole_files_are_laid_out_as_this_file_believes(where):
    layout, _ = where
    names = [place.name for place in (*layout.blocks(), *layout.messages(), *layout.nodes(), *layout.buffer_places())]
    assert len(names) == len(set(names)) > 100
    assert len(layout.batches) == 1
    assert len(layout.dictionaries) == (2 if any("messages" in name for name in names) else 3)
    assert {buffer.at % 8 for buffer in layout.buffers()} == {0}
    for kind, starts in (("dictionary", layout.dictionaries), ("batch", layout.batches)):
        said = [place.read(layout.data) for place in layout.blocks() if place.name.startswith(f"footer: {kind}") and "offset" in place.name]
        assert said == starts


def test_blocks_that_lie_outside_are_refused(where, judged, file):
    layout, _ = where
    assert_none(verdict.refused(file) for verdict in judged(numbers(layout, layout.blocks(), outside)))


def test_blocks_that_lie_elsewhere(where, judged):
    layout, _ = where
    assert_none(verdict.agreed() for verdict in judged(numbers(layout, layout.blocks(), near)))


def test_messages_that_say_other_lengths(where, judged):
    layout, _ = where
    places = list(layout.messages())
    assert_none(verdict.agreed() for verdict in judged([*numbers(layout, places, near), *numbers(layout, places, outside)]))


def test_a_footer_of_another_length_is_refused(where, judged, file):
    layout, _ = where
    size = len(layout.data)
    values = [0, 1, 4, 7, 8, size, size - 10, size - 16, size + 1, HUGE, -1, -64]
    assert_none(verdict.refused(file) for verdict in judged(numbers(layout, [layout.footer_length], lambda _: values)))


def test_columns_of_lengths_that_cannot_be_are_refused_or_not_read(where, judged):
    layout, _ = where
    lengths = [place for place in layout.nodes() if place.name.endswith("length")]
    # The lengths of what is within lists are not read: the lists say how long it is.
    assert_none(verdict.same_or_refused() for verdict in judged(numbers(layout, lengths, lambda _: [HUGE, FAR, -1, (1 << 63) - 1])))


def test_columns_of_other_lengths_and_numbers_of_nulls(where, judged):
    layout, _ = where
    assert_none(verdict.agreed() for verdict in judged(numbers(layout, layout.nodes(), lambda now: [0, 1, now + 1, now - 1, HUGE, -1])))


def test_buffers_that_lie_outside_are_refused(where, judged, file):
    layout, _ = where
    held = {buffer.name for buffer in layout.buffers()}
    places = [place for place in layout.buffer_places() if place.name.split(": buffer")[0] in held or ": values" in place.name]
    places = [place for place in places if place.name.endswith("offset") or place.read(layout.data)]  # an empty one may say anything else
    assert_none(verdict.refused(file) for verdict in judged(numbers(layout, places, lambda _: [HUGE, FAR, -64, (1 << 63) - 8])))


def test_buffers_that_lie_elsewhere(where, judged):
    layout, _ = where
    assert_none(verdict.agreed() for verdict in judged(numbers(layout, layout.buffer_places(), near)))


def in_buffers(layout: Layout, ending: str, values: Callable[[int, int], Iterable[int]]) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """The first, middle and last number of each buffer of that kind, changed; `values` are made of it and the number of numbers."""
    for buffer in layout.buffers():
        if not buffer.name.endswith(ending):
            continue
        count = buffer.length // buffer.width
        for i in sorted({0, count // 2, count - 1}):
            place = Place(f"{buffer.name} [{i}]", buffer.at + i * buffer.width, buffer.width)
            yield from numbers(layout, [place], lambda now, count=count: values(now, count))  # type: ignore[misc]


def test_offsets_that_point_outside_are_refused(where, judged, file):
    layout, _ = where
    changes = in_buffers(layout, ": offsets", lambda *_: [HUGE, -1, -64, -(1 << 31)])
    assert_none(verdict.refused(file) for verdict in judged(changes))


def test_offsets_that_are_others(where, judged):
    layout, _ = where
    changes = in_buffers(layout, ": offsets", lambda now, count: [0, now + 1, now - 1, now + count])
    assert_none(verdict.agreed() for verdict in judged(changes))


def test_keys_without_a_value_are_refused(where, judged, file):
    layout, _ = where
    changes = in_buffers(layout, ": keys", lambda *_: [HUGE, -1, -64, 99, -(1 << 31)])
    assert_none(verdict.refused(file) for verdict in judged(changes))


def test_texts_that_are_not_utf8_are_refused(where, judged, file):
    layout, _ = where
    changes = in_buffers(layout, ": texts", lambda *_: [0xFF, 0xC0])
    assert_none(verdict.refused(file) for verdict in judged(changes))


def test_texts_cut_within_a_character_are_refused(judge, tmp_path):
    """The bytes are UTF-8, the values are not: an offset lies within a character."""
    folder = next(folder for folder in shards(judge.folders["resize"]) if "Größe".encode() in (folder / "rows.arrow").read_bytes())
    layout = Layout(folder / "rows.arrow")
    texts = next(buffer for buffer in layout.buffers() if "content: texts" in buffer.name)
    offsets = next(buffer for buffer in layout.buffers() if "content: offsets" in buffer.name)
    ends = [Place("", offsets.at + i, 4) for i in range(0, offsets.length, 4)]
    cut = layout.data.index("ö".encode(), texts.at) + 1 - texts.at
    place = next(end for end in ends if end.read(layout.data) >= cut)
    before = ends[ends.index(place) - 1]
    patches = [
        Patch(name, judge.folders["resize"], tmp_path / "copy", f"{folder.name}/rows.arrow", ((at.at, cut.to_bytes(4, "little")),))
        for name, at in (("begins within", before), ("ends within", place))
    ]
    assert_none(verdict.refused("rows.arrow") for verdict in judge.patches("resize", patches))


def test_bits_of_validity_and_numbers_that_are_others(where, judged):
    layout, _ = where
    bits = in_buffers(layout, ": validity", lambda now, _: [0, now ^ 1, 0xFF])
    values = in_buffers(layout, ": numbers", lambda now, _: [0, now + 1, -1, HUGE])
    assert_none(verdict.agreed() for verdict in judged([*bits, *values]))


def test_words_of_the_metadata_that_are_others(where, judged):
    """Whatever stands there: nobody panics, not even where the panic is caught. `Verdict` looks at stderr."""
    layout, _ = where
    words = [at for _, start, end in layout.metadata() for at in range(start, end - 3, 4)]
    rng = random.Random(0)
    changes = [(at, new) for at in rng.sample(words, min(len(words), tries(60))) for new in (b"\x7f" * 4, b"\xff" * 4)]
    assert_none(verdict.agreed() for verdict in judged([(f"bytes at {at}: {new!r}", [(at, new)]) for at, new in changes]))


def test_a_file_that_is_cut_or_longer_is_refused(judge, where, tmp_path, file):
    """With lengths and hashes that agree."""
    layout, path = where
    whole = judge.folders["resize"]
    verdicts = []
    from tests.damage import copy, seal

    size = len(layout.data)
    for cut in (0, 1, 5, 8, 16, 200, layout.footer, size - 10, size - 6, size - 1):
        out = copy(whole, tmp_path / "copy")
        (out / path).write_bytes(layout.data[:cut])
        seal(out)
        verdicts.append(judge("resize", out, f"cut at {cut}").refused(file))
    for more in (b"\0", bytes(8), b"ARROW1", layout.data[-10:]):
        out = copy(whole, tmp_path / "copy")
        (out / path).write_bytes(layout.data + more)
        seal(out)
        verdicts.append(judge("resize", out, f"longer by {more!r}").same_or_refused())
    assert_none(verdicts)
