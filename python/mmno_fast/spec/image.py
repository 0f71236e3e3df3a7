"""What becomes of a picture: `Resize`, `Original`, `Encoded` and `Profile`.

A spec is checked when it is made, cannot be changed, compares by value, prints as the call that makes it, and is written into the
manifest whole (`docs/format.md`). Pixels are a function of the file's bytes and of the spec alone.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, SupportsIndex, TypeAlias, cast, get_args

if TYPE_CHECKING:
    from mmno_fast.spec.output import Dtype, Output

Fit: TypeAlias = Literal["stretch", "pad", "crop"]
Filter: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Color: TypeAlias = Literal["auto", "rgb", "gray"]
SixteenBit: TypeAlias = Literal["reject", "scale", "pillow"]
Alpha: TypeAlias = Literal["drop", "white"]
Arithmetic: TypeAlias = Literal["pillow13", "pillow12", "torchvision"]
Backend: TypeAlias = Literal["torchvision", "pillow"]

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
        if not 1 <= self.decode_limit < 2**63:
            raise ValueError(f"decode_limit: expected at least 1 pixel, and fewer than 2**63, found {self.decode_limit}")
        _one_of("pixels", self.pixels, Arithmetic)

    def __repr__(self) -> str:
        shared = {each.name for each in fields(_Spec)}
        ordered = sorted(fields(self), key=lambda each: each.name in shared)
        usual = {each.name: each.default for each in ordered} | self._usual()
        said = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in ordered
            if each.name not in {"size", "name"} and (usual[each.name] is MISSING or getattr(self, each.name) != usual[each.name])
        ]
        return f"{type(self).__name__}({', '.join([*self._positional(), *said])})"

    def _positional(self) -> list[str]:
        return []

    def _usual(self) -> dict[str, Any]:
        """Defaults that are known only now."""
        return {}

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
        fill: The gray around the picture, 0 (black, default) to 255, with ``fit="pad"``.
        filter: ``"nearest"``, ``"box"``, ``"bilinear"``, ``"hamming"``, ``"bicubic"`` (default) or ``"lanczos"``, as Pillow has them.
        color: ``"auto"`` (default) stores a picture whose channels are all equal as one channel, ``"rgb"`` always stores three,
            ``"gray"`` always one.
        exif: Whether to turn the picture as its EXIF orientation says. Default: no, as most trainers do.
        sixteen_bit: 16-bit gray: ``"reject"`` (default), ``"scale"`` (the high byte) or ``"pillow"`` (above 255 is white). Gray of
            32 bits, signed or of fractions is read by ``"pillow"`` alone (cut off at 0 and 255).
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
    fill: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _height_and_width(self.size))
        _one_of("fit", self.fit, Fit)
        _one_of("filter", self.filter, Filter)
        if not _is_int(self.fill) or not 0 <= self.fill <= 255:
            raise ValueError(f"fill: expected a gray from 0 to 255, found {self.fill!r}")
        if self.fill and self.fit != "pad":
            raise ValueError(f"fill goes with fit='pad', found fit={self.fit!r}")
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
        head = {"kind": "resize", "height": self.height, "width": self.width, "fit": self.fit, "filter": self.filter}
        return {**head, "fill": self.fill} if self.fill else head


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


@dataclass(frozen=True, repr=False)
class Encoded(_Spec):
    """Every picture stays the file that it was, byte for byte, and is decoded when it is used.

    The arguments are those of `Resize`, and say how.

    >>> Encoded()
    Encoded()
    """

    def __str__(self) -> str:
        return f"files as they are, {_tail(self)}"

    def _head(self) -> dict[str, Any]:
        return {"kind": "encoded"}


def profiles() -> dict[str, dict[str, Any]]:
    """Every profile that there is, by name, with the facts that it stands for and where they were read (`cites`).

    >>> profiles()["hf/qwen3_vl"]["area"]
    [65536, 16777216]
    """
    return {known["name"]: known for known in json.loads(_table())}


@cache
def _table() -> str:
    from mmno_fast import _core  # most specs do without it

    return _core.profiles()


@cache
def _known(name: str) -> Mapping[str, Any]:
    return profiles()[name]


@dataclass(frozen=True, repr=False)
class Profile(_Spec):
    """Every picture gets the size, and the very pixels, that a model's own processor (or a trainer around it) would give it.

    Args:
        name: One of `profiles()`, such as ``"hf/qwen3_vl"`` or ``"llamafactory/qwen3_vl"``.
        backend: Which library the processor uses: ``"torchvision"`` or ``"pillow"``. Default: the profile's own.
        min_pixels: The least area after the processor's resize, where it has bounds [pixels]. Default: the checkpoint's.
        max_pixels: The largest.
        image_min_pixels: The least area after the trainer's own resize, where it has one [pixels]. Default: the trainer's.
        image_max_pixels: The largest.
        alpha: As in `Resize`. Default: what the profile's library does.
        pixels: Which Pillow, where Pillow resizes: ``"pillow13"`` (default) or ``"pillow12"``.

    The other arguments are those of `Resize`.

    Raises:
        ValueError: A name that is not known, or a value that the profile does not offer.

    >>> Profile("hf/qwen3_vl", max_pixels=1_048_576)
    Profile('hf/qwen3_vl', max_pixels=1048576)
    >>> Profile("hf/qwen3_vl").alpha, Profile("llamafactory/qwen3_vl").alpha
    ('white', 'drop')
    """

    name: str
    backend: Backend | None = field(default=None, kw_only=True)
    min_pixels: int | None = field(default=None, kw_only=True)
    max_pixels: int | None = field(default=None, kw_only=True)
    image_min_pixels: int | None = field(default=None, kw_only=True)
    image_max_pixels: int | None = field(default=None, kw_only=True)
    alpha: Alpha | None = field(default=None, kw_only=True)  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        if self.name not in profiles():
            raise ValueError(f"profile: expected one of {', '.join(map(repr, profiles()))}, found {self.name!r}")
        for name, usual in self._usual().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
        super().__post_init__()
        known = self.facts
        if self.backend not in known["backends"]:
            raise ValueError(f"backend: {self.name} has {' and '.join(map(repr, known['backends']))}, found {self.backend!r}")
        if self.pixels == "torchvision":
            raise ValueError("pixels: a profile's `pixels` say which Pillow; `backend` says whether it is torchvision")
        self._check_area("min_pixels", "max_pixels", known["area"])
        self._check_area("image_min_pixels", "image_max_pixels", known["image_area"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """The profile's line of the table: rule, filter, mean and std, patches, and where they were read."""
        return _known(self.name)

    def output(self, dtype: Dtype = "float32") -> Output:
        """The numbers that the processor makes of the pixels: its normalisation, and its patches or (3, H, W).

        >>> Profile("hf/siglip_384").output("bfloat16").layout
        'nchw'
        """
        from mmno_fast.spec.output import Output

        statistics, patches = self.facts["statistics"], self.facts["patches"]
        shape: dict[str, int] = patches or {}
        return Output(
            dtype=dtype,
            layout="patches" if patches else "nchw",
            mean=tuple(statistics["mean"]),
            std=tuple(statistics["std"]),
            normalisation="fused" if self.backend == "torchvision" else "two_step",
            **shape,
        )

    def __str__(self) -> str:
        area = "" if self.min_pixels is None else f", {self.min_pixels:,} to {self.max_pixels:,} pixels"
        return f"{self.name} by {self.backend}{area}, {_tail(self)}"

    def _positional(self) -> list[str]:
        return [repr(self.name)]

    def _usual(self) -> dict[str, Any]:
        known = self.facts
        area, image_area = known["area"] or (None, None), known["image_area"] or (None, None)
        return {
            "backend": known["backends"][0],
            "min_pixels": area[0],
            "max_pixels": area[1],
            "image_min_pixels": image_area[0],
            "image_max_pixels": image_area[1],
            "alpha": known["alpha"],
        }

    def _check_area(self, least: str, most: str, usual: object) -> None:
        low, high = getattr(self, least), getattr(self, most)
        if usual is None:
            if low is not None or high is not None:
                raise ValueError(f"{least}, {most}: {self.name} has no such bounds")
            return
        if not (_is_int(low) and _is_int(high)):
            raise TypeError(f"{least}, {most}: expected numbers of pixels, found {low!r} and {high!r}")
        if not 1 <= low <= high <= DECODE_LIMIT:
            raise ValueError(f"{least}, {most}: expected 1 <= {least} <= {most} <= {DECODE_LIMIT:,}, found {low:,} and {high:,}")

    def _head(self) -> dict[str, Any]:
        names = ("name", "backend", "min_pixels", "max_pixels", "image_min_pixels", "image_max_pixels")
        return {"kind": "profile", **{name: getattr(self, name) for name in names}}


ImageSpec: TypeAlias = Resize | Original | Encoded | Profile
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
        if kind == "encoded":
            return Encoded(**said)
        if kind == "profile":
            return Profile(said.pop("name"), **said)
    except KeyError as error:
        raise ValueError(f"the image spec cannot be read: member {error} is missing") from error
    except TypeError as error:
        raise ValueError(f"the image spec cannot be read: {error}") from error
    raise ValueError(
        f"the image spec is of kind {kind!r}, which this version does not know; expected 'resize', 'original', 'encoded' or 'profile'"
    )


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
    given = (size, size) if isinstance(size, SupportsIndex) else size
    sides: list[int] = []
    if isinstance(given, (tuple, list)):  # of NumPy's whole numbers as well
        sides = [operator.index(side) for side in given if isinstance(side, SupportsIndex) and not isinstance(side, bool)]
    if not (isinstance(given, (tuple, list)) and len(given) == len(sides) == 2):
        raise TypeError(f"size: expected a number of pixels or (height, width), found {size!r}")
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"size: expected 1 to {MAX_SIDE:,} pixels a side, found {size!r}")
    return sides[0], sides[1]
