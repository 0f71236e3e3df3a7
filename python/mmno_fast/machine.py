"""What this process may use of the machine, and how work is cut up for it. None of it changes a byte of any result."""

from __future__ import annotations

import os
from typing import Final, SupportsIndex

CHUNK_BYTES: Final = 2**20
"""Bytes of a source that are parsed in one piece."""
WINDOW_PER_THREAD: Final = 8
"""Pieces of work under way for each thread: enough that one slow picture does not stop the others."""


def thread_count(threads: int | None) -> int:
    """`threads`, or where it is None as many as this process has CPUs.

    Raises:
        ValueError: Fewer than one.

    >>> thread_count(3)
    3
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given: object = threads
    if not isinstance(given, SupportsIndex) or threads < 1:
        raise ValueError(f"threads: expected at least 1, found {threads!r}")
    return threads


def threads_of(threads: int | None, *, sharing: int = 1) -> int:
    """`threads`, or where it is None this process's share of its CPUs: those divided by ``LOCAL_WORLD_SIZE``, and by `sharing`."""
    if threads is not None:
        return thread_count(threads)
    local = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, thread_count(None) // (sharing * max(1, int(local) if local.isdigit() else 1)))
