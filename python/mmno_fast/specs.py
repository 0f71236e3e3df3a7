"""What becomes of a picture: `Resize` and `Original`.

A spec is checked when it is made, cannot be changed, compares by value, prints as the call that makes it, and is written into the
manifest whole (`docs/format.md`). Pixels are a function of the file's bytes and of the spec alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, cast, get_args

Fit: TypeAlias = Literal["stretch", "pad", "crop"]
Filter: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Color: TypeAlias = Literal["auto", "rgb", "gray"]
SixteenBit: TypeAlias = Literal["reject", "scale", "pillow"]
Alpha: TypeAlias = Literal["drop", "white"]
Arithmetic: TypeAlias = Literal["pillow13", "pillow12", "torchvision"]

MAX_SIDE: Final = 65_535
"""The largest height or width of a target, in pixels."""
TORCHVISION_FILTERS: Final = ("bilinear", "bicubic")
"""What torch resamples 8-bit pictures with on the CPU."""
DECODE_LIMIT: Final = 178_956_970
"""The most pixels that a picture may have by default: where Pillow refuses."""


@dataclass(frozen=True, kw_only=True, repr=False)
class _Spec:
    """What every spec says, whatever the size."""

    color: Color = "auto"
    exif: bool = False
    sixteen_bit: SixteenBit = "reject"
    alpha: Alpha = "drop"
    decode_limit: int = DECODE_LIMIT
    pixels: Arithmetic = "pillow13"

    def __post_init__(self) -> None:
        _one_of("color", self.color, Color)
        _one_of("exif", self.exif, Literal[False, True])
        _one_of("sixteen_bit", self.sixteen_bit, SixteenBit)
        _one_of("alpha", self.alpha, Alpha)
        if not _is_int(self.decode_limit):
            raise TypeError(f"decode_limit: expected a number of pixels, found {self.decode_limit!r}")
        if self.decode_limit < 1:
            raise ValueError(f"decode_limit: expected at least 1 pixel, found {self.decode_limit}")
        _one_of("pixels", self.pixels, Arithmetic)

    def __repr__(self) -> str:
        shared = {each.name for each in fields(_Spec)}
        ordered = sorted(fields(self), key=lambda each: each.name in shared)
        said = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in ordered
            if each.name != "size" and (each.default is MISSING or getattr(self, each.name) != each.default)
        ]
        return f"{type(self).__name__}({', '.join([*self._positional(), *said])})"

    def _positional(self) -> list[str]:
        return []

    def _head(self) -> dict[str, Any]:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The spec as it stands in a manifest, members in its order.

        >>> Original().to_dict()["kind"]
        'original'
        """
        return {
            **self._head(),
            "color": self.color,
            "exif": self.exif,
            "sixteen_bit": self.sixteen_bit,
            "alpha": self.alpha,
            "decode_limit": self.decode_limit,
            "pixels": self.pixels,
        }

    def to_json(self) -> str:
        """`to_dict` as JSON without blanks: the text that fingerprints are made of."""
        return json.dumps(self.to_dict(), separators=(",", ":"))


@dataclass(frozen=True, repr=False)
class Resize(_Spec):
    """Every picture becomes one size: ``Image.open(p).convert("RGB").resize(…)`` of Pillow, bit for bit.

    Args:
        size: The target in pixels: one number for a square, or ``(height, width)``.
        fit: Always said. ``"stretch"`` changes the proportions, ``"pad"`` adds black (`ImageOps.pad`), ``"crop"`` resizes the
            shortest edge and cuts the centre out.
        filter: ``"nearest"``, ``"box"``, ``"bilinear"``, ``"hamming"``, ``"bicubic"`` (default) or ``"lanczos"``, as Pillow has them.
        color: ``"auto"`` (default) stores a picture whose channels are all equal as one channel, ``"rgb"`` always stores three,
            ``"gray"`` always one.
        exif: Whether to turn the picture as its EXIF orientation says. Default: no, as most trainers do.
        sixteen_bit: 16-bit gray: ``"reject"`` (default), ``"scale"`` (the high byte) or ``"pillow"`` (above 255 is white).
        alpha: ``"drop"`` (default) or ``"white"`` (composed over white).
        decode_limit: Pictures of more pixels are refused. Default: 178,956,970, where Pillow refuses.
        pixels: Whose resampling: ``"pillow13"`` (default), ``"pillow12"`` or ``"torchvision"``
            (``torchvision.transforms.v2.functional.resize(…, antialias=True)`` of 8-bit pictures on the CPU; bilinear and bicubic).
            All three differ.

    Raises:
        ValueError: A value that is not offered.
        TypeError: A value of another type, or no `fit`.

    >>> Resize(448, fit="stretch")
    Resize(448, fit='stretch')
    >>> Resize((336, 448), fit="pad", filter="lanczos").width
    448
    >>> Resize(448, fit="stretch") == Resize((448, 448), fit="stretch")
    True
    """

    size: int | tuple[int, int]
    fit: Fit = field(kw_only=True)
    filter: Filter = field(default="bicubic", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _height_and_width(self.size))
        _one_of("fit", self.fit, Fit)
        _one_of("filter", self.filter, Filter)
        super().__post_init__()
        if self.pixels == "torchvision" and self.filter not in TORCHVISION_FILTERS:
            raise ValueError(f"filter: torchvision has {' and '.join(map(repr, TORCHVISION_FILTERS))}, found {self.filter!r}")

    @property
    def height(self) -> int:
        """Rows of pixels of the result."""
        return cast("tuple[int, int]", self.size)[0]

    @property
    def width(self) -> int:
        """Columns of pixels of the result."""
        return cast("tuple[int, int]", self.size)[1]

    def __str__(self) -> str:
        return f"{self.height}x{self.width} {self.fit}, {self.filter}, {_tail(self)}"

    def _positional(self) -> list[str]:
        return [str(self.height) if self.height == self.width else repr(self.size)]

    def _head(self) -> dict[str, Any]:
        return {"kind": "resize", "height": self.height, "width": self.width, "fit": self.fit, "filter": self.filter}


@dataclass(frozen=True, repr=False)
class Original(_Spec):
    """Every picture keeps its own size; it is only decoded. The other arguments are those of `Resize`.

    >>> Original(color="rgb")
    Original(color='rgb')
    """

    def __str__(self) -> str:
        return f"own sizes, {_tail(self)}"

    def _head(self) -> dict[str, Any]:
        return {"kind": "original"}


ImageSpec: TypeAlias = Resize | Original
"""Any spec."""


def from_dict(spec: Mapping[str, Any]) -> ImageSpec:
    """The spec that a manifest holds.

    Raises:
        ValueError: A kind that this version does not know, or a member that is missing, unknown or out of range.

    >>> from_dict({"kind": "original", "color": "rgb"})
    Original(color='rgb')
    """
    said = dict(spec)
    kind = said.pop("kind", None)
    try:
        if kind == "resize":
            return Resize((said.pop("height"), said.pop("width")), **said)
        if kind == "original":
            return Original(**said)
    except KeyError as error:
        raise ValueError(f"the image spec cannot be read: member {error} is missing") from error
    except TypeError as error:
        raise ValueError(f"the image spec cannot be read: {error}") from error
    raise ValueError(f"the image spec is of kind {kind!r}, which this version does not know; expected 'resize' or 'original'")


def _tail(spec: _Spec) -> str:
    """What the two kinds share, for people: defaults are left out, but for the arithmetic."""
    words = [f"color {spec.color}"]
    if spec.exif:
        words.append("turned by EXIF")
    if spec.sixteen_bit != "reject":
        words.append(f"16 bits by {spec.sixteen_bit}")
    if spec.alpha != "drop":
        words.append(f"alpha over {spec.alpha}")
    if spec.decode_limit != DECODE_LIMIT:
        words.append(f"at most {spec.decode_limit:,} pixels")
    return ", ".join([*words, spec.pixels])


def _one_of(name: str, value: object, choices: Any) -> None:
    offered = get_args(choices)
    if not any(type(value) is type(choice) and value == choice for choice in offered):  # 1 is not True
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, offered))}, found {value!r}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _height_and_width(size: Any) -> tuple[int, int]:
    sides = (size, size) if _is_int(size) else size
    if not (isinstance(sides, (tuple, list)) and len(sides) == 2 and all(map(_is_int, sides))):
        raise TypeError(f"size: expected a number of pixels or (height, width), found {size!r}")
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"size: expected 1 to {MAX_SIDE:,} pixels a side, found {size!r}")
    return sides[0], sides[1]
