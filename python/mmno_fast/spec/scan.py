"""`ScanOptions`: how lines are judged and pictures are found. Each option of a scan is named, explained and defaulted here, once."""

from __future__ import annotations

import json
import operator
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from mmno_fast.spec.image import ImageSpec

Placeholders: TypeAlias = Literal["required", "optional"]
MAX_LINE_BYTES: Final = 16 * 2**20
"""The longest line that is read, by default."""


def _truth_values() -> tuple[type, ...]:
    """The types of a truth value. NumPy is not loaded for them: where it is not, nobody has one of its values."""
    return bool, getattr(sys.modules.get("numpy"), "bool_", bool)


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """The options of a scan, which `check`, `build` and `open` share. The command line makes its options from these fields.

    The metadata of a field is for the command line: `help`, `panel` (what the option is about), and `unit` where it is a number of bytes.

    Raises:
        TypeError: A value of another type.
        ValueError: A value that is not offered.

    >>> ScanOptions(strip_prefix="/data/").strip_prefix, ScanOptions().max_line_bytes
    ('/data/', 16777216)
    """

    placeholders: Placeholders = field(
        default="required", metadata={"help": "One <image> per picture, or none at all too.", "panel": "Rows"}
    )
    """``"required"``: one ``<image>`` per picture; ``"optional"``: none at all is fine too."""
    strip_prefix: str | None = field(default=None, metadata={"help": "Cut this from the front of names of pictures.", "panel": "Pictures"})
    """Cut from the front of names of pictures before they are looked for."""
    follow_links: bool = field(default=True, metadata={"help": "Refuse links that leave the folder of pictures.", "panel": "Pictures"})
    """Whether links may lead out of a root. The help explains the switch that turns this off."""
    max_line_bytes: int = field(default=MAX_LINE_BYTES, metadata={"help": "Reject longer lines unread.", "panel": "Rows", "unit": "bytes"})
    """Longer lines are rejected unread."""

    def __post_init__(self) -> None:
        if self.placeholders not in get_args(Placeholders):
            raise ValueError(f'placeholders: expected "required" or "optional", found {self.placeholders!r}')
        prefix: object = self.strip_prefix
        if not isinstance(prefix, str | None):
            raise TypeError(f"strip_prefix: expected a text or None, found {prefix!r}")
        follow: object = self.follow_links
        if not isinstance(follow, _truth_values()):
            raise TypeError(f"follow_links: expected True or False, found {follow!r}")
        object.__setattr__(self, "follow_links", bool(follow))
        try:
            longest = operator.index(self.max_line_bytes)
        except TypeError:
            raise TypeError(f"max_line_bytes: expected a whole number of bytes, found {self.max_line_bytes!r}") from None
        if not 0 <= longest < 2**64:
            raise ValueError(f"max_line_bytes: expected a number of bytes from 0 to 2**64 - 1, found {longest}")
        object.__setattr__(self, "max_line_bytes", longest)

    def to_json(self, image: ImageSpec) -> str:
        """The options of a scan for pictures of `image`, as one JSON object without blanks: how they cross to the core."""
        return json.dumps({"spec": image.to_dict(), **asdict(self)}, ensure_ascii=False, separators=(",", ":"))

    def keywords(self) -> dict[str, Any]:
        """The options as keyword arguments of `check`, `build` and `open`."""
        return asdict(self)

    def recorded(self) -> dict[str, Any]:
        """What a manifest records of the options: all but `follow_links`, which decides what may be read, and not what becomes of it."""
        return {name: value for name, value in asdict(self).items() if name != "follow_links"}
