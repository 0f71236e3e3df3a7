"""`read_picture`: pictures as the shards would hold them, or as a model takes them. `plan_tokens`: how many tokens they become."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, get_args, overload

import numpy as np

from mmno_fast import _core
from mmno_fast.machine import thread_count
from mmno_fast.spec.image import Encoded, ImageSpec, Profile, from_dict
from mmno_fast.spec.output import Output

Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str]
"""A path, or the bytes of a file."""
_SOURCES: Final = (bytes, bytearray, memoryview, str, os.PathLike)
Several: TypeAlias = Sequence[Source]
"""Sources of several pictures."""
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Patches(NamedTuple):
    """Pictures cut into patches, as Qwen's processors give them."""

    pixel_values: Array
    """One row a patch: (patches of all pictures, 3 * temporal * patch * patch)."""
    image_grid_thw: Array
    """int64 (pictures, 3): 1, and the patches of each side."""


@overload
def read_picture(  # type: ignore[overload-overlap]  # a str is a sequence, too, but no sequence of sources
    source: Source, image: ImageSpec, output: None = None, *, threads: int | None = None
) -> Array: ...
@overload
def read_picture(source: Several, image: ImageSpec, output: None = None, *, threads: int | None = None) -> list[Array]: ...
@overload
def read_picture(  # type: ignore[overload-overlap]
    source: Source, image: ImageSpec, output: Output, *, threads: int | None = None
) -> Array | Patches: ...
@overload
def read_picture(source: Several, image: ImageSpec, output: Output, *, threads: int | None = None) -> list[Array] | Patches: ...
def read_picture(
    source: Source | Several,
    image: ImageSpec,
    output: Output | None = None,
    *,
    threads: int | None = None,
) -> Array | list[Array] | Patches:
    """Decode one picture or several, and resize them as `image` says: the pixels that Pillow or torchvision gives, bit for bit.

    Args:
        source: A path or the bytes of a file; or a list of such.
        image: ``Resize(…)``, ``Original(…)`` or ``Profile(…)``; ``Encoded(…)`` is read as ``Original`` is, as a data set of files does.
        output: What becomes of the pixels. Default: bytes, (H, W, 3). ``Profile(…).output()`` is what a model's processor gives.
        threads: How many to use for several pictures. Default: all that this process may use.

    Returns:
        uint8 (H, W, 3), red, green, blue, in new memory; or what `output` says: (3, H, W), another dtype (bfloat16 as its bits, uint16).
        For a list, a list of arrays. With patches, one `Patches` of all pictures.

    Raises:
        FileNotFoundError: No such file.
        DataError: The picture cannot be used; `code` is the finding that `check` would report.

    >>> import io
    >>> from PIL import Image
    >>> from mmno_fast import Resize
    >>> file = io.BytesIO()
    >>> Image.new("L", (30, 20), 7).save(file, "PNG")
    >>> pixels = read_picture(file.getvalue(), Resize(8, fit="stretch"))
    >>> pixels.shape, pixels.dtype, int(pixels.max())
    ((8, 8, 3), dtype('uint8'), 7)
    >>> profile = Profile("hf/qwen3_vl")
    >>> values, grid = read_picture([file.getvalue()] * 2, profile, profile.output("bfloat16"))
    >>> values.shape, values.dtype, grid.tolist()
    ((560, 1536), dtype('uint16'), [[1, 14, 20], [1, 14, 20]])
    """
    _expect("image", image, get_args(ImageSpec), "a spec, such as Resize(448, fit='stretch')")
    if output is not None:
        _expect("output", output, Output, "an Output(…), such as Output(dtype='float32')")
    workers = thread_count(threads)
    several = not isinstance(source, (bytes, bytearray, memoryview, str, os.PathLike))
    every: list[Any] = [*source] if several else [source]  # type: ignore[misc]
    sources = [_plain(each) for each in every]
    made = _core.read_pictures(sources, _decoded(image).to_json(), None if output is None else output.to_json(), threads=workers)
    arrays = [array.view(np.float16) if output is not None and output.dtype == "float16" else array for array, _ in made]
    if output is not None and output.layout == "patches":
        side = output.patch or 1
        grid = np.array([(1, height // side, width // side) for _, (height, width) in made], np.int64).reshape(-1, 3)
        values = arrays[0] if len(arrays) == 1 else np.concatenate([np.empty((0, _patch_width(output)), _dtype(output)), *arrays])
        return Patches(values, grid)
    return arrays if several else arrays[0]


def _expect(name: str, value: object, kind: Any, what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {what}, found {value!r}")


def _plain(source: Any) -> bytes | str | os.PathLike[str]:
    """A source as the core takes it."""
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    _expect("source", source, (bytes, str, os.PathLike), "a path or the bytes of a file")
    plain: bytes | str | os.PathLike[str] = source
    return plain


def _decoded(image: ImageSpec) -> ImageSpec:
    """The spec for the pixels of what is kept as a file."""
    return from_dict({**image.to_dict(), "kind": "original"}) if isinstance(image, Encoded) else image


def _size_or_source(picture: Any) -> tuple[int, int] | bytes | str | os.PathLike[str]:
    """What `plan_tokens` takes, as the core takes it."""
    if isinstance(picture, _SOURCES):
        return _plain(picture)
    try:
        height, width = (operator.index(side) for side in picture)
    except (TypeError, ValueError):
        raise TypeError(f"pictures: expected (height, width), a path or the bytes of a file, found {picture!r}") from None
    if not (1 <= height < 2**32 and 1 <= width < 2**32):
        raise ValueError(f"pictures: a picture has at least one pixel a side, found {(height, width)}")
    return height, width


def _patch_width(output: Output) -> int:
    return 3 * (output.temporal or 1) * (output.patch or 1) ** 2


def _dtype(output: Output) -> np.dtype[Any]:
    return np.dtype("uint16" if output.dtype == "bfloat16" else output.dtype)


@dataclass(frozen=True, eq=False)
class TokenPlan:
    """What a profile makes of pictures, from their headers alone. One entry a picture; zeros where it is refused."""

    size: Array
    """uint32 (n, 2): height and width after the last resize [pixels]."""
    image_grid_thw: Array
    """int64 (n, 3): 1, and the patches of each side; zeros where the model has no grid."""
    tokens: Array
    """int64 (n,): tokens among those of the text; 0 for models that have none there."""
    refused: dict[int, str]
    """Number of the picture: why the profile refuses it."""

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        if not len(self):
            return "<no pictures>"
        refused = f", {len(self.refused):,} refused" if self.refused else ""
        return f"<{len(self):,} pictures, {self.tokens.sum():,} tokens, {self.tokens.min():,} to {self.tokens.max():,} each{refused}>"


def plan_tokens(pictures: Iterable[tuple[int, int] | Source], profile: Profile) -> TokenPlan:
    """How many tokens each picture becomes, and in which grid, without decoding any.

    Args:
        pictures: Of each one its (height, width), or a path, or the bytes of its file. Of a file, the header is read.
        profile: Whose size rule.

    Returns:
        The plan, an entry a picture.

    Raises:
        FileNotFoundError: No such file.
        DataError: The header cannot be read.
        ValueError: A picture without pixels.

    >>> plan = plan_tokens([(512, 512), (225, 225), (1, 500)], Profile("hf/qwen3_vl"))
    >>> plan.tokens.tolist(), plan.image_grid_thw[0].tolist(), list(plan.refused)
    ([256, 64, 0], [1, 32, 32], [2])
    """
    _expect("profile", profile, Profile, "a Profile(…), such as Profile('hf/qwen3_vl')")
    if isinstance(pictures, _SOURCES):
        raise TypeError("pictures: expected several, found one path or file; put it into a list")
    plans = _core.plan_tokens(profile.to_json(), [_size_or_source(picture) for picture in pictures])
    refused = {number: plan for number, plan in enumerate(plans) if isinstance(plan, str)}
    numbers = np.array([(0,) * 5 if isinstance(plan, str) else plan for plan in plans], np.int64).reshape(-1, 5)
    grid = np.column_stack([(numbers[:, 2] > 0).astype(np.int64), numbers[:, 2:4]])
    return TokenPlan(numbers[:, :2].astype(np.uint32), grid, numbers[:, 4].copy(), refused)
