"""Data sets and loaders where processes fork and spawn."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
import warnings
from typing import Any

import mmno_fast as mf
import numpy as np
import pyarrow.compute as pc
import pytest

from tests.building import about, encoded, noise, write_files, write_rows
from tests.loading import Case

SPEC = mf.Resize(32, fit="stretch")
SECONDS = 60
"""A child that takes longer hangs."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    write_files(folder / "images", {f"{i}.png": encoded(noise(i, 40, 40, *((3,) if i % 2 else ()))) for i in range(10)})
    write_rows(folder / "a.jsonl", [about(f"{i % 10}.png") for i in range(40)])
    return Case(folder, SPEC)


def in_a_fork(job):
    """How the child that ran `job` ended: 0, its exit code, or the signal that ended it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(SECONDS)
            job()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def numbers_of(batches):
    return [batch.row_numbers.tolist() for batch in batches]


def sums_of(batches):
    return [int(batch.images.sum(dtype=np.int64)) for batch in batches]


def expect(condition):
    if not condition:
        raise AssertionError


@pytest.mark.parametrize("kind", ["shards", "raw"])
def test_a_hundred_forks_while_a_loader_runs_do_not_hang(case, kind):
    """A hundred of each kind: the child uses the data set, makes a loader, and lets go of its parent's."""
    dataset = case.dataset(kind)
    expected = sums_of(mf.Loader(dataset, 4, shuffle=True, threads=2))
    loader: Any = mf.Loader(dataset, 4, shuffle=True, threads=2)
    for cycle in range(100):
        loader.set_epoch(0)
        running: Any = iter(loader)
        begun = [next(running) for _ in range(cycle % 3)]

        def job(running=running, begun=begun):
            nonlocal loader
            with contextlib.suppress(RuntimeError):
                expect(next(running) is None)
            with contextlib.suppress(RuntimeError):
                expect(next(iter(loader)) is None)
            expect(sums_of(begun) == expected[: len(begun)])
            expect(loader.state_dict()["position"] == 4 * len(begun))
            loader.stats()
            expect(dataset[3]["line"] == 4)
            own = mf.Loader(dataset, 4, shuffle=True, threads=2)
            own.load_state_dict(loader.state_dict())
            expect(sums_of(own) == expected[len(begun) :])
            running.close()
            loader.close()
            del running, begun, own
            loader = None

        assert in_a_fork(job) == 0
        assert sums_of(itertools.chain(begun, running)) == expected


def test_a_loader_is_refused_in_a_forked_child(case):
    loader = mf.Loader(case.shards, 4, shuffle=True)
    running = iter(loader)
    next(running)

    def job():
        for use in (
            lambda: next(running),
            lambda: iter(loader),
            lambda: next(loader.replay()),
            lambda: loader.load_state_dict(loader.state_dict()),
        ):
            with pytest.raises(RuntimeError, match="this loader belongs to the process that made it"):
                use()

    assert in_a_fork(job) == 0
    assert len(list(running)) == 9


def test_a_fork_while_another_thread_waits_for_a_batch_does_not_hang(tmp_path, case):
    pixels = np.zeros((4000, 4000, 3), np.uint8)
    pixels[::2] = noise(0, 4000, 3)
    write_files(tmp_path / "images", {"large.png": encoded(pixels, compress_level=1)})
    write_rows(tmp_path / "a.jsonl", [about("large.png")] * 8)
    loader = mf.Loader(mf.open(tmp_path / "a.jsonl", tmp_path / "images", image=SPEC), 8, shuffle=False, threads=1)
    running: Any = iter(loader)
    worker = threading.Thread(target=lambda: next(running))
    worker.start()
    time.sleep(0.1)

    def job():
        with pytest.raises(RuntimeError, match="belongs to the process"):
            next(running)
        loader.close()
        running.close()
        loader.stats()
        expect(len(list(mf.Loader(case.shards, 4, shuffle=True))) == 10)

    for _ in range(3):
        assert in_a_fork(job) == 0
    worker.join()


def test_a_fork_while_another_thread_opens_shards_does_not_hang(case):
    """Whatever a thread has half done, its child begins anew."""
    stop = threading.Event()

    def open_again():
        while not stop.is_set():
            with mf.open(case.shards.path) as dataset:
                numbers_of(mf.Loader(dataset, 8, shuffle=True, threads=2))

    worker = threading.Thread(target=open_again)
    worker.start()
    try:
        for _ in range(30):
            assert in_a_fork(lambda: expect(len(list(mf.Loader(case.shards, 4, shuffle=True, threads=2))) == 10)) == 0
    finally:
        stop.set()
        worker.join()


def of_a_child(sources, results):
    """In another process: the order and the sums of every source."""
    results.put([(numbers_of(batches), sums_of(batches)) for batches in (list(mf.Loader(s, 4, shuffle=True, seed=2)) for s in sources)])


@pytest.mark.parametrize(
    ("method", "cycles"),
    [
        ("fork", 10),
        ("forkserver", 3),
        ("spawn", 2),
        pytest.param("spawn", 200, marks=pytest.mark.slow),
        pytest.param("forkserver", 200, marks=pytest.mark.slow),
    ],
)
def test_data_sets_and_parts_of_them_go_to_other_processes(case, method, cycles):
    sources = [case.shards, case.raw, case.shards.where(pc.field("line") > 11), case.raw.split(0.5)[0]]
    context = multiprocessing.get_context(method)
    here = context.SimpleQueue()
    loader = mf.Loader(case.shards, 4, shuffle=True)
    running = iter(loader)
    next(running)
    own = [(numbers_of(batches), sums_of(batches)) for batches in (list(mf.Loader(s, 4, shuffle=True, seed=2)) for s in sources)]
    for _ in range(cycles):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = context.Process(target=of_a_child, args=(sources, here))
            child.start()
        child.join(SECONDS)
        assert child.exitcode == 0
        assert here.get() == own
    assert len(list(running)) == 9


def test_a_data_set_that_was_rebuilt_is_refused_by_the_process_that_it_went_to(case, tmp_path):
    import pickle

    mf.build(case.sources, case.images, tmp_path / "shards", SPEC)
    parcel = pickle.dumps(mf.open(tmp_path / "shards"))
    mf.build(case.sources, case.images, tmp_path / "shards", mf.Resize(16, fit="stretch"), update=True)
    with pytest.raises(mf.ShardError, match="it was rebuilt since then"):
        mf.Loader(pickle.loads(parcel), 4, shuffle=True)
