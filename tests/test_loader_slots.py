"""The memory of batches: nothing is overwritten under a live view, and in the steady state none is taken."""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest

from tests.building import noise
from tests.loading import Case, forty_rows, mixed, run, whole

SPEC = mf.Resize(32, fit="stretch")
BATCH_BYTES = 4 * 32 * 32 * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return forty_rows(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def shards(folder):
    return Case(folder, SPEC).shards


def test_all_batches_may_be_kept(shards):
    with mf.Loader(shards, 4, shuffle=True, threads=2, prefetch=2) as loader:
        kept = list(loader)
        copies = [whole(batch).copy() for batch in kept]
        numbers = [batch.row_numbers.tolist() for batch in kept]
        for _ in range(3):
            for batch in loader:
                assert all(not np.shares_memory(whole(batch), whole(other)) for other in kept)
        assert all(np.array_equal(whole(batch), copy) for batch, copy in zip(kept, copies, strict=True))
        assert [batch.row_numbers.tolist() for batch in kept] == numbers
        assert loader.stats().slots > len(kept)
        assert loader.stats().slot_bytes >= len(kept) * BATCH_BYTES


def test_a_view_keeps_its_memory_after_its_batch_its_loader_and_its_data_set(folder):
    dataset = Case(folder, SPEC).shards
    loader = mf.Loader(dataset, 4, shuffle=False)
    views = [whole(batch)[2, 5:9] for batch in itertools.islice(loader, 5)]
    expected = [dataset[4 * i + 2]["images"][0][5:9] for i in range(5)]
    assert all(np.array_equal(view, other) for view, other in zip(views, expected, strict=True))
    list(loader)
    loader.close()
    dataset.close()
    del loader, dataset
    gc.collect()
    noise(0, 1 << 20)
    assert all(np.array_equal(view, other) for view, other in zip(views, expected, strict=True))


def test_batches_may_be_written_to_by_whoever_has_them(shards):
    with mf.Loader(shards, 4, shuffle=False) as loader:
        for _ in range(2):
            for start, batch in zip(range(0, 40, 4), loader, strict=True):
                assert np.array_equal(whole(batch)[0], shards[start]["images"][0])
                whole(batch)[:] = 7


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("output", [mf.Output(), mf.Output(dtype="float32", layout="nchw")])
def test_in_the_steady_state_no_memory_is_taken(shards, threads, output):
    with mf.Loader(shards, 4, shuffle=True, threads=threads, prefetch=2, output=output) as loader:
        places = set()
        for _ in range(20):
            for batch in loader:
                places.add(whole(batch).ctypes.data)
        stats = loader.stats()
        assert stats.slots <= 2 + 2  # `prefetch`, the one that the consumer has, and the one that it asks for while it has that
        assert len(places) <= stats.slots
        assert stats.batches == 20 * 10


def test_slots_of_pictures_of_many_sizes_do_not_add_up(tmp_path):
    case = Case(mixed(tmp_path), mf.Original())
    for dataset in (case.shards, case.raw):
        with mf.Loader(dataset, 3, shuffle=True, prefetch=2) as loader:
            for _ in range(20):
                for _batch in loader:
                    pass
            assert loader.stats().slots <= 4


def test_the_callers_slots_are_used_and_only_where_they_do_not_suffice_others(shards):
    slots = [np.zeros(BATCH_BYTES + 64, np.uint8) for _ in range(4)]
    with mf.Loader(shards, 4, shuffle=True, slots=slots, prefetch=2) as loader:
        for _ in range(3):
            for batch in loader:
                assert any(np.shares_memory(whole(batch), slot) for slot in slots)
        assert (loader.stats().slots, loader.stats().slot_bytes) == (4, 0)
        kept = list(loader)
        assert loader.stats().slots > 4
        assert len({whole(batch).ctypes.data for batch in kept}) == len(kept)


def test_slots_that_cannot_be_used_are_refused(shards):
    readonly = np.zeros(BATCH_BYTES, np.uint8)
    readonly.flags.writeable = False
    odd = np.zeros(BATCH_BYTES + 8, np.uint8)[1:]
    unfit: list[tuple[list[Any], Any]] = [
        ([readonly], TypeError),
        ([np.zeros(BATCH_BYTES * 2, np.uint8)[::2]], TypeError),
        ([np.zeros(BATCH_BYTES, np.float32)], TypeError),
        ([odd if odd.ctypes.data % 4 else odd[1:]], ValueError),
        ([b"bytes"], TypeError),
        ([7], TypeError),
    ]
    for slots, error in unfit:
        with pytest.raises(error):
            mf.Loader(shards, 4, shuffle=True, slots=slots)
    with mf.Loader(shards, 4, shuffle=True, slots=[np.zeros(100, np.uint8)]) as loader:
        with pytest.raises(ValueError, match="a batch needs 12288 bytes, and a slot that was given has 100"):
            next(iter(loader))
        assert loader.state_dict()["position"] == 0


@pytest.mark.parametrize("given", [False, True])
def test_epochs_that_are_left_lose_no_slot(shards, given):
    slots = [np.zeros(BATCH_BYTES, np.uint8) for _ in range(4)] if given else None
    with mf.Loader(shards, 4, shuffle=True, threads=2, prefetch=2, slots=slots) as loader:
        running: Any = None
        for _ in range(30):
            running = iter(loader)  # ends the one before
            next(running)
        running.close()
        assert loader.stats().slots <= 4
        if slots:
            assert all(any(np.shares_memory(whole(batch), slot) for slot in slots) for batch in loader)


def test_a_loader_with_the_callers_slots_may_be_left(folder):
    code = """
import sys
import mmno_fast as mf, numpy as np
dataset = mf.open(sys.argv[1])
for _ in range(20):
    next(iter(mf.Loader(dataset, 4, shuffle=True, slots=[np.zeros(12288, np.uint8) for _ in range(3)])))
print("left")
"""
    assert run(code, Case(folder, SPEC).shards.path, timeout=6) == ["left"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize("kind", ["shards", "raw"])
def test_memory_stays_flat_over_fifty_epochs(folder, kind):
    dataset = Case(folder, mf.Resize(112, fit="pad")).dataset(kind)

    def resident():
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with mf.Loader(dataset, 8, shuffle=True, threads=2) as loader:
        after = []
        for epoch in range(50):
            for batch in loader:
                assert whole(batch).shape == (8, 112, 112, 3)
                assert batch.rows.num_rows == 8
            if epoch % 5 == 4:
                gc.collect()
                after.append(resident())
        assert loader.stats().slots <= 4
    assert max(after[5:]) - max(after[1:3]) < 4 << 20
