"""Copies of batches to a device, beside its work: started early, and each slot given back only when nothing reads it any more."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmno_fast import _core
from mmno_fast.loading.batch import Batch as HostBatch
from mmno_fast.spec.output import Output
from mmno_fast.torch.batch import Batch, tensor_of

AHEAD = 1
"""Batches that are copied while the consumer works on one: two lie on the device."""


class Copy(Protocol):
    """A copy that is under way."""

    @property
    def tensor(self) -> Tensor:
        """Where it arrives; to be used after `hand_over`."""

    def is_done(self) -> bool:
        """Whether nothing reads the memory that it comes from any more."""

    def wait(self) -> None:
        """Wait until that is so."""

    def hand_over(self) -> None:
        """Let the consumer's work that is started from now on wait for it, and keep its memory until that work is done."""


class Copier(Protocol):
    """Starts copies to a device."""

    def start(self, numbers: Tensor) -> Copy:
        """Copy `numbers`; returns at once."""


class CudaCopier:
    """Copies to a CUDA device in a stream of its own, beside the stream that computes."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)

    def start(self, numbers: Tensor) -> Copy:
        """Copy `numbers`, which are in page-locked memory; else the copy is right, but the caller waits for it."""
        with torch.cuda.stream(self._stream):
            tensor = numbers.to(self.device, non_blocking=True)
            event = torch.cuda.Event()
            event.record(self._stream)
        return _CudaCopy(tensor, event)


class _CudaCopy:
    def __init__(self, tensor: Tensor, event: torch.cuda.Event) -> None:
        self.tensor = tensor
        self._event = event

    def is_done(self) -> bool:
        return bool(self._event.query())

    def wait(self) -> None:
        self._event.synchronize()

    def hand_over(self) -> None:
        consumer = torch.cuda.current_stream(self.tensor.device)
        consumer.wait_event(self._event)
        # The memory was taken in the copier's stream: it must not be used again there before the consumer's stream is through with it.
        self.tensor.record_stream(consumer)


class Transfer:
    """Batches of one iteration on their way to a device.

    A slot of the core is held, by the host's batch, from the moment that it is filled until its copy is done.
    """

    def __init__(self, copier: Copier) -> None:
        self._copier = copier
        self._read: deque[tuple[HostBatch, Copy]] = deque()  # slots that a copy may still read

    def start(self, core: _core.Batch, output: Output | None, epoch: int, labels: npt.NDArray[np.int64] | None) -> tuple[HostBatch, Copy]:
        """Start the copy of a batch: the batch without its pictures, and the copy."""
        self.give_back()
        host = HostBatch(core, output, epoch, labels)
        copy = self._copier.start(tensor_of(host.numbers, host.dtype))
        self._read.append((host, copy))
        return host.without_pixels(), copy

    def arrive(self, started: tuple[HostBatch, Copy]) -> Batch:
        """The batch on the device. Where its copy is under way, the device waits, not the CPU."""
        self.give_back()
        bare, copy = started
        copy.hand_over()
        return Batch(bare, copy.tensor)

    def give_back(self) -> None:
        """Let go of the slots whose copies are done."""
        while self._read and self._read[0][1].is_done():
            self._read.popleft()

    def close(self) -> None:
        """Wait for copies that are under way, then let go of their slots."""
        while self._read:
            self._read[0][1].wait()
            self._read.popleft()

    def __del__(self) -> None:
        self.close()
