"""The options of `mmno_fast.Loader`, as the classes here take them, too."""

from __future__ import annotations

from typing import Literal, TypedDict

from mmno_fast.loading.loader import Uneven
from mmno_fast.spec.output import Output


class LoaderOptions(TypedDict, total=False):
    """As of `mmno_fast.Loader`."""

    seed: int
    uneven: Uneven | None
    rank: int | None
    world_size: int | None
    threads: int | None
    prefetch: int
    prefetch_bytes: int
    output: Output | None
    channels: Literal["rgb", "stored"]
    group_by_picture: bool
    memory_bytes: int
    on_error: Literal["raise", "skip"]
