"""The life of a loader: its threads, signals, its end."""

from __future__ import annotations

import gc
import itertools
import pickle
import sys
import threading
import time
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import mmno_fast as mf
import pytest

from tests.interrupting import interrupt, slow_rows
from tests.loading import Case, forty_rows, run, whole

TASKS = Path("/proc/self/task")
SPEC = mf.Resize(32, fit="stretch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return forty_rows(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def shards(folder):
    return Case(folder, SPEC).shards


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return slow_rows(tmp_path_factory.mktemp("slow"))


def threads():
    return len(list(TASKS.iterdir()))


def ended(before, seconds=5.0):
    """Whether there are no more threads than before, soon: one that was joined may still be listed for a moment."""
    until = time.monotonic() + seconds
    while threads() > before and time.monotonic() < until:
        time.sleep(0.01)
    return threads() <= before


# threads


def leave_by_break(dataset):
    for _ in mf.Loader(dataset, 4, shuffle=True, threads=3):
        break


def leave_by_del(dataset):
    loader = mf.Loader(dataset, 4, shuffle=True, threads=3)
    running = iter(loader)
    next(running)
    del loader
    next(running)
    del running


def leave_by_an_exception(dataset):
    def fail():
        for batch in mf.Loader(dataset, 4, shuffle=True, threads=3):
            whole(batch).reshape(7)

    with pytest.raises(ValueError, match="cannot reshape"):
        fail()


def leave_by_close(dataset):
    loader = mf.Loader(dataset, 4, shuffle=True, threads=3)
    running = iter(loader)
    next(running)
    loader.close()
    loader.close()
    assert loader.closed
    assert list(running) == []
    for use in (lambda: iter(loader), lambda: next(loader.replay()), lambda: loader.load_state_dict(loader.state_dict())):
        with pytest.raises(mf.ClosedError, match="this loader was closed"):
            use()


def leave_by_with(dataset):
    with mf.Loader(dataset, 4, shuffle=True, threads=3) as loader:
        next(iter(loader))


def leave_in_a_cycle(dataset):
    loader = mf.Loader(dataset, 4, shuffle=True, threads=3)
    running = iter(loader)
    next(running)
    loader.me = [loader, running]  # type: ignore[attr-defined]
    died = weakref.ref(loader)
    del loader, running
    gc.collect()
    assert died() is None


def leave_at_the_end(dataset):
    list(mf.Loader(dataset, 4, shuffle=True, threads=3))


def leave_replaying(dataset):
    loader = mf.Loader(dataset, 4, shuffle=True, threads=3)
    assert len(list(itertools.islice(loader.replay(), 50))) == 50


def leave_unused(dataset):
    mf.Loader(dataset, 4, shuffle=True, threads=3)
    iter(mf.Loader(dataset, 4, shuffle=True, threads=3))


@pytest.mark.skipif(not TASKS.exists(), reason="reads /proc")
@pytest.mark.parametrize("leave", [value for name, value in sorted(globals().items()) if name.startswith("leave_")])
def test_a_loader_that_is_left_leaves_no_thread(shards, leave):
    leave(shards)
    before = threads()
    for _ in range(5):
        leave(shards)
        assert ended(before)


@pytest.mark.skipif(not TASKS.exists(), reason="reads /proc")
def test_a_new_epoch_ends_the_threads_of_the_one_before(shards):
    with mf.Loader(shards, 4, shuffle=True, threads=3) as loader:
        running = iter(loader)
        next(running)
        before = threads()
        for _ in range(10):
            running = iter(loader)
            next(running)
            assert ended(before)


@pytest.mark.parametrize("ending", ["", "del loader", "loader.close()", "raise SystemExit(0)", "import os; os.kill(os.getpid(), 15)"])
def test_the_interpreter_ends_while_a_loader_runs(shards, ending):
    code = f"""
import signal, sys
import mmno_fast as mf
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
loader = mf.Loader(mf.open(sys.argv[1]), 4, shuffle=True, threads=3)
running = iter(loader)
print(next(running).images.shape[0])
{ending}
"""
    assert run(code, shards.path, timeout=30) == ["4"]


def test_several_loaders_run_side_by_side_and_from_several_threads(shards):
    expected = [batch.row_numbers.tolist() for batch in mf.Loader(shards, 4, shuffle=True)]
    loaders = [mf.Loader(shards, 4, shuffle=True, threads=2) for _ in range(4)]
    for together in zip(*loaders, expected, strict=True):
        assert all(batch.row_numbers.tolist() == together[-1] for batch in together[:-1])
    seen: list[Any] = []
    failed: list[BaseException] = []

    def work():
        try:
            seen.extend([batch.row_numbers.tolist() for batch in mf.Loader(shards, 4, shuffle=True, threads=2)] for _ in range(5))
        except BaseException as error:  # noqa: BLE001 - is told below
            failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed
    assert seen == [expected] * 20


def test_threads_that_share_one_epoch_get_every_batch_once(shards, request):
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-5)
    with mf.Loader(shards, 4, shuffle=True, threads=2) as loader:
        for epoch in range(100):
            running = iter(loader)
            seen: list[mf.Batch] = []
            workers = [threading.Thread(target=lambda own=running, into=seen: into.extend(own)) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert sorted(number for batch in seen for number in batch.row_numbers.tolist()) == list(range(40))
            assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (epoch + 1, 0)


def test_a_loader_that_is_closed_under_a_waiting_thread_ends_it(slow):
    with mf.Loader(mf.open(slow / "a.jsonl", slow / "images", image=SPEC), 2, shuffle=False, threads=1) as loader:
        running = iter(loader)
        worker = threading.Thread(target=lambda: list(running))
        worker.start()
        time.sleep(0.1)
        loader.close()
        worker.join(30)
        assert not worker.is_alive()
        assert loader.epoch == 0


def test_an_epoch_that_is_set_while_its_first_batch_is_waited_for_comes_instead(slow):
    with mf.Loader(mf.open(slow / "a.jsonl", slow / "images", image=SPEC), 2, shuffle=False, threads=1) as loader:
        running = iter(loader)
        came: list[mf.Batch] = []
        worker = threading.Thread(target=lambda: came.append(next(running)))
        worker.start()
        time.sleep(0.1)
        loader.set_epoch(5)
        worker.join(30)
        assert [(batch.epoch, batch.position) for batch in came] == [(5, 2)]
        state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (5, 2)


def test_a_state_that_is_loaded_under_waiting_threads_stays(shards):
    with mf.Loader(shards, 4, shuffle=True, threads=2, prefetch=1) as loader:
        state = loader.state_dict() | {"epoch": 7, "position": 20}
        for _ in range(100):
            running = iter(loader)
            workers = [threading.Thread(target=lambda own=running: list(own)) for _ in range(3)]
            for worker in workers:
                worker.start()
            loader.load_state_dict(state)
            for worker in workers:
                worker.join()
            assert loader.state_dict() == state


def test_a_loader_is_not_pickled(shards):
    for what in (mf.Loader(shards, 4, shuffle=True),):
        with pytest.raises(TypeError, match="a Loader cannot be pickled"):
            pickle.dumps(what)


# Ctrl-C and other signals

INTERRUPTED = """
import signal, sys, time
import mmno_fast as mf
source, images, state, threads = sys.argv[1:]
dataset = mf.open(source, images, image=mf.Resize(32, fit="stretch"))
loader = mf.Loader(dataset, 2, shuffle=False, threads=int(threads))
running = iter(loader)
print("ready", flush=True)
try:
    if state == "waiting":
        next(running)
    while state == "iterating":
        for batch in loader:
            pass
    time.sleep(60)
except KeyboardInterrupt:
    print(time.time(), flush=True)
    position = loader.state_dict()["position"]
    del loader, running
    print(position)
"""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("state", ["idle", "iterating", "waiting"])
def test_ctrl_c_works_soon_in_every_state(folder, slow, state, threads):
    """Within 100 ms where the machine is idle: the best of a few."""
    inputs = slow if state == "waiting" else folder
    best = float("inf")
    for delay in (0.15, 0.2, 0.1):
        took, (position,) = interrupt(INTERRUPTED, inputs / "a.jsonl", inputs / "images", state, threads, delay=delay)
        assert int(position) % 2 == 0
        best = min(best, took)
        if best < 0.1:
            return
    assert best < 0.1


HANDLED = """
import faulthandler, signal, sys, time
import mmno_fast as mf
faulthandler.dump_traceback_later(8, exit=True)
source, images, what = sys.argv[1:]
dataset = mf.open(source, images, image=mf.Resize(32, fit="stretch"))
loader = mf.Loader(dataset, 2, shuffle=False, threads=1)
running = iter(loader)
def handle(*_):
    if what == "close":
        loader.close()
    if what == "state":
        print(loader.state_dict()["position"], loader.stats().batches)
    if what == "raise":
        raise TimeoutError
    if what == "exit":
        sys.exit(0)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    print(len(next(running)))
except (StopIteration, mf.ClosedError):
    print("ended")
except TimeoutError:
    print("raised")
"""


@pytest.mark.parametrize(
    ("what", "printed"),
    [
        ("state", [["0", "0", "2"]]),
        ("close", [["ended"], ["2"]]),
        ("raise", [["raised"]]),
        ("exit", [[]]),
    ],
)
def test_a_signals_handler_may_do_what_it_wants_while_a_batch_is_waited_for(slow, what, printed):
    assert run(HANDLED, slow / "a.jsonl", slow / "images", what, timeout=60) in printed
