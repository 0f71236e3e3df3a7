"""Which rank this process is, and how many there are."""

from __future__ import annotations

import os
import sys
import warnings
from typing import SupportsIndex


def rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """What the caller says; else `torch.distributed` where it is initialised, else ``RANK`` and ``WORLD_SIZE``, else 0 of 1.

    Values that contradict the surroundings warn: ranks that all read as rank 0 train on the same rows, and nothing else shows it.

    Raises:
        ValueError: A rank that is not below the number of ranks, or an environment that is no number.
    """
    found = surroundings()
    if rank is None and world_size is None:
        rank, world_size = found or (0, 1)
    elif rank is None or world_size is None:
        raise ValueError("rank and world_size go together")
    elif found is not None and found != (rank, world_size):
        message = f"rank {rank} of {world_size} was asked for, but this process is rank {found[0]} of {found[1]}"
        warnings.warn(message, UserWarning, stacklevel=3)
    if not all(isinstance(number, SupportsIndex) for number in (rank, world_size)) or world_size < 1:
        raise ValueError(f"rank and world_size: expected whole numbers, and at least one rank, found {rank!r} and {world_size!r}")
    if not 0 <= rank < world_size:
        raise ValueError(f"rank: expected 0 to world_size - 1 = {world_size - 1}, found {rank}")
    return rank, world_size


def warn_of_late_ranks(rank: int, world_size: int, known: tuple[int, int] | None) -> None:
    """Warn where this process became another rank than `rank` after `known`, what `surroundings` said then, was asked for.

    A trainer that starts the ranks itself, as Lightning does, does so after the loader was made.
    """
    found = surroundings()
    if found not in {known, (rank, world_size), None}:
        now, then = f"rank {found[0]} of {found[1]}", f"rank {rank} of {world_size}"
        message = f"this process is {now} by now, but its loader was made before, as {then}: make it anew"
        warnings.warn(message, UserWarning, stacklevel=3)


def surroundings() -> tuple[int, int] | None:
    """Rank and number of ranks, by `torch.distributed` or else the environment; None where neither knows.

    Raises:
        ValueError: An environment that is no number.
    """
    torch = sys.modules.get("torch")  # never imported here
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank()), int(distributed.get_world_size())
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return _number("RANK"), _number("WORLD_SIZE")
    return None


def _number(name: str) -> int:
    try:
        return int(os.environ[name])
    except ValueError:
        raise ValueError(f"{name}: expected a number in the environment, found {os.environ[name]!r}") from None
