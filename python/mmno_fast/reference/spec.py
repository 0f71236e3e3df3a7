"""The image spec: what becomes of a picture."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "color": "auto",
    "exif": False,
    "sixteen_bit": "reject",
    "alpha": "drop",
    "decode_limit": 178_956_970,
    "pixels": "pillow13",
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "fit": ("stretch", "pad", "crop"),
    "filter": ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"),
    "color": ("auto", "rgb", "gray"),
    "exif": (False, True),
    "sixteen_bit": ("reject", "scale", "pillow"),
    "alpha": ("drop", "white"),
    "pixels": ("pillow13",),
}
SIZES = ("height", "width", "decode_limit")


def whole_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with every member in the order of the format; ValueError where it is none.

    Args:
        spec: `kind` (`resize` with `height`, `width`, `fit` and perhaps `filter`, `fill`, or `original`), and any of `color`,
            `exif`, `sixteen_bit`, `alpha`, `decode_limit`, `pixels`.

    Example:
        >>> whole_spec({"kind": "original", "color": "rgb"})["decode_limit"]
        178956970
    """
    if spec.get("kind") == "resize":
        fill = {"fill": spec["fill"]} if spec.get("fill") else {}  # black is not said
        defaults = {"kind": "resize", "height": None, "width": None, "fit": None, "filter": "bicubic", **fill, **DEFAULTS}
    elif spec.get("kind") == "original":
        defaults = {"kind": "original", **DEFAULTS}
    else:
        raise ValueError(f"the reference engine knows Resize and Original; the spec is of kind {spec.get('kind')!r}")
    if unknown := spec.keys() - defaults.keys():
        raise ValueError(f"spec: unknown members {sorted(unknown)}")
    whole = {key: spec.get(key, default) for key, default in defaults.items()}
    for key, value in whole.items():
        if key in CHOICES and value not in CHOICES[key]:
            raise ValueError(f"spec: {key}: expected one of {CHOICES[key]}, found {value!r}")
        if key in SIZES and (not isinstance(value, int) or value < 1):
            raise ValueError(f"spec: {key}: expected a positive integer, found {value!r}")
    return whole
