"""Draws the seeds of the fuzz targets with Pillow: ``python fuzz/seeds.py``. The same seeds every time."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "seeds"
KINDS = {"GIF": 0, "TIFF": 1, "BMP": 3, "WEBP": 4}


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def put(target: str, name: str, data: bytes) -> None:
    path = FOLDER / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:  # noqa: C901 - a list of files
    shutil.rmtree(FOLDER, ignore_errors=True)
    rng = np.random.default_rng(1)
    base = Image.fromarray(rng.integers(0, 256, (5, 6, 4), np.uint8), "RGBA").resize((19, 14))
    rgb = base.convert("RGB")
    images = {mode: base.convert(mode) for mode in ("RGB", "L", "CMYK", "RGBA", "LA", "1")} | {"P": rgb.quantize(9)}
    for mode in ("RGB", "L", "CMYK"):
        for number, options in enumerate(({}, {"progressive": True}, {"subsampling": 2, "quality": 30}, {"restart_marker_blocks": 1})):
            put("jpeg", f"{mode}{number}.jpg", saved(images[mode], "JPEG", **options))
    put("jpeg", "exif.jpg", saved(rgb, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"))
    for mode in ("RGB", "L", "RGBA", "LA", "1", "P"):
        put("png", f"{mode}.png", saved(images[mode], "PNG"))
    put("png", "key.png", saved(rgb, "PNG", transparency=(1, 2, 3)))
    put("png", "sixteen.png", saved(Image.fromarray(rng.integers(0, 65536, (4, 5), np.uint16)), "PNG"))
    for kind, first in KINDS.items():
        for mode, image in images.items():
            if (kind == "BMP" and mode in {"CMYK", "LA"}) or (kind in {"WEBP", "GIF"} and mode in {"CMYK", "1", "LA"}):
                continue
            put("others", f"{mode}.{kind.lower()}", bytes([first]) + saved(image, kind))
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate"):
        put("others", f"{compression}.tiff", b"\x01" + saved(rgb, "TIFF", compression=compression))
    put("others", "lossless.webp", b"\x04" + saved(base, "WEBP", lossless=True))
    for path in sorted((FOLDER / "jpeg").iterdir())[:6] + sorted((FOLDER / "png").iterdir()):
        put("header", path.name, path.read_bytes())
    for path in sorted((FOLDER / "others").iterdir()):
        put("header", path.name, path.read_bytes()[1:])
    for number in range(24):
        put("resample", str(number), rng.integers(0, 256, 8 + number, np.uint8).tobytes())


if __name__ == "__main__":
    main()
