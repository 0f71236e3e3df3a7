"""From the scan to units: pure, and the same for the same input on any machine."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from blake3 import blake3

from mmno_fast.reference.scan import Picture, Row, Scan

FORMAT = [1, 0]
PIXELS_VERSION = 2
FOLDER_DIGITS = 16
T = TypeVar("T")

COUNTED_CHANNELS = 3
"""Pictures are counted in colour, whatever they turn out to be."""


@dataclass(slots=True)
class Unit:
    """The independent piece of work that makes one shard."""

    pictures: list[Picture]
    """Its run, then the other pictures that its rows need."""
    rows: list[Row]
    """By (position of the first picture, row number)."""
    run: int
    """How many of the pictures are its own."""
    fingerprint: str

    @property
    def folder(self) -> str:
        """The name of its shard."""
        return self.fingerprint[:FOLDER_DIGITS]


def plan(scan: Scan, spec: dict[str, Any], shard_bytes: int, shuffle_seed: int | None) -> list[Unit]:
    """All units in order: those of pictures, then those of rows without pictures."""
    accepted = [row for row in scan.rows if not row.codes]
    pictures = list(scan.pictures.values())
    if shuffle_seed is not None:
        seed = shuffle_seed.to_bytes(8, "little")
        pictures.sort(key=lambda picture: blake3(seed + picture.hash).digest())
    by_first: dict[bytes, list[Row]] = {picture.hash: [] for picture in pictures}
    for row in accepted:
        if row.pictures:
            by_first[row.pictures[0]].append(row)
    units = []
    for run in in_runs(((picture, pixel_bytes(picture, spec)) for picture in pictures), shard_bytes):
        rows = [row for picture in run for row in by_first[picture.hash]]
        needed = dict.fromkeys([picture.hash for picture in run] + [digest for row in rows for digest in row.pictures])
        units.append(unit_of(scan, spec, [scan.pictures[digest] for digest in needed], rows, len(run)))
    bare = ((row, row.length) for row in accepted if not row.pictures)
    return units + [unit_of(scan, spec, [], rows, 0) for rows in in_runs(bare, shard_bytes)]


def pixel_bytes(picture: Picture, spec: dict[str, Any]) -> int:
    """How much a picture counts against the size of a shard."""
    size = spec if spec["kind"] == "resize" else {"height": picture.probe.height, "width": picture.probe.width}
    return COUNTED_CHANNELS * int(size["height"]) * int(size["width"])


def in_runs(items: Iterable[tuple[T, int]], most: int) -> Iterator[list[T]]:
    """Runs of items whose sizes are at most `most` together; a larger item is a run of its own.

    >>> list(in_runs([("a", 2), ("b", 2), ("c", 9), ("d", 1)], 4))
    [['a', 'b'], ['c'], ['d']]
    """
    run: list[T] = []
    total = 0
    for item, size in items:
        if run and total + size > most:
            yield run
            run, total = [], 0
        run.append(item)
        total += size
    if run:
        yield run


def unit_of(scan: Scan, spec: dict[str, Any], pictures: list[Picture], rows: list[Row], run: int) -> Unit:
    """A unit with its fingerprint."""
    position = {picture.hash: i for i, picture in enumerate(pictures)}
    text = compact_json(
        {
            "format": FORMAT,
            "pixels_version": PIXELS_VERSION,
            "spec": spec,
            "pictures": [[picture.hash.hex(), picture.names] for picture in pictures],
            "rows": [
                [scan.sources[row.source].name, row.line, row.hash.hex(), [position[digest] for digest in row.pictures]] for row in rows
            ],
        }
    )
    return Unit(pictures, rows, run, blake3(text.encode()).hexdigest())


def compact_json(value: Any) -> str:
    """JSON on one line, without blanks, non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
