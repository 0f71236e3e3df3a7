"""Members of JSON, one by one: the way to each, and what it may be instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.building import Json
from tests.random_cases import tries

ODD: list[Any] = [None, True, -1, 0.5, 1e300, 1 << 63, 1 << 64, 10**30, "", "x", "0", [], {}, [1], {"a": 1}, [None]]
"""What a member may be instead."""


def some(number: int, count: int) -> list[Any]:
    """So many of them, others for each number; ten times as many, if there are, in `make nightly`."""
    return [ODD[(number * 5 + i * 7) % len(ODD)] for i in range(min(len(ODD), tries(count)))]


def members(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every member and item of JSON; of long lists, to the first two."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in inner:
        yield from members(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def put(path: tuple[Any, ...], new: Any) -> Callable[[Json], object]:
    return lambda value: at(value, path[:-1]).__setitem__(path[-1], new)


def drop(path: tuple[Any, ...]) -> Callable[[Json], object]:
    return lambda value: at(value, path[:-1]).__delitem__(path[-1])


def text(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    if isinstance(value, list):
        return value[:-1] if value else [1]
    return {**value, "later": 1} if isinstance(value, dict) else 7
