"""Small files that hold large pictures: what bounds of memory are tried with."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image


def packed(line: bytes, lines: int) -> bytes:
    """A zlib stream of so many equal lines."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(line * 64) for _ in range(lines // 64)) + packer.compress(line * (lines % 64)) + packer.flush()


def passes(width: int, height: int, interlaced: bool) -> list[tuple[int, int]]:
    """Columns and rows of each pass."""
    if not interlaced:
        return [(width, height)]
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return [(len(range(x, width, right)), len(range(y, height, down))) for x, y, right, down in steps]


def png(width: int, height: int, bits: int = 8, kind: int = 0, *, interlaced: bool = False) -> bytes:
    """Zeros of any depth."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    total = sum(rows * (1 + (columns * samples * bits + 7) // 8) for columns, rows in passes(width, height, interlaced))
    data = packed(b"\0", total) if total < 1000 else packed(bytes(1000), total // 1000 + 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced))]
    chunks += [(b"PLTE", bytes(768))] * (kind == 3)
    chunks += [(b"IDAT", data), (b"IEND", b"")]
    whole = (struct.pack(">I", len(own)) + name + own + struct.pack(">I", zlib.crc32(name + own)) for name, own in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def rle_bmp(width: int, height: int) -> bytes:
    """Runs of zeros."""
    data = (b"\xff\x01" * (width // 255) + bytes([width % 255, 1]) + b"\0\0") * height + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(data), 0, 0, 54 + 1024) + head + bytes(1024) + data


def tiff(width: int, height: int, bits: int = 8, samples: int = 1, *, tile: tuple[int, int] | None = None, orientation: int = 1) -> bytes:
    """Deflated zeros in one strip, or in one tile that may be larger."""
    wide, high = tile or (width, height)
    data = packed(bytes(wide * samples * bits // 8), high)
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 8), (262, 3, 1 if samples == 1 else 2), (274, 3, orientation)]
    tags += [] if tile else [(273, 4, 8)]
    tags += [(277, 3, samples)]
    tags += [(322, 4, wide), (323, 4, high), (324, 4, 8), (325, 4, len(data))] if tile else [(278, 4, height), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def by_pillow(mode: str, width: int, height: int, form: str, **options: Any) -> bytes:
    """One colour, written by Pillow."""
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, form, **options)
    return file.getvalue()


LARGE: dict[str, Callable[[int, int], bytes]] = {
    "gray.png": png,
    "rgb.png": lambda w, h: png(w, h, 8, 2),
    "rgb16.png": lambda w, h: png(w, h, 16, 2),
    "rgba16.png": lambda w, h: png(w, h, 16, 6),
    "rgba16-interlaced.png": lambda w, h: png(w, h, 16, 6, interlaced=True),
    "gray16.png": lambda w, h: png(w, h, 16, 0),
    "palette.png": lambda w, h: png(w, h, 1, 3),
    "runs.bmp": rle_bmp,
    "plain.bmp": lambda w, h: by_pillow("RGB", w, h, "BMP"),
    "palette.gif": lambda w, h: by_pillow("P", w, h, "GIF"),
    "gray.jpg": lambda w, h: by_pillow("L", w, h, "JPEG"),
    "rgb.jpg": lambda w, h: by_pillow("RGB", w, h, "JPEG"),
    "progressive.jpg": lambda w, h: by_pillow("RGB", w, h, "JPEG", progressive=True),
    "ink.jpg": lambda w, h: by_pillow("CMYK", w, h, "JPEG", progressive=True),
    "gray.tif": tiff,
    "rgb16.tif": lambda w, h: tiff(w, h, 16, 3),
    "turned.tif": lambda w, h: tiff(w, h, 16, 3, orientation=6),
    "fax.tif": lambda w, h: by_pillow("1", w, h, "TIFF", compression="group4"),
    "lzw.tif": lambda w, h: by_pillow("RGB", w, h, "TIFF", compression="tiff_lzw"),
    "jpeg.tif": lambda w, h: by_pillow("RGB", w, h, "TIFF", compression="jpeg"),
    "lossless.webp": lambda w, h: by_pillow("RGB", w, h, "WEBP", lossless=True, method=0),
    "lossy-clear.webp": lambda w, h: by_pillow("RGBA", w, h, "WEBP", method=0),
}
"""One of each kind of decoder, by the name of its file: makes a picture of this width and height."""
