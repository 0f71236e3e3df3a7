"""Pictures with Pillow: what a file is, and its pixels."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

Pixels = npt.NDArray[np.uint8]
"""(H, W) without colour, (H, W, 3) with colour."""

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF87a", b"GIF89a", *TiffImagePlugin.PREFIXES)
WEBP = (b"WEBPVP8 ", b"WEBPVP8L", b"WEBPVP8X")
PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    BmpImagePlugin.BmpImageFile,
    MpoImagePlugin.MpoImageFile,
    GifImagePlugin.GifImageFile,
    TiffImagePlugin.TiffImageFile,
    WebPImagePlugin.WebPImageFile,
)
FORMATS = tuple(plugin.format for plugin in PLUGINS)
"""Pillow's names; a JPEG that holds several pictures calls itself MPO. Imported by name, or Pillow imports all its plugins."""
FORMAT_NAMES = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "BMP": "bmp", "GIF": "gif", "TIFF": "tiff", "WEBP": "webp"}
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PROBE_STEP = 16
"""Every so many rows and columns are looked at first, to see quickly that a picture has colour."""


class PictureError(Exception):
    """A picture that cannot be used; `code` is the finding."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Probe:
    """What the header says; sizes in pixels, before any turn."""

    format: str
    mode: str
    height: int
    width: int


class WatchedBytes(io.BytesIO):
    """Bytes that remember whether somebody wanted more of them than there are."""

    ended = False

    def read(self, size: int | None = -1, /) -> bytes:
        """As of `BytesIO`."""
        data = super().read(size)
        self.ended |= size is not None and len(data) < size
        return data


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow without its own limit (the spec has one) and without warnings, as long as the block lasts."""
    limit = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def open_picture(data: bytes, spec: dict[str, Any]) -> Image.Image:
    """A picture of which only the header is read; raises PictureError."""
    if not data:
        raise PictureError("picture.empty")
    webp = data.startswith(b"RIFF") and data[8:16] in WEBP
    if not (webp or data.startswith(SIGNATURES)):
        raise PictureError("picture.format")
    if webp and len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise PictureError("picture.truncated")
    file = WatchedBytes(data)
    try:
        image = Image.open(file, formats=FORMATS)
    except Exception as error:
        raise PictureError("picture.truncated" if file.ended else "picture.corrupt") from error
    if not getattr(image, "tile", ()):  # Pillow opens a file that has a size, but no data behind it
        raise PictureError("picture.truncated" if file.ended else "picture.corrupt")
    if image.width * image.height > spec["decode_limit"]:
        raise PictureError("picture.too_large")
    if image.mode.startswith("I") and spec["sixteen_bit"] == "reject":
        raise PictureError("picture.sixteen_bit")
    return image


def probe(data: bytes, spec: dict[str, Any]) -> Probe:
    """What the header says; raises PictureError."""
    image = open_picture(data, spec)
    return Probe(FORMAT_NAMES[image.format or ""], image.mode, image.height, image.width)


def decode(data: bytes, spec: dict[str, Any]) -> tuple[Pixels, int]:
    """The pixels that the spec asks for, and the EXIF orientation (1 where absent); raises PictureError.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (8, 6), "gray").save(file, "PNG")
        >>> spec = {"kind": "original", "color": "auto", "exif": False, "sixteen_bit": "reject", "alpha": "drop"}
        >>> decode(file.getvalue(), {**spec, "decode_limit": 100})[0].shape
        (6, 8)
    """
    image = open_picture(data, spec)
    try:
        image.load()
    except Exception as error:
        ended = "truncated" in str(error).lower()
        raise PictureError("picture.truncated" if ended else "picture.corrupt") from error
    orientation = orientation_of(image)
    if spec["exif"] and orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    image = resize(to_gray_or_rgb(image, spec), spec)
    return np.asarray(image), orientation


def orientation_of(image: Image.Image) -> int:
    """The EXIF tag, or 1."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - an EXIF block that is none makes no picture unusable
        return 1
    return orientation if isinstance(orientation, int) else 1


def to_gray_or_rgb(image: Image.Image, spec: dict[str, Any]) -> Image.Image:
    """The picture in mode L or RGB, 8 bits."""
    if image.mode.startswith("I") and spec["sixteen_bit"] == "scale":
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if spec["alpha"] == "white" and image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba)
    if image.mode not in ("L", "1", "LA"):
        image = image.convert("RGB")
    if spec["color"] == "rgb":
        return image.convert("RGB")
    if spec["color"] == "gray" or image.mode != "RGB":
        return image.convert("L")
    return image.getchannel(0) if is_gray(image) else image


def is_gray(image: Image.Image) -> bool:
    """Whether the three channels of an RGB picture are equal everywhere."""
    pixels = np.asarray(image)
    for part in (pixels[::PROBE_STEP, ::PROBE_STEP], pixels):
        red = part[..., 0]
        if not (np.array_equal(red, part[..., 1]) and np.array_equal(red, part[..., 2])):
            return False
    return True


def resize(image: Image.Image, spec: dict[str, Any]) -> Image.Image:
    """The picture in the size of the spec."""
    if spec["kind"] == "original":
        return image
    height, width, method = spec["height"], spec["width"], FILTERS[spec["filter"]]
    if spec["fit"] == "stretch":
        return image.resize((width, height), method)
    if spec["fit"] == "pad":
        fill: int = spec.get("fill", 0)
        return ImageOps.pad(image, (width, height), method, color=(fill,) * len(image.getbands()))
    if height * image.width >= width * image.height:
        size = (height * image.width // image.height, height)
    else:
        size = (width, width * image.height // image.width)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return image.resize(size, method).crop((left, top, left + width, top + height))
