"""An iterable data set for a `DataLoader` with workers: whole batches, in an order that does not depend on the number of workers."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import Any, Final, Unpack

from torch.utils.data import IterableDataset as TorchIterableDataset
from torch.utils.data import get_worker_info

from mmno_fast.errors import state_error
from mmno_fast.loading.loader import Loader
from mmno_fast.loading.ranks import rank_and_world
from mmno_fast.loading.samples import Source
from mmno_fast.machine import threads_of
from mmno_fast.torch.batch import Batch
from mmno_fast.torch.iterations import Iterations
from mmno_fast.torch.options import LoaderOptions

_MOST_EPOCHS: Final = 2**63 - 1  # an epoch and the one behind it are counted in int64


class IterableDataset(TorchIterableDataset[Any]):
    """Batches, for ``DataLoader(dataset, batch_size=None, num_workers=n)``.

    Worker ``w`` of ``n`` makes batches ``w``, ``w + n``, ``w + 2 n``, …; a `DataLoader` takes them in turn, and so hands out batches 0, 1,
    2, … whatever ``n`` is: the very batches, in the very order, that `mmno_fast.Loader` hands out on this rank.

    It shards itself by ranks. Do not give it to Accelerate's ``prepare``, which would shard it again; `mmno_fast.torch.Loader` or a
    `MapDataset` is right there.

    Each ``iter`` is one epoch, 0, 1, 2, …; `set_epoch`, which trainers call, reaches workers that persist, too. In torchdata's
    `StatefulDataLoader` an epoch goes on at the batch where it stood; the number of workers must be the same then. To go on with another
    number of workers or ranks, use `Loader`, whose threads need no workers.

    Args:
        source: As of `mmno_fast.Loader`.
        batch_size: Samples of a batch of this rank.
        shuffle: Whether each epoch has a random order.
        collate: Called with each `Batch`, in the worker; what it returns is handed out, and has to be picklable (a `Batch` is). Under spawn
            so has `collate`. Where it raises, the state stays before that batch. Default: `Batch.to_dict`.
        **options: As of `mmno_fast.Loader`. `rank` and `world_size` are those of the process that makes the object; `threads` are shared
            among the workers of a process.

    >>> import tempfile
    >>> import mmno_fast as mf
    >>> from mmno_fast.demo import draw
    >>> from torch.utils.data import DataLoader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
    ...     batches = IterableDataset(mf.open(report.path), batch_size=8, shuffle=True, seed=7)
    ...     first = next(iter(DataLoader(batches, batch_size=None)))
    >>> len(batches), first["images"].shape, len(first["messages"])
    (3, torch.Size([8, 32, 32, 3]), 8)
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        *,
        shuffle: bool,
        collate: Callable[[Batch], Any] | None = None,
        **options: Unpack[LoaderOptions],
    ) -> None:
        options["rank"], options["world_size"] = rank_and_world(options.get("rank"), options.get("world_size"))
        self._source, self._batch_size, self._shuffle, self._collate = source, batch_size, shuffle, collate
        self._options = options
        self._own: tuple[int, Loader] | None = (os.getpid(), self._made())
        self._iterations = Iterations()
        self._state: dict[str, Any] | None = None  # where the running epoch of this process is
        self._waiting: tuple[int, dict[str, Any]] | None = None  # a state for the next iteration, and the process that it was loaded in

    def __len__(self) -> int:
        """Batches that this rank gets in a whole epoch, from all workers together: what ``len`` of a `DataLoader` says then, too."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches of this worker: of the epoch of a loaded state from there on, else of the next epoch."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        waiting, self._waiting = self._waiting, None
        iteration = self._iterations.begin()
        # A state that was loaded here holds now; one that another process goes on giving to new workers, for its first epoch.
        if waiting is not None and (iteration.fresh or (info is not None and waiting[0] == os.getpid())):
            state = waiting[1]
            self._iterations.correct(iteration.number, state["epoch"])
        else:
            state = self._loader.state_dict() | {"epoch": iteration.epoch, "position": 0}
        if not self._loader.batches_left(state["position"]):
            # The epoch is over. torchdata begins such an iteration and drops it, at times before it has asked for anything.
            self._iterations.count(iteration.number)
        self._state = state
        return self._batches(iteration.number, state["epoch"], state["position"], worker, workers)

    def _batches(self, iteration: int, epoch: int, base: int, worker: int, workers: int) -> Iterator[Any]:
        """Of all batches from `base` on, every `workers`-th, from number `worker` on. The state is behind a batch once it is made.

        An epoch of which none was made does not count: some trainers begin one, and then begin it again.
        """
        loader = self._loader
        loader.set_epoch(epoch)
        size = loader.batch_size * loader.world_size
        left = loader.batches_left(base)
        whole = max(0, loader.sample_count - base) // size if loader.uneven == "short" else left
        mine = range(worker, whole, workers)
        if mine:
            # A worker of a rank is a rank of its own, of `workers` times as many; what is beyond the last batch is not asked for.
            rank, world = worker * loader.world_size + loader.rank, workers * loader.world_size
            with loader.feed(epoch, base, rank=rank, world_size=world, uneven="wrap") as feed:
                for done, number in enumerate(mine, 1):
                    batch = self._handed_out(loader, feed, base + (number + 1) * size, base + done * workers * size)
                    self._iterations.count(iteration)
                    yield batch
        if whole < left and whole % workers == worker:  # the ranks' shares of the rest
            with loader.feed(epoch, base + whole * size) as feed:
                batch = self._handed_out(loader, feed, loader.sample_count, loader.sample_count)
            self._iterations.count(iteration)
            yield batch

    def _handed_out(self, loader: Loader, feed: Any, behind: int, next_here: int) -> Any:
        """The next batch of `feed`, collated: `behind` is the position behind it, `next_here` that of the state."""
        host = loader.fetch(feed)
        if host is None:
            raise RuntimeError("the core made fewer batches than it counted")
        batch = Batch(host)
        batch.position = min(behind, loader.sample_count)  # not that of a rank among workers
        made = batch.to_dict() if self._collate is None else self._collate(batch)  # where it raises, the batch was not handed out
        # Counted in samples of all ranks and workers: there this worker's next batch is number `worker` again.
        if self._state is not None:
            self._state = self._state | {"position": min(next_here, loader.sample_count)}
        return made

    # state ---------------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where this worker's next batch is; as of `mmno_fast.Loader`. What `StatefulDataLoader` asks for in each worker.

        Raises:
            StateError: Workers make the batches, and this is another process, which does not know how far they are.
        """
        if get_worker_info() is None and self._iterations.in_workers:
            raise state_error(
                "workers of a DataLoader make the batches, and only they know how far it is: use torchdata's StatefulDataLoader, and ask "
                "that for its state_dict(), not the data set"
            )
        if self._waiting is not None:
            return dict(self._waiting[1])
        if self._state is None:
            return self._loader.state_dict() | {"epoch": self._iterations.epoch, "position": 0}
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state` with the next ``iter``.

        Raises:
            StateError: Not a state; it belongs to other data, or has another seed.
        """
        seed = self._options.get("seed", 0)
        try:
            found = state.get("seed", seed)
        except AttributeError:
            found = seed  # not a state at all, as the loader says
        if found != seed:
            raise state_error(f"a state with seed {found}, of a data set with seed {seed}: make it with the state's seed")
        self._loader.load_state_dict(state)
        loaded = self._loader.state_dict()
        if loaded["epoch"] >= _MOST_EPOCHS:
            raise state_error(f"a state of epoch {loaded['epoch']}; this version counts up to {_MOST_EPOCHS - 1}")
        self._waiting, self._state = (os.getpid(), loaded), None
        if get_worker_info() is None:  # else it is for this worker alone
            self._iterations.tell(loaded["epoch"])

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``iter``, in every worker, be this epoch, from its beginning: what trainers call.

        A state of that very epoch, that was loaded and not gone on from yet, stays.
        """
        try:
            number = -1 if isinstance(epoch, bool) else operator.index(epoch)
        except TypeError:
            number = -1
        if not 0 <= number < _MOST_EPOCHS:
            raise ValueError(f"epoch: expected a number of at least 0 and below 2**63 - 1, found {epoch!r}")
        if self._waiting is not None and (self._waiting[1]["epoch"] != number or self._iterations.begun):
            self._waiting = None
        self._iterations.tell(number)

    # processes -----------------------------------------------------------------------------------------------------------------

    @property
    def _loader(self) -> Loader:
        """The loader of this process; it has no threads but while an epoch runs."""
        if self._own is None or self._own[0] != os.getpid():
            self._own = (os.getpid(), self._made())
        return self._own[1]

    def _made(self) -> Loader:
        info = get_worker_info()
        options = self._options | {"threads": threads_of(self._options.get("threads"), sharing=info.num_workers if info else 1)}
        return Loader(self._source, self._batch_size, shuffle=self._shuffle, **options)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_own": None}

    def __repr__(self) -> str:
        return f"IterableDataset({self._source!r}, batches of {self._batch_size})"
