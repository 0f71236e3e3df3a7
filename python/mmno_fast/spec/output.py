"""What a model takes: dtype, layout, normalisation, patches."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

Dtype: TypeAlias = Literal["uint8", "float32", "float16", "bfloat16"]
Layout: TypeAlias = Literal["nhwc", "nchw", "patches"]
Normalisation: TypeAlias = Literal["fused", "two_step"]
Triple: TypeAlias = tuple[float, float, float]
CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
"""What CLIP's image processor subtracts from red, green and blue, for pixels in 0..1."""
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's image processor divides red, green and blue by, for pixels in 0..1."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What becomes of pixels of 8 bits on their way to a model. Always three channels; gray is repeated.

    Args:
        dtype: ``"uint8"`` (default), ``"float32"``, ``"float16"`` or ``"bfloat16"``. NumPy has no bfloat16: there it comes as uint16,
            the bits.
        layout: ``"nhwc"`` (default), ``"nchw"``, or ``"patches"``: one row a patch, in the order of Qwen's processors.
        mean: Subtracted from red, green and blue, on the scale from 0 to 1. Without it, floats are 0 to 255.
        std: Divided by; given with `mean`.
        normalisation: ``"fused"`` (default): ``(x - 255 mean) / (255 std)``, as transformers' torchvision backend does it;
            ``"two_step"``: ``(x / 255 - mean) / std``, as its Pillow backend, torchvision and open_clip do it. They differ in the last bit.
        patch: The side of a patch [pixels]; with ``layout="patches"``.
        merge: The patches a side that become one token.
        temporal: How often each patch is repeated.

    Raises:
        ValueError: A value that is not offered, or that contradicts another.

    >>> Output(dtype="bfloat16", layout="nchw", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)).normalisation
    'fused'
    """

    dtype: Dtype = "uint8"
    layout: Layout = "nhwc"
    mean: Triple | None = None
    std: Triple | None = None
    normalisation: Normalisation = "fused"
    patch: int | None = None
    merge: int | None = None
    temporal: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (("dtype", Dtype), ("layout", Layout), ("normalisation", Normalisation)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name}: expected one of {', '.join(map(repr, get_args(choices)))}, found {getattr(self, name)!r}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together")
        if self.mean is not None and self.std is not None:
            if self.dtype == "uint8":
                raise ValueError("uint8 is not normalised: leave out mean and std, or choose a float")
            object.__setattr__(self, "mean", _triple("mean", self.mean))
            object.__setattr__(self, "std", _triple("std", self.std))
            if min(self.std) <= 0:
                raise ValueError(f"std: expected numbers above 0, found {self.std}")
        shape = (self.patch, self.merge, self.temporal)
        if self.layout == "patches":
            if not all(isinstance(each, int) and each >= 1 for each in shape):
                raise ValueError("patches need patch, merge and temporal, each at least 1")
        elif shape != (None, None, None):
            raise ValueError('patch, merge and temporal go with layout="patches"')

    @property
    def numbers_of_a_patch(self) -> int:
        """Numbers in one row of patches: 3 * temporal * patch * patch; 0 in other layouts."""
        return 3 * (self.temporal or 0) * (self.patch or 0) ** 2

    def to_json(self) -> str:
        """The output as JSON without blanks."""
        return json.dumps(asdict(self), separators=(",", ":"))


def _triple(name: str, values: Any) -> Triple:
    try:
        triple = tuple(float(value) for value in values)
    except TypeError:
        triple = ()
    if len(triple) != 3 or not all(map(math.isfinite, triple)):
        raise ValueError(f"{name}: expected three numbers, for red, green and blue, found {values!r}")
    return triple[0], triple[1], triple[2]
