"""How far a job is, for whoever watches it from another thread."""

from __future__ import annotations

from typing import Protocol


class Watched(Protocol):
    """What can be watched: `mmno_fast.Progress`, or `Counters`."""

    def snapshot(self) -> dict[str, int | str]:
        """`stage`, `done`, `total` (0: unknown), `rows`, `pictures`, `bytes`, `rejects`, `decoded`."""


class Counters:
    """The reference engine's progress: it calls this, and `snapshot` has the same shape as `mmno_fast.Progress`.

    >>> counters = Counters()
    >>> counters("build", 2, 8)
    >>> counters.snapshot()["done"]
    2
    """

    def __init__(self) -> None:
        self._latest = ("", 0, 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note how far `stage` is."""
        self._latest = (stage, done, total)  # one assignment: a reader in another thread never sees half of it

    def snapshot(self) -> dict[str, int | str]:
        """The latest call; what the reference engine does not count is 0."""
        stage, done, total = self._latest
        return {"stage": stage, "done": done, "total": total, "rows": 0, "pictures": 0, "bytes": 0, "rejects": 0, "decoded": 0}
