"""Epochs, states, ranks and arguments of a loader."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import mmno_fast as mf
import pytest

from tests import loading, reference_order
from tests.loading import Case, mixed

NO_STATES: list[Any] = [None, {}, [], "state", {}.keys()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mixed(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def original(folder):
    return Case(folder, mf.Original())


@pytest.fixture(scope="module")
def resized(folder):
    return Case(folder, mf.Resize((32, 56), fit="stretch"))


def row_numbers(batches):
    return [batch.row_numbers.tolist() for batch in batches]


# epochs and states


def test_epochs_follow_each_other_each_in_its_own_order(original):
    with mf.Loader(original.shards, 4, shuffle=True, seed=9) as loader:
        for epoch in range(3):
            assert loader.epoch == epoch
            batches = list(loader)
            assert {batch.epoch for batch in batches} == {epoch}
            assert row_numbers(batches) == [e.rows for e in loading.expected(len(original.shards), 4, shuffle=True, seed=9, epoch=epoch)]
            assert [batch.position for batch in batches] == [4 * (i + 1) for i in range(len(batches))]
            assert len(batches) == len(loader)
        assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (3, 0)


def test_an_epoch_that_was_left_is_followed_by_the_next_one(original):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        next(iter(loader))
        assert next(iter(loader)).epoch == 1
        loader.set_epoch(7)
        assert next(iter(loader)).epoch == 7
        loader.set_epoch(7)
        assert next(iter(loader)).position == 4


def test_an_epoch_that_is_set_ends_the_one_that_runs(original):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        running = iter(loader)
        next(running)
        loader.set_epoch(5)
        assert list(running) == []
        assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (5, 0)
        batch = next(iter(loader))
        assert (batch.epoch, batch.position) == (5, 4)


def test_setting_the_epoch_that_comes_anyway_keeps_a_loaded_state(original):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        loader.set_epoch(2)
        next(iter(loader))
        state = loader.state_dict()
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        loader.load_state_dict(state)
        loader.set_epoch(2)
        assert next(iter(loader)).position == 8


def test_a_state_counts_what_was_handed_out_and_not_what_was_made_ahead(original):
    with mf.Loader(original.shards, 4, shuffle=True, prefetch=6) as loader:
        assert loader.state_dict()["position"] == 0
        for number, _ in enumerate(loader, 1):
            assert loader.state_dict()["position"] == 4 * number
    assert set(loader.state_dict()) == {"version", "fingerprint", "seed", "epoch", "position"}


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_ready_and_what_is_waited_for_leave_the_same_state(original, waits):
    with mf.Loader(original.shards, 4, shuffle=True, seed=3, prefetch=1) as loader:
        running: Any = iter(loader)
        seen: list[mf.Batch] = []
        for expected in loading.expected(len(original.shards), 4, shuffle=True, seed=3, epoch=0):
            while not waits and not running.is_ready():
                pass
            batch = next(running)
            seen.append(batch)
            state = loader.state_dict()
            assert (batch.epoch, batch.row_numbers.tolist()) == (0, expected.rows)
            assert (state["epoch"], state["position"]) == (0, batch.position) == (0, 4 * len(seen))
        stats = loader.stats()
        assert (stats.batches, stats.rows, stats.bytes) == (len(seen), 4 * len(seen), sum(batch.nbytes for batch in seen))
        assert 0 < stats.waited <= stats.elapsed
        assert next(running, None) is None
        assert running.ended
        assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 0)


def test_a_batch_that_could_not_be_handed_over_comes_again(original, monkeypatch):
    class Interrupted(mf.Batch):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            if self.position == 12:
                raise KeyboardInterrupt

    whole = loading.expected(len(original.shards), 4, shuffle=True, seed=3, epoch=0)
    with mf.Loader(original.shards, 4, shuffle=True, seed=3) as loader:
        monkeypatch.setattr("mmno_fast.loading.loader.Batch", Interrupted)
        running: Any = iter(loader)
        for _ in range(2):
            next(running)
        while not running.is_ready():
            pass
        with pytest.raises(KeyboardInterrupt):
            next(running)
        assert (running.ended, next(running, None)) == (True, None)
        monkeypatch.undo()
        state = loader.state_dict()
        assert state["position"] == 8
        loader.load_state_dict(state)
        assert row_numbers(loader) == [expected.rows for expected in whole[2:]]


def test_an_interrupt_while_waiting_is_told_loses_no_batch(original, monkeypatch):
    monkeypatch.setattr("mmno_fast.loading.loader.WINDOW", 0.0)
    monkeypatch.setattr("mmno_fast.loading.loader.WARN_SHARE", -1.0)
    told = 0

    def warn(loader: mf.Loader, share: float) -> None:
        nonlocal told
        told += 1
        if told == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(mf.Loader, "warn", warn)
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        running = iter(loader)
        assert [next(running).position for _ in range(2)] == [4, 8]
        with pytest.raises(KeyboardInterrupt):
            next(running)
        assert next(running, None) is None
        assert (loader.state_dict()["position"], loader.stats().batches) == (8, 2)


def test_a_state_brings_its_seed(original):
    with mf.Loader(original.shards, 4, shuffle=True, seed=1) as loader:
        batches = list(loader)
    with mf.Loader(original.shards, 4, shuffle=True, seed=1) as loader:
        next(iter(loader))
        state = loader.state_dict()
    with mf.Loader(original.shards, 4, shuffle=True, seed=2) as loader:
        loader.load_state_dict(state)
        assert row_numbers(loader) == row_numbers(batches[1:])


def test_a_state_of_other_data_or_of_another_order_is_refused(original, resized):
    dataset = original.shards
    state = mf.Loader(dataset, 4, shuffle=True).state_dict()
    half, other = dataset.split(0.5)
    for loader in (
        mf.Loader(dataset, 4, shuffle=False),
        mf.Loader(half, 4, shuffle=True),
        mf.Loader(dataset, 4, shuffle=True, group_by_picture=True),
        mf.Loader(dataset.pictures, 4, shuffle=True),
    ):
        with pytest.raises(mf.StateError, match="belongs to other data"):
            loader.load_state_dict(state)
    with pytest.raises(mf.StateError, match="belongs to other data"):
        mf.Loader(other, 4, shuffle=True).load_state_dict(mf.Loader(half, 4, shuffle=True).state_dict())
    # Pixels, threads, the batch and the ranks are no part of the order.
    mf.Loader(resized.raw, 9, shuffle=True, threads=1, rank=1, world_size=2).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "a state of version 2; this version reads 1"),
        ({"fingerprint": "0" * 32}, "belongs to other data"),
        ({"position": -1}, "position -1"),
        ({"position": 10**6}, "position 1000000 of"),
        ({"epoch": -1}, "epoch -1"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, "seed"),
        ({"epoch": 2**64}, "epoch"),
        ({"position": "first"}, "not the state of a loader"),
        ({"epoch": None}, "not the state of a loader"),
    ],
)
def test_a_state_that_cannot_be_is_refused(original, change, message):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        state = loader.state_dict()
        with pytest.raises(mf.StateError, match=message) as caught:
            loader.load_state_dict({**state, **change})
        assert (caught.value.code, caught.value.path, caught.value.line) == (None, None, None)
        for none in NO_STATES:
            with pytest.raises(mf.StateError, match="not the state of a loader"):
                loader.load_state_dict(none)
        assert loader.state_dict() == state


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected a number of at least 1 and below"),
        ({"batch_size": 2.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size": 2**63, "rank": 0, "world_size": 2}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"prefetch": 0}, "prefetch"),
        ({"prefetch": 2**64}, "prefetch"),
        ({"prefetch_bytes": 2**64}, "prefetch_bytes"),
        ({"memory_bytes": 2**64}, "memory_bytes"),
        ({"threads": 0}, "threads: expected at least 1"),
        ({"uneven": "pad"}, "uneven: expected one of 'drop'"),
        ({"uneven": "raise"}, "samples do not make whole batches of 4"),
        ({"on_error": "ignore"}, "on_error"),
        ({"channels": "gray"}, "channels"),
        ({"channels": "stored", "output": mf.Output(dtype="float32")}, "leave out output"),
        ({"rank": 1}, "go together"),
        ({"rank": 2, "world_size": 2}, "rank: expected 0 to"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(original, arguments, message):
    assert len(original.shards) % 4
    with pytest.raises(ValueError, match=message):
        mf.Loader(original.shards, **{"batch_size": 4, "shuffle": True, **arguments})


def test_behind_the_last_epoch_comes_the_first(original):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        loader.set_epoch(2**64 - 1)
        assert {batch.epoch for batch in loader} == {2**64 - 1}
        assert next(iter(loader)).epoch == 0


@pytest.mark.parametrize("epoch", [-1, 2**64, 1.0, None])
def test_an_epoch_that_cannot_be_is_refused_at_once(original, epoch):
    with mf.Loader(original.shards, 4, shuffle=True) as loader:
        with pytest.raises(ValueError, match="epoch: expected a number"):
            loader.set_epoch(epoch)
        assert loader.epoch == 0


# ranks


def test_ranks_come_from_the_environment(original, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with mf.Loader(original.shards, 2, shuffle=True) as loader:
        assert (loader.rank, loader.world_size) == (1, 3)
        assert next(iter(loader)).row_numbers.tolist() == reference_order.order(len(original.shards), 0, 0)[2:4]
    with pytest.warns(UserWarning, match="rank 0 of 1 was asked for, but this process is rank 1 of 3") as told:
        mf.Loader(original.shards, 2, shuffle=True, rank=0, world_size=1)
    assert told[0].filename == __file__
    mf.Loader(original.shards, 2, shuffle=True, rank=1, world_size=3)
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ValueError, match="RANK: expected a number in the environment, found 'first'"):
        mf.Loader(original.shards, 2, shuffle=True)
    monkeypatch.setenv("RANK", "3")
    with pytest.raises(ValueError, match="rank: expected 0 to world_size - 1 = 2, found 3"):
        mf.Loader(original.shards, 2, shuffle=True)


def test_ranks_that_come_after_the_loader_are_told(original, monkeypatch):
    """As Lightning's do, where the loader was made before `fit`: all would train on the same rows."""
    with mf.Loader(original.shards, 2, shuffle=True) as loader, mf.Loader(original.shards, 2, shuffle=True, rank=1, world_size=2) as second:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            iter(loader)
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")
        with pytest.warns(UserWarning, match="is rank 1 of 2 by now, but its loader was made before, as rank 0 of 1: make it anew") as told:
            iter(loader)
        assert told[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            iter(second)


@pytest.mark.parametrize("ready", [False, True])
def test_ranks_come_from_torch_where_it_is_initialised(original, monkeypatch, ready):
    distributed = types.SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: ready, get_rank=lambda: 2, get_world_size=lambda: 4
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(distributed=distributed))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with mf.Loader(original.shards, 2, shuffle=True) as loader:
        assert (loader.rank, loader.world_size) == ((2, 4) if ready else (1, 3))


@pytest.mark.parametrize(("local", "threads"), [("2", 4), ("3", 2), ("100", 1), ("0", 8), ("many", 8), (None, 8)])
def test_threads_are_shared_among_the_ranks_of_a_machine(original, monkeypatch, local, threads):
    monkeypatch.setattr("mmno_fast.machine.thread_count", lambda wanted: wanted or 8)
    if local is None:
        monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    else:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    assert mf.Loader(original.shards, 2, shuffle=True).threads == threads
    assert mf.Loader(original.shards, 2, shuffle=True, threads=5).threads == 5
