"""Errors that the Python side raises itself, in the shape that the core gives them."""

from __future__ import annotations

import os

from mmno_fast import _core
from mmno_fast.escape import shown


def shard_error(path: str | os.PathLike[str], message: str) -> _core.ShardError:
    """A `ShardError` about the file or folder at `path`, to be raised.

    >>> str(shard_error("shards", "no manifest.json"))
    'shards: no manifest.json'
    """
    error = _core.ShardError(f"{shown(path)}: {message}")
    error.code = None
    error.path = os.fspath(path)
    error.line = None
    error.byte = None
    return error


def state_error(message: str) -> _core.StateError:
    """A `StateError` that says no more than this."""
    error = _core.StateError(message)
    error.code = error.path = error.line = error.byte = None
    return error
