"""How a data set was opened: a frozen value that pickles, so that another process can open the same data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, TypeAlias

from mmno_fast.spec.image import ImageSpec
from mmno_fast.spec.scan import ScanOptions

Identity: TypeAlias = tuple[Sequence[tuple[str, str]], Sequence[tuple[str, int]]]
"""(name, BLAKE3) of each source, and (source, line) of each rejected row, sorted: they determine the rows and their order."""


@dataclass(frozen=True, kw_only=True)
class ShardsOpening:
    """A folder of shards."""

    path: Path
    """The folder, absolute."""
    fingerprint: str | None = None
    """The hash of the manifest that must be there; None accepts any."""
    covers_pictures: ClassVar[bool] = True
    """Whether the fingerprint covers pictures. The hash of a manifest covers every byte."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)


@dataclass(frozen=True, kw_only=True)
class RawOpening:
    """JSONL with its pictures."""

    sources: tuple[tuple[str, str], ...]
    """(name, path) of each source."""
    roots: tuple[str, ...]
    """The folders that pictures are looked for in."""
    image: ImageSpec
    """What becomes of the pictures."""
    rejects: tuple[tuple[str, int], ...]
    """(source, line) of rows that are left out, beside those that the scan rejects."""
    scan: ScanOptions
    fingerprint: str | None = None
    """The fingerprint of the rows that must be there; None accepts any."""
    covers_pictures: ClassVar[bool] = False
    """Whether the fingerprint covers pictures. That of rows does not."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.sources[0][1]


Opening: TypeAlias = ShardsOpening | RawOpening


def fingerprint_of_rows(identity: Identity) -> str:
    """A hash of the rows and their order, without pixels. It is the same for shards and for the JSONL that they were built from."""
    return blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest()
