"""Which epoch an iteration is: the workers of a `DataLoader` have to agree on it, and each is a process of its own.

A `DataLoader` tells nobody that an iteration begins: it starts workers, in the order of their ids, from one thread; or it lets workers that
persist begin again. Each thread therefore numbers the processes that it starts, and each process knows its number: number minus id is the
same for all workers of one start, and for no others. Which of their iterations it is, each worker counts for itself.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from typing import Any, Final, NamedTuple

import numpy as np
from torch.utils.data import get_worker_info

KEPT: Final = 1024
"""Iterations that are remembered, of all processes that share a data set: as many as may run, or have workers that are late, at a time."""
NUMBER, OWNER, STARTED, TURN, EPOCH, FRESH, MADE, KIND = range(8)
"""The columns of the table, of int64."""
_SHAPE: Final = (KEPT, KIND + 1)
_BYTES: Final = KEPT * (KIND + 1) * 8
TOLD, HERE, WORKERS = range(3)
"""Kinds of rows: an epoch was told; an iteration of the process itself; one of workers."""


class Iteration(NamedTuple):
    """What the workers of one iteration agree on."""

    number: int
    """From 1, of all iterations of the data set."""
    epoch: int
    """The epoch whose batches it hands out."""
    fresh: bool
    """Whether it is the first of its epoch since that was told: a state that was loaded then holds for it."""


class Iterations:
    """The iterations of one data set, in memory that processes share; each process counts its own and those of its workers.

    Whichever worker comes first says which epoch the iteration is, and the others find it said, however late they are. An iteration counts
    once a worker has made a batch, whether or not it was taken: then the next one is of the next epoch.
    """

    def __init__(self, epoch: int = 0) -> None:
        self._begin_anew(epoch)

    def _begin_anew(self, epoch: int) -> None:
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a file without a name
        with tempfile.TemporaryFile(dir=shared) as file:
            file.truncate(_BYTES)
            self._share(os.dup(file.fileno()))
        self._told = epoch
        self._turn = 0  # iterations that began in this process

    def tell(self, epoch: int) -> None:
        """Let the next iteration be this epoch."""
        self._told = epoch
        with self._locked():
            self._write({OWNER: _process.number, EPOCH: epoch, FRESH: 1, KIND: TOLD})

    def begin(self) -> Iteration:
        """An iteration begins, in this process or, where it is a worker, in several."""
        self._turn += 1
        info = get_worker_info()
        row = {OWNER: _owner(), TURN: self._turn, KIND: HERE}
        if info is not None:
            row |= {STARTED: _process.start - info.id, KIND: WORKERS}
        with self._locked():
            found = self._found(row) if info is not None else None
            if found is None:
                found = self._write(row | {EPOCH: self.epoch, FRESH: int(not self.begun)})
            return Iteration(int(found[NUMBER]), int(found[EPOCH]), bool(found[FRESH]))

    def correct(self, number: int, epoch: int) -> None:
        """Iteration `number` is of this epoch: its workers were given a state each."""
        self._set(number, EPOCH, epoch)

    def count(self, number: int) -> None:
        """A batch of iteration `number` was made."""
        self._set(number, MADE, 1)

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        newest = self._newest()
        return self._told if newest is None else int(newest[EPOCH] + newest[MADE])

    @property
    def begun(self) -> bool:
        """Whether a batch was made since an epoch was told."""
        newest = self._newest()
        return newest is not None and bool(newest[MADE] or not newest[FRESH])

    @property
    def in_workers(self) -> bool:
        """Whether the newest iteration since an epoch was told is one of workers."""
        newest = self._newest()
        return newest is not None and bool(newest[KIND] == WORKERS)

    def _newest(self) -> Any:
        """The newest row of this process and its workers."""
        own = np.flatnonzero((self._table[:, OWNER] == _owner()) & (self._table[:, NUMBER] > 0))
        return self._table[own[self._table[own, NUMBER].argmax()]].copy() if own.size else None

    def _found(self, row: dict[int, int]) -> Any:
        """What a sibling of this worker wrote."""
        same = self._table[:, NUMBER] > 0
        for field in (OWNER, STARTED, TURN, KIND):
            same &= self._table[:, field] == row[field]
        siblings = np.flatnonzero(same)
        return self._table[siblings[0]].copy() if siblings.size else None

    def _write(self, row: dict[int, int]) -> Any:
        number = int(self._table[:, NUMBER].max()) + 1
        made = np.zeros(_SHAPE[1], np.int64)
        for field, value in (row | {NUMBER: number}).items():
            made[field] = value
        self._table[number % KEPT] = made
        return made

    def _set(self, number: int, field: int, value: int) -> None:
        row = self._table[number % KEPT]
        if row[NUMBER] == number:  # else it is forgotten
            row[field] = value

    # memory that processes share -----------------------------------------------------------------------------------------------

    def _share(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._table = np.frombuffer(mmap.mmap(descriptor, _BYTES), np.int64).reshape(_SHAPE)
        self._threads, self._locked_in = threading.Lock(), os.getpid()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._locked_in != os.getpid():  # forked, perhaps while another thread held it
            self._threads, self._locked_in = threading.Lock(), os.getpid()
        with self._threads:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)  # of processes; it ends with the process that holds it
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def __getstate__(self) -> dict[str, Any]:
        """A process that is being started shares the memory, and gets its number; any other copy counts for itself."""
        popen = get_spawning_popen()
        return {
            "descriptor": reduction.DupFd(self._descriptor) if popen is not None else None,
            "started": (_process.number, _starts.number_of(popen)) if popen is not None else None,
            "told": self._told,
            "turn": self._turn,
            "epoch": self.epoch,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["descriptor"] is None:
            self._begin_anew(state["epoch"])
        else:
            self._share(state["descriptor"].detach())
            self._told, self._turn = state["told"], state["turn"]
            _process.parent, _process.start = state["started"]

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


# processes ---------------------------------------------------------------------------------------------------------------------


def _drawn() -> int:
    """A number that no other process and no other thread draws; not one of `random`, which workers seed alike."""
    return int.from_bytes(os.urandom(8)) >> 2


class _Process:
    """This process, and how it was started."""

    def __init__(self) -> None:
        self.number = _drawn()
        """Its own."""
        self.parent = 0
        """That of the process that started it."""
        self.start = 0
        """Its number among the processes that the same thread started: see `_Starts`."""


class _Starts(threading.local):
    """The processes that a thread starts, numbered one after the other from a number that the thread draws."""

    def __init__(self) -> None:
        self.newest = _drawn()
        self._popen: weakref.ref[Any] | None = None

    def number_of(self, popen: Any) -> int:
        """The number of a process that is being spawned; several data sets may go to it."""
        if self._popen is None or self._popen() is not popen:
            self._popen = weakref.ref(popen)
            self.newest += 1
        return self.newest

    def fork(self) -> None:
        """A process is about to be forked."""
        self.newest += 1


_process = _Process()
_starts = _Starts()


def _forked() -> None:
    """In the child, in the thread that forked it."""
    _process.parent, _process.start = _process.number, _starts.newest
    _process.number = _drawn()


os.register_at_fork(before=_starts.fork, after_in_child=_forked)


def _owner() -> int:
    """The process whose iteration this is: of a worker, the one that started it."""
    return _process.number if get_worker_info() is None else _process.parent
