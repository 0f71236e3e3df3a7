"""Where the time of a loader goes: counters, and what they mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from mmno_fast.machine import thread_count

WINDOW: Final = 60.0
"""So many seconds are looked at, each time anew."""
WARN_SHARE: Final = 0.05
"""A consumer that waits more than this share of them is told so."""
SATURATED: Final = 0.7
"""Workers that are busy for this share of the time are the limit."""
FEW: Final = 8
"""With fewer batches, nothing can be said of waiting."""
HIDDEN: Final = 0.01
"""A consumer that waits less than this does not wait."""


@dataclass(frozen=True, kw_only=True)
class LoaderStats:
    """What a loader has done so far, over all its epochs. Times are seconds."""

    batches: int
    """Batches handed out."""
    rows: int
    """Rows in them."""
    pictures: int
    """Pictures in them."""
    bytes: int
    """Bytes of those pictures, as handed out."""
    elapsed: float
    """From the first time that a batch was asked for to the last time that one was handed out, pauses between iterations left out."""
    waited: float
    """How long the consumer waited for batches within that time."""
    threads: int
    """Threads that make batches."""
    busy: dict[str, float] = field(default_factory=dict)
    """Work by stage, over all threads: ``plan``, ``rows``, ``read``, ``decode``, ``output``."""
    decoded: int
    """Pictures decoded."""
    remembered: int
    """Pictures taken from the memory of decoded ones."""
    memory_bytes: int
    """Bytes that this memory holds."""
    skipped: int
    """Rows left out because a picture of theirs cannot be decoded."""
    slots: int
    """Slots that were made: `prefetch` and one, and as many as the consumer keeps."""
    slot_bytes: int
    """Bytes of all slots."""

    @property
    def wait_share(self) -> float:
        """The share of the time that the consumer waited, 0 to 1."""
        return self.waited / self.elapsed if self.elapsed else 0.0

    @property
    def busy_share(self) -> float:
        """The share of the time that the threads worked, 0 to 1."""
        able = min(self.threads, thread_count(None))  # more threads than CPUs do no more
        return min(1.0, sum(self.busy.values()) / (self.elapsed * able)) if self.elapsed else 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows handed out a second."""
        return self.rows / self.elapsed if self.elapsed else 0.0

    @property
    def limit(self) -> str:
        """What limits.

        ``"consumer"``, a stage, ``"hand-over"`` where workers are idle and the consumer waits all the same, or ``"start"`` where so few
        batches were handed out that the first one is most of it.
        """
        if self.batches < FEW:
            return "start"
        if self.wait_share < HIDDEN:
            return "consumer"
        if self.busy_share < SATURATED:
            return "hand-over"
        return max(self.busy, key=self.busy.__getitem__)

    @property
    def advice(self) -> str:
        """The next thing to turn."""
        every = thread_count(None)
        more = f"; threads={every} would use every CPU of this process" if self.threads < every else ""
        once = (
            "build shards once"
            if self.memory_bytes
            else "build shards once, or give the loader memory_bytes: a shared picture is then decoded once"
        )
        return {
            "start": "too early to say: ask again after more batches",
            "consumer": "nothing: batches are there before they are asked for",
            "hand-over": "workers idle while the consumer waits: try a larger prefetch or batch_size; is other work on these CPUs?",
            "plan": "look for a data set of many tiny pictures: a larger batch_size spreads the cost",
            "rows": "long texts: a larger batch_size spreads the cost" + more,
            "read": "the disk limits: move the pictures to a faster one, or build shards" + more,
            "decode": f"decoding limits: {once}" + more,
            "output": "writing batches limits: choose a smaller dtype (uint8, and normalise on the device)" + more,
        }[self.limit]

    def to_dict(self) -> dict[str, Any]:
        """Flat numbers for any logger: every field, ``busy_<stage>``, ``wait_share``, ``busy_share``, ``rows_per_second``.

        >>> stats = LoaderStats(batches=9, rows=4, pictures=4, bytes=9, elapsed=2.0, waited=0.5, threads=2, busy={"decode": 1.0}, decoded=4,
        ...                     remembered=0, memory_bytes=0, skipped=0, slots=3, slot_bytes=12)
        >>> stats.to_dict()["wait_share"], stats.to_dict()["busy_decode"], stats.limit
        (0.25, 1.0, 'hand-over')
        """
        flat = {f"busy_{stage}": seconds for stage, seconds in self.busy.items()}
        numbers = {name: value for name, value in asdict(self).items() if name != "busy"}
        shares = {"wait_share": self.wait_share, "busy_share": self.busy_share, "rows_per_second": self.rows_per_second}
        return numbers | flat | shares

    def __str__(self) -> str:
        from mmno_fast.report.looks import bytes_text, counted  # rich is imported when something is shown

        total = sum(self.busy.values())
        stages = ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in self.busy.items() if total and seconds / total >= 0.005)
        lines = [
            f"{self.batches:,} batches, {self.rows:,} rows, {self.pictures:,} pictures, {bytes_text(self.bytes)}",
            f"in {self.elapsed:.2f} s ({self.rows_per_second:,.0f} rows/s); the consumer waited {self.waited:.2f} s, {self.wait_share:.1%}",
            f"{counted(self.threads, 'thread')} busy {self.busy_share:.0%} of the time: {stages or 'nothing yet'}",
            f"limit: {self.limit}. {self.advice[0].upper()}{self.advice[1:]}",
        ]
        if self.decoded or self.remembered:
            memory = bytes_text(self.memory_bytes)
            lines.append(f"{self.decoded:,} pictures decoded, {self.remembered:,} taken from memory ({memory})")
        if self.skipped:
            lines.append(f"{self.skipped:,} rows left out: see batch.skipped")
        return "\n".join(lines)
