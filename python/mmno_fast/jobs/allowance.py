"""Which rejected rows somebody has said may be lost: the entries of ``--allow CODE[:GLOB]``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from mmno_fast import _core


@dataclass(frozen=True)
class Allowance:
    """Codes that may reject rows, each everywhere or only where the names of the row's pictures match."""

    entries: tuple[tuple[str, str | None], ...]
    """(code, glob or None)."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Allowance:
        """From texts as on the command line.

        Raises:
            ValueError: No such code, or one that rejects nothing.

        >>> Allowance.parse(["images.missing:glioma/*"]).entries
        (('images.missing', 'glioma/*'),)
        """
        severities = {entry["code"]: entry["severity"] for entry in _core.catalogue()}
        return cls(tuple(_parse(entry, severities) for entry in entries))

    def unallowed(self, row: Mapping[str, Any]) -> list[str]:
        """The codes of a rejected row (as in ``rejects.jsonl``) that no entry accounts for."""
        return [code for code in row["codes"] if not any(self._covers(entry, code, row) for entry in self.entries)]

    def _covers(self, entry: tuple[str, str | None], code: str, row: Mapping[str, Any]) -> bool:
        allowed, glob = entry
        if allowed != code:
            return False
        if glob is None:
            return True
        # Which of a row's pictures is at fault is not written down: all of them must match, so that nothing else is let go.
        names = _names(row)
        return bool(names) and all(fnmatchcase(name, glob) for name in names)


def _parse(entry: str, severities: Mapping[str, str]) -> tuple[str, str | None]:
    code, colon, glob = entry.partition(":")
    if code not in severities:
        near = difflib.get_close_matches(code, severities, n=1)
        hint = f"did you mean {near[0]}?" if near else "`mmno-fast check --list` has them all"
        raise ValueError(f"allow: there is no code {code!r}; {hint}")
    if severities[code] != "E":
        raise ValueError(f"allow: {code} is a warning: it rejects nothing, leave it out")
    if colon and not glob:
        raise ValueError(f"allow: expected a pattern behind the colon of {entry!r}, or no colon")
    return code, glob or None


def _names(row: Mapping[str, Any]) -> list[str]:
    """The names of a rejected row's pictures, as the row gives them; none where its text cannot be read."""
    try:
        # Numbers stay texts: the names are all that counts, and a number of any length is legal.
        images = json.loads(row["text"], parse_int=str, parse_float=str)["images"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
    names = [images] if isinstance(images, str) else images
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
