"""JPEG, PNG and BMP in every kind, drawn: what the tests of pixels read. GIF, TIFF and WebP: `tests/test_formats.py`."""

from __future__ import annotations

import io
import itertools
import random
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.jpeg_writer import LAYOUTS, jpeg

Pixels: TypeAlias = npt.NDArray[np.uint8]

SIZES = [(1, 1), (2, 1), (1, 2), (7, 5), (8, 8), (9, 17), (15, 16), (31, 3), (64, 48), (65, 49), (131, 97)]
"""Widths and heights."""


def noise(seed: int, *shape: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def jpegs() -> Iterator[tuple[str, bytes]]:
    seeds = itertools.count()
    for (w, h), quality, progressive, restart in itertools.product(SIZES, (1, 50, 95), (False, True), (0, 2)):
        name = f"{w}x{h} quality {quality}{' progressive' * progressive}{' restarts' * bool(restart)}"
        options: dict[str, Any] = {"quality": quality, "progressive": progressive, "restart_marker_blocks": restart}
        color = Image.fromarray(noise(next(seeds), h, w, 3))
        for sampling in ("4:4:4", "4:2:2", "4:2:0"):
            yield f"{name} {sampling}", saved(color, "JPEG", subsampling=sampling, **options)
        for layout in LAYOUTS:
            yield f"{name} {layout}", jpeg((w, h), layout, quality, progressive=progressive, restart=restart, seed=next(seeds))
        yield f"{name} rgb", saved(color, "JPEG", keep_rgb=True, **options)
        yield f"{name} gray", saved(Image.fromarray(noise(next(seeds), h, w)), "JPEG", **options)
        ink = Image.frombytes("CMYK", (w, h), noise(next(seeds), h, w, 4).tobytes())
        data = saved(ink, "JPEG", **options)
        yield f"{name} cmyk", data
        # The same data, said to be YCCK by Adobe's marker.
        at = data.find(b"Adobe") + 11
        yield f"{name} ycck", data[:at] + b"\x02" + data[at + 1 :]


def png(size: tuple[int, int], bits: int, kind: int, chunks: Iterable[tuple[bytes, bytes]] = (), seed: int = 0) -> bytes:
    """Noise under random filters, with these chunks before the data."""
    (w, h), chooser = size, random.Random(seed)
    row = (w * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] * bits + 7) // 8
    raw = b"".join(bytes([chooser.randrange(5)]) + chooser.randbytes(row) for _ in range(h))
    everything = [(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, 0)), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in everything)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def pngs() -> Iterator[tuple[str, bytes]]:
    gray = [(bits, 0) for bits in (1, 2, 4, 8, 16)]
    index = [(bits, 3) for bits in (1, 2, 4, 8)]
    color = [(bits, kind) for kind in (2, 4, 6) for bits in (8, 16)]
    for seed, ((bits, kind), size) in enumerate(itertools.product([*gray, *index, *color], SIZES)):
        chunks: list[tuple[bytes, bytes]] = []
        if kind == 3:
            chunks.append((b"PLTE", noise(seed, 3 * (1 << bits)).tobytes()))
            chunks.append((b"tRNS", random.Random(seed).choice([b"\xff\x00\xff", b"\x00\x80", noise(seed, 1 << bits).tobytes()])))
        elif kind in (0, 2):
            value = struct.pack(">H", random.Random(seed).choice([0, 1, 3, 255, 256, 65_535]))
            chunks.append((b"tRNS", value * (1 if kind == 0 else 3)))
        yield f"{size} {bits} bits, kind {kind}", png(size, bits, kind, chunks, seed)


def bitmaps() -> Iterator[tuple[str, bytes]]:
    for seed, (w, h) in enumerate(SIZES):
        color = Image.fromarray(noise(seed, h, w, 3))
        for mode in ("1", "L", "P", "RGB", "RGBA"):
            data = saved(color.convert(mode), "BMP")
            yield f"{w}x{h} {mode}", data
            top_down = struct.pack("<i", -h)
            yield f"{w}x{h} {mode} top down", data[:22] + top_down + data[26:]
        body = noise(seed, (2 * w + 3) // 4 * 4 * h).tobytes()
        for masks in ((0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), (0xF00, 0xF0, 0xF)):
            head = struct.pack("<IiiHHIIiiII", 40, w, h, 1, 16, 3, len(body), 0, 0, 0, 0) + struct.pack("<3I", *masks)
            yield f"{w}x{h} {masks}", b"BM" + struct.pack("<IHHI", 66 + len(body), 0, 0, 66) + head + body
