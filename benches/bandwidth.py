"""What the memory of this machine allows: copying and filling, by one thread or several."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def buffers(count: int, size: int) -> list[Bytes]:
    """Memory whose pages are there already."""
    return [np.ones(size, np.uint8) for _ in range(count)]


def copy(sources: Sequence[Bytes], targets: Sequence[Bytes], threads: int) -> float:
    """Seconds to copy every source, one after the other, into the targets in turn."""

    def part(number: int) -> None:
        for at, source in enumerate(sources):
            piece = _piece(len(source), number, threads)
            np.copyto(targets[at % len(targets)][piece], source[piece])

    return _together(part, threads)


def fill(targets: Sequence[Bytes], times: int, threads: int) -> float:
    """Seconds to fill the targets in turn, so many of them."""

    def part(number: int) -> None:
        for at in range(times):
            target = targets[at % len(targets)]
            target[_piece(len(target), number, threads)].fill(at % 256)

    return _together(part, threads)


def _piece(length: int, number: int, threads: int) -> slice:
    return slice(length * number // threads, length * (number + 1) // threads)


def _together(part: Callable[[int], Any], threads: int) -> float:
    others = [threading.Thread(target=part, args=(number,)) for number in range(1, threads)]
    began = time.perf_counter()
    for other in others:
        other.start()
    part(0)
    for other in others:
        other.join()
    return time.perf_counter() - began
