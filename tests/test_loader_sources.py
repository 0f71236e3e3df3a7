"""What a loader may be given: data sets drawn at random, rows of one, groups of rows, pictures, pictures with labels."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import mmno_fast as mf
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import loading, reference_order
from tests.building import about, chat, encoded, noise, write_files, write_rows
from tests.loading import Case, mixed
from tests.random_cases import tries

KINDS = ("shards", "raw")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(mixed(tmp_path_factory.mktemp("mixed")), mf.Original())


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A folder of ten small pictures."""
    files = {f"{i}.png": encoded(noise(i, 4 + i % 3, 5, *((3,) if i % 2 else ()))) for i in range(10)}
    return write_files(tmp_path_factory.mktemp("pool") / "images", files)


def take(source, batch_size=4, *, shuffle=True, **how):
    with mf.Loader(source, batch_size, shuffle=shuffle, **how) as loader:
        return list(loader)


def rows_of(batches):
    return list(itertools.chain.from_iterable(batch.row_numbers.tolist() for batch in batches))


def samples_of(batches):
    return list(itertools.chain.from_iterable(batch.samples.tolist() for batch in batches))


# data sets drawn at random


@given(
    rows=st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=40),
    batch_size=st.integers(1, 7),
    world=st.integers(1, 4),
    uneven=st.sampled_from(["drop", "wrap", "short"]),
    group=st.booleans(),
    shuffle=st.booleans(),
    keep=st.lists(st.booleans(), min_size=40, max_size=40) | st.none(),
    step=st.integers(0, 4),
)
@settings(max_examples=tries(40), deadline=None)
def test_any_rows_come_as_promised_with_their_pictures_and_resume(
    pool, tmp_path_factory, rows, batch_size, world, uneven, group, shuffle, keep, step
):
    folder = tmp_path_factory.mktemp("drawn")
    source = write_rows(folder / "a.jsonl", [about(*(f"{i}.png" for i in names)) for names in rows])
    mf.build(source, pool, folder / "shards", mf.Original(), shard_bytes=512)
    contents = {i: mf.read_picture(pool / f"{i}.png", mf.Original()) for i in range(10)}
    runs = []
    for dataset in (mf.open(folder / "shards"), mf.open(source, pool)):
        chosen = dataset if keep is None else dataset.where(keep[: len(rows)])
        kept = [i for i in range(len(rows)) if keep is None or keep[i]]
        groups = grouped(rows, kept) if group else [[row] for row in kept]
        ranks = []
        for rank in range(world):
            how = {"uneven": uneven, "rank": rank, "world_size": world, "group_by_picture": group, "seed": 3}
            expected = loading.expected(len(groups), batch_size, shuffle=shuffle, groups=groups, **{**how, "group_by_picture": None})
            with mf.Loader(chosen, batch_size, shuffle=shuffle, **how) as loader:
                begun = list(itertools.islice(loader, step))
                state = loader.state_dict()
            with mf.Loader(chosen, batch_size, shuffle=shuffle, **how) as loader:
                loader.load_state_dict(state)
                batches = begun + (list(loader) if state["epoch"] == 0 else [])
            assert [(b.samples.tolist(), b.row_numbers.tolist(), b.position) for b in batches] == [
                (e.samples, e.rows, e.position) for e in expected
            ]
            ranks.append(batches)
            for batch in batches:
                for number, (row, places) in zip(batch.row_numbers.tolist(), loading.rows_with_pictures(batch), strict=True):
                    assert row["line"] == number + 1
                    assert len(places) == len(rows[number])
                    assert all(np.array_equal(batch.images[at], contents[i]) for at, i in zip(places, rows[number], strict=True))
        runs.append([rows_of(batches) for batches in ranks])
    assert runs[0] == runs[1]


def grouped(rows, kept):
    """Rows of the same first picture, in the order of the first of each; those without pictures alone."""
    groups: dict[Any, list[int]] = {}
    for row in kept:
        groups.setdefault(rows[row][0] if rows[row] else ("alone", row), []).append(row)
    return list(groups.values())


# groups


@pytest.mark.parametrize("kind", ["shards", "raw"])
def test_rows_of_a_picture_come_together_and_the_picture_once(case, kind):
    dataset = case.dataset(kind)
    batches = take(dataset, 3, group_by_picture=True, uneven="short")
    assert sorted(rows_of(batches)) == list(range(len(dataset)))
    assert sum(len(batch.samples) for batch in batches) < len(dataset)
    for batch in batches:
        needed = set()
        for row, places in loading.rows_with_pictures(batch):
            for place, name in zip(places, row["images"], strict=True):
                assert np.array_equal(batch.images[place], case.pixels(name))
            needed |= set(places)
        assert needed == set(range(len(batch.images)))
        every = [image.tobytes() for image in batch.images]
        assert len(set(every)) == len(every)
        first = [places[0] if places else None for _, places in loading.rows_with_pictures(batch)]
        runs = [place for place, _ in itertools.groupby(first) if place is not None]
        assert len(runs) == len(set(runs))


# parts of the rows


@pytest.mark.parametrize("kind", KINDS)
def test_where_keeps_what_is_asked_for(case, kind):
    dataset = case.dataset(kind)
    table = dataset.rows.to_pylist()
    for chosen, kept in [
        (dataset.where(pc.field("source") == "b.jsonl"), [row["source"] == "b.jsonl" for row in table]),
        (dataset.where(pc.list_value_length(pc.field("images")) > 1), [len(row["images"]) > 1 for row in table]),
        (dataset.where(pc.field("answer") == "A"), [row["answer"] == "A" for row in table]),
        (dataset.where([row["line"] % 2 == 0 for row in table]), [row["line"] % 2 == 0 for row in table]),
        (dataset.where(variant="open"), [row["variant"] == "open" for row in table]),
        (
            dataset.where(pc.field("line") < 9, variant=["open", "chat"]).where(pc.field("source") == "a.jsonl"),
            [row["line"] < 9 and row["source"] == "a.jsonl" for row in table],
        ),
    ]:
        numbers = np.flatnonzero(kept).tolist()
        assert rows_of(take(chosen, 4, shuffle=False)) == numbers
        assert rows_of(take(chosen, 4, seed=1, uneven="short")) == [numbers[i] for i in reference_order.order(len(numbers), 1, 0)]
        assert [row["row"] for row in chosen] == numbers
        assert chosen.rows.column("line").to_pylist() == [table[number]["line"] for number in numbers]
    for mask in ([True], np.ones(len(dataset)), np.ones((len(dataset), 1), bool)):
        with pytest.raises(ValueError, match="truth values"):
            dataset.where(mask)
    with pytest.raises(ValueError, match="variant: expected open"):
        dataset.where(variant="closed_qa")


def names_of(dataset, selection):
    return {dataset.pictures[picture].hash for row in selection.rows.to_pylist() for picture in row["pictures"]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_no_picture_is_on_both_sides_of_a_split(case, kind, seed):
    dataset = case.dataset(kind).where(pc.list_value_length(pc.field("images")) < 2)
    for fraction in (0, 0.2, 0.5, 0.9, 1):
        left, right = dataset.split(fraction, seed=seed)
        assert sorted([*left.row_numbers.tolist(), *right.row_numbers.tolist()]) == dataset.row_numbers.tolist()
        assert not names_of(case.dataset(kind), left) & names_of(case.dataset(kind), right)
        assert abs(len(left) - fraction * len(dataset)) <= 6
        again, _ = case.dataset("shards").where(pc.list_value_length(pc.field("images")) < 2).split(fraction, seed=seed)
        assert again.row_numbers.tolist() == left.row_numbers.tolist()


@given(rows=st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=30), fraction=st.floats(0, 1), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=tries(60), deadline=None)
def test_rows_that_hang_together_by_their_pictures_stay_together_in_a_split(pool, tmp_path_factory, rows, fraction, seed):
    folder = tmp_path_factory.mktemp("split")
    dataset = mf.open(write_rows(folder / "a.jsonl", [about(*(f"{i}.png" for i in names)) for names in rows]), pool)
    for by in ("picture", "row"):
        left, right = dataset.split(fraction, by=by, seed=seed)
        assert sorted([*left.row_numbers.tolist(), *right.row_numbers.tolist()]) == list(range(len(rows)))
        if by == "picture":
            sides = [{i for row in side.row_numbers.tolist() for i in rows[row]} for side in (left, right)]
            assert not sides[0] & sides[1]
        else:
            assert abs(len(left) - fraction * len(rows)) <= 1


def test_a_part_of_a_part_knows_its_rows(case):
    half, _ = case.shards.split(0.6, seed=2)
    part = half.where(pc.field("source") == "b.jsonl")
    assert set(part.row_numbers.tolist()) <= set(half.row_numbers.tolist())
    assert [row["source"] for row in part] == ["b.jsonl"] * len(part)
    again = pickle.loads(pickle.dumps(part))
    assert again.row_numbers.tolist() == part.row_numbers.tolist()
    assert rows_of(take(again, 3, seed=1)) == rows_of(take(part, 3, seed=1))
    state = mf.Loader(part, 3, shuffle=True).state_dict()
    mf.Loader(again, 3, shuffle=True).load_state_dict(state)


# pictures


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_comes_once(case, kind):
    pictures = case.dataset(kind).pictures
    batches = take(pictures, 4, uneven="short", output=mf.Output(dtype="float32", layout="nchw"))
    order = samples_of(batches)
    assert order == reference_order.order(len(pictures), 0, 0)
    images = [image for batch in batches for image in batch.images]
    for sample, image in zip(order, images, strict=True):
        assert np.array_equal(image, pictures[sample].rgb().transpose(2, 0, 1).astype(np.float32))
    for batch in batches:
        assert len(batch) == len(batch.images) == len(batch.samples)
        assert batch.row_numbers.tolist() == []
        with pytest.raises(AttributeError, match="no rows"):
            batch.rows  # noqa: B018 - what is asked for is refused
        with pytest.raises(AttributeError, match="labels are there"):
            batch.labels  # noqa: B018
    with pytest.raises(ValueError, match="pictures are alone"):
        mf.Loader(pictures, 4, shuffle=True, group_by_picture=True)


def test_pictures_are_the_same_however_they_are_stored(case, tmp_path):
    """Some are left over from rows that were rejected, and a build may store them in any order."""
    mf.build(case.sources, case.images, tmp_path / "shards", case.spec, shard_bytes=1 << 13, shuffle_seed=5)
    drawn = mf.open(tmp_path / "shards")
    for dataset in (case.shards, drawn):
        assert [picture.hash for picture in dataset.pictures] == [picture.hash for picture in case.raw.pictures]
        assert dataset.rows.column("pictures").to_pylist() == case.raw.rows.column("pictures").to_pylist()
    for dataset, other in itertools.permutations((case.shards, case.raw, drawn), 2):
        state = mf.Loader(dataset.pictures, 4, shuffle=True).state_dict()
        mf.Loader(other.pictures, 4, shuffle=True).load_state_dict(state)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_a_part_are_those_of_its_rows(case, kind):
    part = case.dataset(kind).where(pc.field("source") == "a.jsonl")
    assert {picture.hash for picture in part.pictures} == names_of(case.dataset(kind), part)
    images = [image for batch in take(part.pictures, 3, uneven="short") for image in batch.images]
    assert len(images) == len(part.pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_label_of_their_folder(case, kind):
    labelled = case.dataset(kind).pictures.labelled()
    assert labelled.classes == ("class 0", "class 1", "class 2")
    for batch in take(labelled, 4, uneven="short"):
        for sample, label, image in zip(batch.samples.tolist(), batch.labels.tolist(), batch.images, strict=True):
            picture = labelled.pictures[sample]
            assert labelled.classes[label] == picture.names[0].split("/")[0]
            assert np.array_equal(image, picture.rgb())
        assert batch.labels.dtype == np.int64


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_label_that_their_rows_say(pool, tmp_path, kind):
    rows = [about(f"{i % 6}.png", meta={"grade": i % 6 % 2, "side": "left" if i % 6 == 3 else None}) for i in range(12)] + [about("7.png")]
    source = write_rows(tmp_path / "a.jsonl", rows)
    mf.build(source, pool, tmp_path / "shards", mf.Original())
    dataset = mf.open(source, pool) if kind == "raw" else mf.open(tmp_path / "shards")
    labelled = dataset.pictures.labelled("meta.grade")
    assert (labelled.classes, len(labelled)) == (("0", "1"), 6)
    assert sorted(int(picture.names[0][0]) % 2 for picture in labelled.pictures) == sorted(labelled.labels.tolist())
    (batch,) = take(labelled, 6)
    assert [int(labelled.pictures[s].names[0][0]) % 2 for s in batch.samples.tolist()] == batch.labels.tolist()
    sides = dataset.pictures.labelled("meta.side")
    assert (sides.classes, [picture.names for picture in sides.pictures]) == (("left",), [("3.png",)])
    assert dataset.pictures.labelled("source").classes == ("a.jsonl",)
    for column in ("meta", "line", "answer.text", "colour"):
        with pytest.raises(ValueError, match="labels: expected"):
            dataset.pictures.labelled(column)
    with pytest.raises(ValueError, match=r"^labels: no row has a member 'nosuch' of meta; there are 'grade', 'side'$"):
        dataset.pictures.labelled("meta.nosuch")
    with pytest.raises(ValueError, match=r"no row has a member 'grade\.x' of meta"):
        dataset.where(pc.field("line") < 3).pictures.labelled("meta.grade.x")
    contradicting = write_rows(tmp_path / "b.jsonl", [about("1.png", meta={"grade": g}) for g in "ab"])
    with pytest.raises(ValueError, match="the rows of one picture say 'a' and 'b'"):
        mf.open(contradicting, pool).pictures.labelled("meta.grade")


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_of_meta_that_no_row_has_is_no_label(pool, tmp_path, kind):
    """One that is null in every row is there, and says nothing of any picture."""
    source = tmp_path / "a.jsonl"

    def pictures(*rows):
        write_rows(source, rows)
        mf.build(source, pool, tmp_path / "shards", mf.Original(), update=True)
        return (mf.open(source, pool) if kind == "raw" else mf.open(tmp_path / "shards")).pictures

    for rows in ([], [about("0.png")], [about("0.png"), about("1.png", meta=None)], [about("0.png", meta={})]):
        with pytest.raises(ValueError, match=r"no row has a member 'grade' of meta; there are none$"):
            pictures(*rows).labelled("meta.grade")
    with pytest.raises(ValueError, match=r"there are '00', '01', .*'19', …$"):
        pictures(about("0.png", meta={f"{i:02}": i for i in range(99)})).labelled("meta.grade")
    empty = pictures(about("0.png", meta={"grade": None}), about("1.png")).labelled("meta.grade")
    assert (len(empty), empty.classes) == (0, ())
    said = pictures(about("0.png", meta={"grade": 2}), chat(meta={"side": 1}))
    assert said.labelled("meta.grade").classes == ("2",)
    assert len(said.labelled("meta.side")) == 0  # said of no picture


def test_what_is_no_source_is_refused(case):
    every: list[Any] = [None, case.folder, [1, 2], case.shards[0]]
    for source in every:
        with pytest.raises(TypeError, match="expected a Dataset, rows or pictures of one"):
            mf.Loader(source, 4, shuffle=True)
