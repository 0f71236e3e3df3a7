"""The loader: every row that is promised, once, in one order, with the right pixels, from shards as from JSONL."""

from __future__ import annotations

import itertools
import json
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import loading, reference_order
from tests.building import sources
from tests.loading import Case, mixed
from tests.random_cases import tries

ORIGINAL = mf.Original()
RESIZED = mf.Resize((32, 56), fit="stretch")
UNEVEN = ("drop", "wrap", "short")
KINDS = ("shards", "raw")
CLIP: dict[str, Any] = {"mean": mf.CLIP_MEAN, "std": mf.CLIP_STD}
DTYPES: tuple[Any, ...] = ("uint8", "float32", "float16", "bfloat16")
LAYOUTS: tuple[Any, ...] = ("nhwc", "nchw", "patches")
PATCHES: dict[str, Any] = {"patch": 4, "merge": 2, "temporal": 2}
NORMAL: list[dict[str, Any]] = [{}, CLIP, {**CLIP, "normalisation": "two_step"}]
OUTPUTS = [
    mf.Output(dtype=dtype, layout=layout, **(PATCHES if layout == "patches" else {}), **normal)
    for dtype, layout in itertools.product(DTYPES, LAYOUTS)
    for normal in (NORMAL[:1] if dtype == "uint8" else NORMAL)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mixed(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def original(folder):
    return Case(folder, ORIGINAL)


@pytest.fixture(scope="module")
def resized(folder):
    return Case(folder, RESIZED)


@pytest.fixture(scope="module")
def encoded(folder):
    return Case(folder, mf.Encoded())


@pytest.fixture(scope="module")
def cases(original, resized, encoded):
    return {"original": original, "resized": resized, "encoded": encoded}


def take(source, batch_size=4, *, shuffle=True, **how):
    with mf.Loader(source, batch_size, shuffle=shuffle, **how) as loader:
        return list(loader)


def row_numbers(batches):
    return [batch.row_numbers.tolist() for batch in batches]


# what comes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["original", "resized", "encoded"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_and_pictures_are_those_of_the_data_set(cases, case, kind, shuffle):
    chosen = cases[case]
    dataset = chosen.dataset(kind)
    batches = take(dataset, 5, shuffle=shuffle, uneven="short", threads=2)
    assert sorted(itertools.chain.from_iterable(row_numbers(batches))) == list(range(len(dataset)))
    for batch in batches:
        assert batch.rows.num_rows == len(batch) == len(batch.row_numbers)
        assert batch.rows.schema.names == [name for name in dataset.schema.names if name != "pictures"]
        for number, (row, places) in zip(batch.row_numbers.tolist(), loading.rows_with_pictures(batch), strict=True):
            given_row = chosen.raw[number]
            assert (row["source"], row["line"], row["messages"]) == (given_row["source"], given_row["line"], given_row["messages"])
            assert row["images"] == given_row["image_names"]
            assert (None if row["meta"] is None else json.loads(row["meta"])) == given_row["meta"]
            assert [row[name] for name in ("variant", "options", "answer", "answer_text")] == [
                given_row[name] for name in ("variant", "options", "answer", "answer_text")
            ]
            for place, name, pixels in zip(places, row["images"], given_row["images"], strict=True):
                assert np.array_equal(batch.images[place], pixels)
                assert np.array_equal(pixels, chosen.pixels(name))


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: f"{o.dtype}-{o.layout}-{'plain' if o.mean is None else o.normalisation}")
def test_every_output_is_that_of_read_picture_and_of_numpy(original, resized, output):
    for chosen, kind in itertools.product((original, resized), KINDS):
        compared = 0
        for batch in take(chosen.dataset(kind), 6, output=output, uneven="short"):
            made = loading.one_by_one(batch, output)
            assert batch.dtype == output.dtype
            for row, places in loading.rows_with_pictures(batch):
                for place, name in zip(places, row["images"], strict=True):
                    read = mf.read_picture(chosen.images / name, chosen.spec, output)
                    theirs = read[0] if isinstance(read, tuple) else read
                    for other in (theirs, loading.as_output(chosen.pixels(name), output)):
                        assert made[place].dtype == other.dtype
                        assert made[place].shape == other.shape
                        assert np.array_equal(made[place].view(np.uint8), np.ascontiguousarray(other).view(np.uint8))
                    compared += 1
        assert compared > 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["original", "resized", "encoded"])
def test_stored_channels_are_the_stored_bytes(cases, case, kind):
    chosen = cases[case]
    seen = set()
    for batch in take(chosen.dataset(kind), 7, channels="stored", uneven="short"):
        for row, places in loading.rows_with_pictures(batch):
            for place, name in zip(places, row["images"], strict=True):
                pixels = chosen.pixels(name, stored=True)
                seen.add(pixels.ndim)
                assert batch.images[place].shape == pixels.shape
                assert np.array_equal(batch.images[place], pixels)
    assert seen == {2, 3}


def test_pictures_of_one_size_are_one_array_and_of_several_a_list(original, resized):
    for batch in take(resized.shards, 6):
        assert isinstance(batch.images, np.ndarray)
        assert batch.images.shape[1:] == (32, 56, 3)
    assert any(isinstance(batch.images, list) for batch in take(original.shards, 6))
    without = original.shards.where([row["image_names"] == [] for row in original.shards])
    (batch,) = take(without, 50, uneven="short")
    assert len(batch.images) == 0
    assert batch.image_offsets.tolist() == [0] * (len(without) + 1)
    (batch,) = take(without, 50, uneven="short", output=OUTPUTS[-1])
    assert batch.pixel_values.shape == (0, OUTPUTS[-1].numbers_of_a_patch)
    assert batch.image_grid_thw.shape == (0, 3)


# the order, ranks and states


@given(
    batch_size=st.integers(1, 9),
    worlds=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    uneven=st.sampled_from(UNEVEN),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 3),
    kind=st.sampled_from(KINDS),
    data=st.data(),
)
@settings(max_examples=tries(60), deadline=None)
def test_ranks_see_together_what_the_mode_promises_however_often_they_are_interrupted(
    original, batch_size, worlds, uneven, shuffle, seed, epoch, kind, data
):
    """World sizes whose product with the batch size of their ranks is the same go on from each other's states."""
    dataset = original.dataset(kind)
    whole = batch_size * int(np.lcm.reduce(worlds))
    samples = reference_order.order(len(dataset), seed, epoch) if shuffle else list(range(len(dataset)))
    seen: list[int] = []
    state = None
    for number, world in enumerate(worlds):
        last = number == len(worlds) - 1
        steps = None if last else data.draw(st.integers(0, 3))
        ranks, states = [], []
        for rank in range(world):
            how = {"threads": data.draw(st.integers(1, 3)), "prefetch": data.draw(st.integers(1, 4))}
            with mf.Loader(
                dataset, whole // world, shuffle=shuffle, seed=seed, uneven=uneven, rank=rank, world_size=world, **how
            ) as loader:
                if state:
                    loader.load_state_dict(state)
                else:
                    loader.set_epoch(epoch)
                assert len(loader) == len(reference_order.batches(samples, whole // world, rank, world, uneven))
                batches = list(itertools.islice(loader, steps))
                ranks.append([batch.row_numbers.tolist() for batch in batches])
                states.append(json.loads(json.dumps(loader.state_dict())))
        for step in itertools.zip_longest(*ranks, fillvalue=[]):
            seen += itertools.chain.from_iterable(step)
        if not last:
            assert len({json.dumps(each) for each in states}) == 1 or uneven == "short"
            state = max(states, key=lambda each: (each["epoch"], each["position"]))
            if state["epoch"] != epoch:
                break
    assert seen == reference_order.seen_by_all(samples, whole, 1, uneven)


@pytest.mark.parametrize("group", [False, True])
def test_nothing_depends_on_threads_prefetch_or_where_rows_come_from(original, group):
    first = take(original.shards, 3, seed=5, uneven="short", group_by_picture=group)
    for kind, threads, prefetch, prefetch_bytes in [
        ("shards", 1, 1, 2**30),
        ("shards", 3, 5, 1),
        ("raw", 1, 4, 2**30),
        ("raw", 4, 1, 2**30),
        ("raw", 2, 3, 1),
    ]:
        how = {"threads": threads, "prefetch": prefetch, "prefetch_bytes": prefetch_bytes, "group_by_picture": group}
        other = take(original.dataset(kind), 3, seed=5, uneven="short", **how)
        assert row_numbers(first) == row_numbers(other)
        for ours, theirs in zip(first, other, strict=True):
            assert ours.rows.to_pylist() == theirs.rows.to_pylist()
            assert ours.rows.schema.equals(theirs.rows.schema)
            assert ours.image_index.tolist() == theirs.image_index.tolist()
            assert all(np.array_equal(a, b) for a, b in zip(ours.images, theirs.images, strict=True))


def test_a_corpus_with_faults_gives_the_same_run_from_shards_and_from_jsonl(make_corpus, tmp_path):
    corpus = make_corpus(images=60, faults=240)
    spec = mf.Resize(32, fit="stretch")
    given_sources = dict(sources(corpus))
    report = mf.build(given_sources, corpus / "images", tmp_path / "shards", spec, shard_bytes=1 << 18)
    assert report.rejected >= 240
    shards = mf.open(tmp_path / "shards")
    raw = mf.open(given_sources, corpus / "images", image=spec, rejects=tmp_path / "shards" / "rejects.jsonl")
    assert shards.rows_fingerprint == raw.rows_fingerprint
    ours, theirs = (take(dataset, 16, seed=3, uneven="short") for dataset in (shards, raw))
    lines = loading.identities(ours)
    assert lines == loading.identities(theirs)
    assert len(set(lines)) == len(lines) == report.rows
    for batch, other in zip(ours, theirs, strict=True):
        assert np.array_equal(batch.images, other.images)
        assert batch.rows.to_pylist() == other.rows.to_pylist()
    for rank in range(3):
        with mf.Loader(raw, 16, shuffle=True, rank=rank, world_size=3) as loader:
            next(iter(loader))
            state = loader.state_dict()
        with mf.Loader(shards, 48, shuffle=True) as loader:
            loader.load_state_dict(state)
            assert next(iter(loader)).row_numbers.tolist() == reference_order.order(len(shards), 0, 0)[48:96]


def test_3190_rows_over_8_ranks_in_order_are_each_seen_once(tmp_path):
    from tests.building import chat, write_rows

    source = write_rows(tmp_path / "a.jsonl", [chat(f"{i}?", "Yes.") for i in range(3190)])
    (tmp_path / "images").mkdir()
    raw = mf.open(source, tmp_path / "images")
    seen = []
    for rank in range(8):
        batches = take(raw, 16, shuffle=False, rank=rank, world_size=8)
        with mf.Loader(raw, 16, shuffle=False, rank=rank, world_size=8) as loader:
            assert len(loader) == len(batches)
        seen += [line for _, line in loading.identities(batches)]
    assert sorted(seen) == list(range(1, 3191))
