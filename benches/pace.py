"""A consumer that takes a fixed time for each step, and how long it waits for its batches."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Final

import mmno_fast as mf

SPIN: Final = 70e-6
"""A sleep ends this much too late at times: so much of a step is spent in a loop that looks at the clock [seconds]."""


@dataclass(frozen=True)
class Paced:
    """What was found."""

    share: float
    """Of the time, how much the consumer waited, by its own clock."""
    elapsed_error: float
    """How far `stats().elapsed` is from the consumer's clock, as a share of that."""
    waited_error: float
    """How far `stats().waited` is from the consumer's clock, as a share of all the time."""
    step: float
    """Seconds of a step."""
    longest: float
    """The longest wait [seconds]."""


def peak(loader: mf.Loader, batches: int) -> float:
    """Batches a second that a consumer gets who does nothing with them."""
    loader.set_epoch(1)
    feed = iter(loader)
    next(feed)
    began = time.perf_counter()
    for _ in range(batches):
        next(feed)
    return batches / (time.perf_counter() - began)


def paced(loader: mf.Loader, batches: int, step: float) -> Paced:
    """Takes batches, each `step` seconds after the last one was there. Waiting for the first is no part of it.

    As in any loop, a batch goes when the next one has come: letting go of it is no waiting.
    """
    loader.set_epoch(1)
    feed = iter(loader)
    batch = next(feed)
    before = loader.stats()
    waits = []
    began = time.perf_counter()
    for _ in range(batches):
        _busy_until(time.perf_counter() + step)
        asked = time.perf_counter()
        following = next(feed)
        waits.append(time.perf_counter() - asked)
        batch = following
    del batch
    elapsed = time.perf_counter() - began
    after = loader.stats()
    return Paced(
        share=sum(waits) / elapsed,
        elapsed_error=abs(after.elapsed - before.elapsed - elapsed) / elapsed,
        waited_error=abs(after.waited - before.waited - sum(waits)) / elapsed,
        step=step,
        longest=max(waits),
    )


def idle_share(loader: mf.Loader, batches: int, step: float) -> float:
    """What share of its time such a consumer spends asking a generator that does nothing, beside the same loader.

    After a step that moved megabytes, the interpreter itself is no longer in the caches.
    """
    loader.set_epoch(1)
    feed, idle = iter(loader), (nothing for nothing in itertools.repeat(None))
    batch = next(feed)
    asking = 0.0
    began = time.perf_counter()
    for _ in range(batches):
        _busy_until(time.perf_counter() + step)
        asked = time.perf_counter()
        next(idle)
        asking += time.perf_counter() - asked
        batch = next(feed)
    del batch
    return asking / (time.perf_counter() - began)


def _busy_until(end: float) -> None:
    left = end - time.perf_counter() - SPIN
    if left > 0:
        time.sleep(left)
    while time.perf_counter() < end:
        pass
