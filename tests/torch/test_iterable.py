"""`IterableDataset`: the loader's batches in the loader's order, from any number of workers; and with torchdata's StatefulDataLoader."""

import copy
import itertools
import pickle
import shutil
import threading
import time
import warnings
from typing import Any

import mmno_fast as mf
import pytest
import torch
from mmno_fast.torch import IterableDataset
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # more workers than CPUs
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # torchdata calls it
]


def numbers(batches):
    return [batch["row"].tolist() for batch in batches]


def expected(dataset, batch_size, **options):
    """Of two epochs, what `mmno_fast.Loader` hands out."""
    with warnings.catch_warnings(), mf.Loader(dataset, batch_size, **options) as loader:
        return [[batch.row_numbers.tolist() for batch in loader] for _ in range(2)]


def epochs_of(dataset, batch_size, count, seed=0):
    """Of so many epochs, what `mmno_fast.Loader` hands out, shuffled."""
    with mf.Loader(dataset, batch_size, shuffle=True, seed=seed) as loader:
        return [[batch.row_numbers.tolist() for batch in loader] for _ in range(count)]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("uneven", ["drop", "wrap", "short"])
def test_the_order_of_the_loader(shards, workers, uneven):
    options = {"shuffle": True, "seed": 3, "uneven": uneven}
    for rank, world in ((0, 1), (1, 2), (2, 3)) if workers != 1 else ((0, 1),):
        own = {**options, "rank": rank, "world_size": world}
        batches = DataLoader(IterableDataset(shards, 13, **own), batch_size=None, num_workers=workers)
        epochs = expected(shards, 13, **own)
        assert len(batches) == len(epochs[0])
        assert [numbers(batches) for _ in range(2)] == epochs


@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_other_ways_to_start_workers(raw, context):
    batches = IterableDataset(raw, 32, shuffle=False)
    loader = DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context=context, persistent_workers=True)
    first, second = expected(raw, 32, shuffle=False)
    assert numbers(loader) == first
    assert numbers(loader) == second


def test_set_epoch_reaches_workers_that_persist(shards):
    batches = IterableDataset(shards, 32, shuffle=True)
    loader = DataLoader(batches, batch_size=None, num_workers=2, persistent_workers=True)
    first = numbers(loader)
    second = numbers(loader)
    assert first != second
    batches.set_epoch(0)
    assert numbers(loader) == first
    assert numbers(loader) == second  # and the one after it
    batches.set_epoch(1)
    assert numbers(loader) == second


def late(worker):
    """Worker 0 hands out a batch long before the others have begun."""
    time.sleep(0.7 * worker)


@pytest.mark.parametrize("context", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("reseeded", [False, True])
def test_an_epoch_that_is_left_early_leaves_all_workers_alike(shards, context, reseeded):
    batches = IterableDataset(shards, 8, shuffle=True, seed=7)
    loader = DataLoader(batches, batch_size=None, num_workers=3, multiprocessing_context=context, worker_init_fn=late)
    _, *whole = epochs_of(shards, 8, 3, seed=7)
    found = []
    for peeks in (True, False, False):
        if reseeded:  # all iterations have the same seed
            torch.manual_seed(5)
        found.append([next(iter(loader))["row"].tolist()] if peeks else numbers(loader))
    assert found[1:] == whole


def test_workers_that_persist_and_are_late_do_not_count_for_the_next_epoch(shards):
    first, second = expected(shards, 8, shuffle=True)
    batches = IterableDataset(shards, 8, shuffle=True)
    loader = DataLoader(batches, batch_size=None, num_workers=2, persistent_workers=True, worker_init_fn=late)
    next(iter(loader))
    batches.set_epoch(0)
    assert numbers(loader) == first
    assert numbers(loader) == second
    next(iter(loader))
    assert numbers(loader) == epochs_of(shards, 8, 4)[3]


def rank(batches, workers, number, queue):
    torch.manual_seed(number)
    loader = DataLoader(batches, batch_size=None, num_workers=workers)
    queue.put([numbers(loader) for _ in range(2)])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_ranks_that_were_given_the_same_data_set_count_for_themselves(shards, method, workers):
    """As `torch.multiprocessing.spawn` gives it: in shared memory."""
    batches = IterableDataset(shards, 32, shuffle=True)
    context = torch.multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    wanted = expected(shards, 32, shuffle=True)
    for number in range(2):
        process = context.Process(target=rank, args=(batches, workers, number, queue))
        process.start()
        assert queue.get() == wanted
        process.join()
    assert numbers(batches) == wanted[0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda batches: pickle.loads(pickle.dumps(batches))], ids=["copied", "pickled"])
def test_a_copy_counts_for_itself(shards, copied):
    first, second, third = epochs_of(shards, 32, 3)
    batches = IterableDataset(shards, 32, shuffle=True)
    assert numbers(batches) == first
    other = copied(batches)
    loader = DataLoader(other, batch_size=None, num_workers=2)
    assert [numbers(loader), numbers(loader)] == [second, third]
    assert numbers(DataLoader(batches, batch_size=None, num_workers=2)) == second


def test_threads_that_start_workers_at_once_have_whole_epochs(shards):
    found = {}

    def run(name):
        loader = DataLoader(IterableDataset(shards, 32, shuffle=True), batch_size=None, num_workers=3)
        found[name] = [numbers(loader) for _ in range(3)]

    threads = [threading.Thread(target=run, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [epochs_of(shards, 32, 3)] * 2


def failing(worker):
    if worker == 0:
        raise RuntimeError("not this one")


def test_a_worker_that_fails_is_told_at_once(shards):
    """Its siblings do not wait for it."""
    loader = DataLoader(IterableDataset(shards, 32, shuffle=True), batch_size=None, num_workers=3, worker_init_fn=failing)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="not this one"):
        next(iter(loader))
    assert time.monotonic() - began < 4  # PyTorch gives each worker that does not end 5 s


def places(batch):
    return batch.epoch, batch.position


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("uneven", ["short", "wrap"])
def test_positions_do_not_depend_on_workers(shards, workers, uneven):
    batches = IterableDataset(shards, 13, shuffle=True, uneven=uneven, collate=places)
    with mf.Loader(shards, 13, shuffle=True, uneven=uneven) as loader:
        wanted = [(batch.epoch, batch.position) for batch in loader]
    assert [tuple(place) for place in DataLoader(batches, batch_size=None, num_workers=workers)] == wanted


def rows_and_sum(batch):
    return len(batch), int(batch.images.sum())


def test_collate_runs_in_the_worker(shards):
    batches = IterableDataset(shards, 50, shuffle=False, collate=rows_and_sum)
    loader = DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert [rows for rows, _ in loader] == [50, 50, 50, 50, 10]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_stateful_dataloader_goes_on(shards, workers, stop):
    def made():
        batches = IterableDataset(shards, 32, shuffle=True, uneven="short")
        return StatefulDataLoader(batches, batch_size=None, num_workers=workers)

    first, second = expected(shards, 32, shuffle=True, uneven="short")
    assert len(first) == 7
    loader = made()
    assert numbers(loader) == first
    state = None
    for i, batch in enumerate(loader, 1):
        assert batch["row"].tolist() == second[i - 1]
        if i == stop:
            state = loader.state_dict()
            break
    resumed = made()
    resumed.load_state_dict(state)
    assert numbers(resumed) == second[stop:]
    third = numbers(resumed)
    assert sorted(itertools.chain(*third)) == list(range(len(shards)))
    assert third not in (first, second)


def test_a_state_at_the_end_of_an_epoch(shards):
    def made():
        return StatefulDataLoader(IterableDataset(shards, 32, shuffle=True), batch_size=None, num_workers=2)

    first, second = expected(shards, 32, shuffle=True)
    loader = made()
    assert numbers(loader) == first
    resumed = made()
    resumed.load_state_dict(loader.state_dict())
    assert numbers(resumed) == second


def test_an_epoch_that_is_over_counts_though_nobody_asks_for_its_end(shards):
    """Torchdata begins an iteration with the state of one that was over, drops it, and begins the next: its workers may not have run."""
    _, second = expected(shards, 32, shuffle=True)
    batches = IterableDataset(shards, 32, shuffle=True)
    assert len(list(batches)) == len(batches)
    state = batches.state_dict()
    resumed = IterableDataset(shards, 32, shuffle=True)
    resumed.load_state_dict(state)
    iter(resumed)
    assert numbers(resumed) == second


def test_state_of_the_data_set_itself(shards):
    batches = IterableDataset(shards, 32, shuffle=True)
    running = iter(batches)
    for _ in range(2):
        next(running)
    state = batches.state_dict()
    rest = [batch["row"].tolist() for batch in running]
    # A data loader's workers start from it, too, however many there are.
    for workers in (0, 2):
        again = IterableDataset(shards, 32, shuffle=True)
        again.load_state_dict(state)
        assert again.state_dict() == state
        assert numbers(DataLoader(again, batch_size=None, num_workers=workers)) == rest
    with mf.Loader(shards, 32, shuffle=True) as loader:
        loader.load_state_dict(state)
        assert [batch.row_numbers.tolist() for batch in loader] == rest


def test_what_is_refused(shards):
    batches = IterableDataset(shards, 32, shuffle=True)
    with pytest.raises(mf.StateError, match="belongs to other data"):
        batches.load_state_dict(IterableDataset(shards, 32, shuffle=False).state_dict())
    with pytest.raises(mf.StateError, match="seed 5"):
        batches.load_state_dict(batches.state_dict() | {"seed": 5})
    no_states: list[Any] = [None, [], "state", {}, batches.state_dict() | {"epoch": None}]
    for nothing in no_states:
        with pytest.raises(mf.StateError, match="not the state of a loader"):
            batches.load_state_dict(nothing)
    with pytest.raises(mf.StateError, match=f"a state of epoch {2**63}"):
        batches.load_state_dict(batches.state_dict() | {"epoch": 2**63})
    no_epochs: list[Any] = [-1, 1.5, "1", None, True, 2**63, 2**63 - 1]
    for epoch in no_epochs:
        with pytest.raises(ValueError, match=f"epoch: expected a number .* found {epoch!r}"):
            batches.set_epoch(epoch)
    assert batches.state_dict()["epoch"] == 0
    batches.set_epoch(2**63 - 2)
    assert next(iter(batches))["row"].shape == (32,)
    batches.set_epoch(torch.tensor(3))
    with pytest.raises(ValueError, match="do not make whole batches"):
        IterableDataset(shards, 32, shuffle=False, uneven="raise")


def test_an_error_reaches_the_consumer_with_its_row(drawn, raw, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(drawn.images, images)
    victim = images / raw[100]["image_names"][0]
    victim.write_bytes(victim.read_bytes()[:-1000])
    batches = IterableDataset(mf.open(drawn.sources, images, image=mf.Resize(64, fit="stretch")), 16, shuffle=False)
    with pytest.raises(mf.DataError, match=r"train_\w+\.jsonl"):
        list(DataLoader(batches, batch_size=None, num_workers=1))


def test_labels(shards):
    batches = DataLoader(IterableDataset(shards.pictures.labelled(), 8, shuffle=False), batch_size=None)
    assert torch.cat([batch["labels"] for batch in batches]).tolist() == shards.pictures.labelled().labels.tolist()


def test_a_batch_whose_collate_raises_was_not_handed_out(shards):
    failing = [False]

    def collate(batch):
        if failing[0]:
            raise KeyboardInterrupt
        return batch.to_dict()

    first = expected(shards, 32, shuffle=True)[0]
    batches = IterableDataset(shards, 32, shuffle=True, collate=collate)
    running = iter(batches)
    for _ in range(2):
        next(running)
    failing[0] = True
    with pytest.raises(KeyboardInterrupt):
        next(running)
    failing[0] = False
    state = batches.state_dict()
    assert (state["epoch"], state["position"]) == (0, 64)
    batches.load_state_dict(state)
    assert numbers(batches) == first[2:]


def test_another_process_than_the_workers_does_not_guess_a_state(shards):
    batches = IterableDataset(shards, 32, shuffle=True)
    start = batches.state_dict()
    running = iter(DataLoader(batches, batch_size=None, num_workers=2))
    next(running)
    with pytest.raises(mf.StateError, match="StatefulDataLoader"):
        batches.state_dict()
    del running
    batches.set_epoch(4)
    assert batches.state_dict() == start | {"epoch": 4}
    batches.load_state_dict(start | {"position": 64})
    assert batches.state_dict() == start | {"position": 64}
    list(DataLoader(batches, batch_size=None, num_workers=2))
    with pytest.raises(mf.StateError, match="StatefulDataLoader"):
        batches.state_dict()
    next(iter(batches))  # in this process it is known again
    assert batches.state_dict() == start | {"epoch": 1, "position": 32}


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_go_on_from_a_loaded_state_once(shards, persistent):
    first, second = expected(shards, 32, shuffle=True)
    batches = IterableDataset(shards, 32, shuffle=True)
    batches.load_state_dict(batches.state_dict() | {"position": 64})
    loader = DataLoader(batches, batch_size=None, num_workers=2, persistent_workers=persistent)
    assert [numbers(loader), numbers(loader)] == [first[2:], second]
    batches.load_state_dict(IterableDataset(shards, 32, shuffle=True).state_dict() | {"position": 32})
    if not persistent:  # those that are there already have no way to hear of it
        assert [numbers(loader), numbers(loader)] == [first[1:], second]


def test_an_epoch_that_is_told_ends_the_wait_for_another(shards):
    first, second = expected(shards, 32, shuffle=True)
    batches = IterableDataset(shards, 32, shuffle=True)
    state = batches.state_dict() | {"position": 64}
    batches.load_state_dict(state)
    batches.set_epoch(0)  # trainers tell it before each epoch
    assert numbers(batches) == first[2:]
    batches.load_state_dict(state)
    batches.set_epoch(1)
    assert numbers(batches) == second
