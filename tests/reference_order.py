"""The order of samples, and which rank gets which, in plain Python: the slow twin of `src/load/order.rs`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from blake3 import blake3

ROUNDS = 12
TABLE = 4096
WORD = 2**64


def drawn(seed: int, epoch: int, length: int) -> Iterator[int]:
    """Numbers below 2**64, from BLAKE3 of the three."""
    key = b"mmno_fast order 1" + b"".join(number.to_bytes(8, "little") for number in (seed, epoch, length))
    stream = blake3(key)
    at = 0
    while True:
        block = stream.digest(length=1024, seek=at)
        for start in range(0, 1024, 8):
            yield int.from_bytes(block[start : start + 8], "little")
        at += 1024


def order(length: int, seed: int, epoch: int, positions: Iterator[int] | range | None = None) -> list[int]:
    """The samples of an epoch: all of them, or those at some positions."""
    numbers = drawn(seed, epoch, length)
    if length <= TABLE:
        table = shuffled(length, numbers)
        return table if positions is None else [table[position] for position in positions]
    keys = [next(numbers) for _ in range(ROUNDS)]
    return [walked(position, length, keys) for position in (range(length) if positions is None else positions)]


def shuffled(length: int, numbers: Iterator[int]) -> list[int]:
    """Fisher and Yates."""
    table = list(range(length))
    for i in range(length - 1, 0, -1):
        j = below(i + 1, numbers)
        table[i], table[j] = table[j], table[i]
    return table


def below(bound: int, numbers: Iterator[int]) -> int:
    """A number below `bound`: what an incomplete last run of numbers would favour is drawn again."""
    while (number := next(numbers)) >= WORD - 1 - (WORD - 1) % bound:
        pass
    return number % bound


def walked(position: int, length: int, keys: list[int]) -> int:
    """A network over pairs that are at least as many as samples; what falls outside goes through again."""
    left = math.isqrt(length) + 1
    right = -(-length // left)
    while True:
        a, b = divmod(position, right)
        for i in range(0, ROUNDS, 2):
            a = (a + mixed(b ^ keys[i]) * left // WORD) % left
            b = (b + mixed(a ^ keys[i + 1]) * right // WORD) % right
        position = a * right + b
        if position < length:
            return position


def mixed(z: int) -> int:
    """The finaliser of SplitMix64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


# ranks


def batches(samples: list[int], batch_size: int, rank: int, world_size: int, uneven: str, start: int = 0) -> list[tuple[list[int], int]]:
    """What one rank gets of an epoch from a position on: of each batch its samples, and the position after it."""
    step = batch_size * world_size
    if uneven == "raise" and len(samples) % step:
        raise ValueError
    made = []
    for at in range(start, len(samples), step):
        whole = samples[at : at + step]
        if len(whole) < step and uneven in {"drop", "raise"}:
            break
        if len(whole) < step and uneven == "wrap":
            whole += [samples[i % len(samples)] for i in range(at + len(whole), at + step)]
        if len(whole) < step:
            own = whole[len(whole) * rank // world_size : len(whole) * (rank + 1) // world_size]
        else:
            own = whole[rank * batch_size : (rank + 1) * batch_size]
        if own:
            made.append((own, min(at + step, len(samples))))
    return made


def seen_by_all(samples: list[int], batch_size: int, world_size: int, uneven: str, start: int = 0) -> list[int]:
    """What the mode promises that all ranks see together, in order: with `drop` without the rest, with `wrap` its first samples again."""
    step = batch_size * world_size
    left = samples[start:]
    rest = len(left) % step
    if not rest or uneven == "short":
        return left
    if uneven == "drop":
        return left[: len(left) - rest]
    return left + [samples[i % len(samples)] for i in range(step - rest)]
