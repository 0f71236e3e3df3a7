"""Which epoch an iteration is: the workers of a `DataLoader` have to agree on it, and each is a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from typing import Any, Final, NamedTuple

import torch
from torch.utils.data import get_worker_info

KEPT: Final = 64
"""Iterations that are remembered: as many as may run, or have workers that are late, at a time."""
NUMBER, SEED, FIRST, TURN, TELLING, EPOCH, FRESH, MADE, WORKERS = range(9)
_POLL: Final = 0.001
"""Seconds."""


class Iteration(NamedTuple):
    """What the workers of one iteration agree on."""

    number: int
    """From 1, of all iterations of the data set."""
    epoch: int
    """The epoch whose batches it hands out."""
    fresh: bool
    """Whether it is the first of its epoch since that was told: a state that was loaded then holds for it."""


class Iterations:
    """The iterations of one data set, in memory that all processes share.

    Worker 0 says which epoch an iteration is, before it makes a batch, and the others look: the consumer takes batch 0 first, and that
    is worker 0's. So there is one writer, and workers that are late, or never get to a batch, have the epoch of their siblings all the
    same. An iteration counts once one of its workers has made a batch: then the next one is of the next epoch.
    """

    def __init__(self, epoch: int = 0) -> None:
        self._process = os.getpid()
        self._told = torch.tensor([epoch, 0]).share_memory_()  # the epoch that was told last; how often one was told
        self._table = torch.zeros((KEPT, 9), dtype=torch.int64).share_memory_()
        self._turn = 0  # iterations that began in this process

    def tell(self, epoch: int) -> None:
        """Let the next iteration be this epoch."""
        self._be_its_own()
        self._told[0] = epoch
        self._told[1] += 1

    def begin(self) -> Iteration:
        """An iteration begins, in this process or, where it is a worker, in several.

        Raises:
            RuntimeError: The process that started this worker is gone.
        """
        self._be_its_own()
        self._turn += 1
        info = get_worker_info()
        if info is None:
            return self._said([0, os.getpid(), self._turn], workers=False)
        # Workers of one iteration have the seed in common and numbers side by side; both may come again, but hardly in one. Those that
        # persist have one more turn for each iteration.
        name = re.search(r"(\d+)$", multiprocessing.current_process().name)
        key = [info.seed - info.id, (int(name[1]) if name else 0) - info.id, self._turn]
        parent = os.getppid()
        while (known := self._found(key, info.num_workers)) is None:
            if info.id == 0:
                return self._said(key, workers=True)
            if os.getppid() != parent:
                raise RuntimeError("the process that started this worker is gone")
            time.sleep(_POLL)
        return known

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
        return int(self._told[0]) if newest is None else int(newest[EPOCH] + newest[MADE])

    @property
    def begun(self) -> bool:
        """Whether a batch was made since an epoch was told."""
        newest = self._newest()
        return newest is not None and bool(newest[MADE] or not newest[FRESH])

    @property
    def in_workers(self) -> bool:
        """Whether the newest iteration since an epoch was told is one of workers."""
        newest = self._newest()
        return newest is not None and bool(newest[WORKERS])

    def _set(self, number: int, field: int, value: int) -> None:
        row = self._table[number % KEPT]
        if int(row[NUMBER]) == number:  # else it is forgotten
            row[field] = value

    def _newest(self) -> Any:
        """The newest row since an epoch was told."""
        row = self._table[int(self._table[:, NUMBER].argmax())].clone()
        return row if row[NUMBER] and row[TELLING] == self._told[1] else None

    def _found(self, key: list[int], workers: int) -> Iteration | None:
        for row in self._table[self._table[:, NUMBER].argsort(descending=True)].tolist():
            same = row[NUMBER] and row[WORKERS] and (row[SEED], row[TURN]) == (key[0], key[2])
            if same and abs(row[FIRST] - key[1]) < workers:
                return Iteration(row[NUMBER], row[EPOCH], bool(row[FRESH]))
        return None

    def _said(self, key: list[int], *, workers: bool) -> Iteration:
        epoch, fresh, number = self.epoch, not self.begun, int(self._table[:, NUMBER].max()) + 1
        row = self._table[number % KEPT]
        row[NUMBER] = 0  # nobody reads it before it is whole
        row[SEED:] = torch.tensor([*key, int(self._told[1]), epoch, fresh, 0, workers])
        row[NUMBER] = number
        return Iteration(number, epoch, fresh)

    def _be_its_own(self) -> None:
        """A process that is no worker, a rank for example, counts for itself and for its workers."""
        if self._process != os.getpid() and get_worker_info() is None:
            self.__init__(int(self._told[0]))  # type: ignore[misc]
