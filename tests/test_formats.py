"""GIF, TIFF and WebP against Pillow: pixels, modes, and errors where Pillow has them."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast import _core
from PIL import Image

from tests.parity import compared

SIZES = [(1, 1), (1, 9), (7, 1), (8, 8), (13, 5), (31, 64), (100, 77)]
"""Heights and widths."""


def drawn(rng: np.random.Generator, mode: str, height: int, width: int) -> Image.Image:
    """Noise or flat patches, in this mode."""
    step = int(rng.integers(1, 6))
    small = rng.integers(0, 256, (-(-height // step), -(-width // step), 4), np.uint8)
    pixels = np.repeat(np.repeat(small, step, axis=0), step, axis=1)[:height, :width]
    if mode == "P":
        return Image.fromarray(np.ascontiguousarray(pixels[:, :, :3])).quantize(int(rng.integers(2, 257)))
    if mode == "I;16":
        return Image.fromarray((pixels[:, :, 0].astype(np.uint16) << 8) | pixels[:, :, 1])
    return Image.fromarray(np.ascontiguousarray(pixels), "RGBA").convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def by_pillow(data: bytes) -> tuple[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        image.load()
    return image.mode, np.asarray(image.convert("RGB"))


def over_white(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def compare(data: bytes) -> None:
    mode, expected = by_pillow(data)
    header = _core.probe_picture(data)
    assert (header["height"], header["width"]) == expected.shape[:2]
    assert header["mode"] == mode.replace("I;16B", "I;16")
    assert np.array_equal(mf.read_picture(data, mf.Original(sixteen_bit="pillow")), expected)
    if mode in {"RGBA", "LA"} or (mode in {"L", "P"} and header["transparent"]):
        assert np.array_equal(mf.read_picture(data, mf.Original(alpha="white")), over_white(data))
    compared()


def gifs() -> Iterator[bytes]:
    rng = np.random.default_rng(11)
    for height, width in SIZES:
        for mode in ("P", "L", "1", "RGB"):
            image = drawn(rng, mode, height, width)
            for options in ({}, {"interlace": False}, {"interlace": True}, {"transparency": int(rng.integers(0, 4))}):
                yield saved(image, "GIF", **options)
        frames = [drawn(rng, "P", height, width) for _ in range(3)]
        yield saved(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)


def hand_made_gif(screen: tuple[int, int], frame: tuple[int, int, int, int], transparent: int | None, *, local: bool) -> bytes:
    """A GIF whose frame is not its screen, of uncompressed codes."""
    palette = bytes(np.random.default_rng(5).integers(0, 256, 12, np.uint8))
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0 if local else 0x81, 1, 0) + (b"" if local else palette)
    if transparent is not None:
        out += b"!\xf9\x04" + bytes([1, 0, 0, transparent]) + b"\0"
    out += b"," + struct.pack("<HHHHB", *frame, 0x81 if local else 0) + (palette if local else b"") + b"\x02"
    bits, count, value = 0, 0, bytearray()
    for index in range(frame[2] * frame[3]):
        for code in (4, index * 7 % 4):  # clear, then the sample: codes stay at three bits
            bits |= code << count
            count += 3
            while count >= 8:
                value.append(bits & 255)
                bits, count = bits >> 8, count - 8
    value += bytes([bits & 255, 0])
    blocks = b"".join(bytes([len(value[at : at + 255])]) + value[at : at + 255] for at in range(0, len(value), 255))
    return out + blocks + b"\0;"


SHORT = {258, 259, 262, 266, 274, 277, 284, 317, 320, 338, 339, 530}
"""Tags of 16 bits."""


def tiffs() -> Iterator[bytes]:
    rng = np.random.default_rng(12)
    for height, width in SIZES:
        for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"):
            image = drawn(rng, mode, height, width)
            for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate"):
                yield saved(image, "TIFF", compression=compression)
            if mode not in {"1", "P"}:
                yield saved(image, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
                yield saved(image, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
            yield saved(image, "TIFF", compression="tiff_lzw", tiffinfo={278: max(height // 3, 1)})
        for turn in range(1, 9):
            yield saved(drawn(rng, "RGB", height, width), "TIFF", tiffinfo={274: turn})
        yield saved(drawn(rng, "L", height, width), "TIFF", save_all=True, append_images=[drawn(rng, "L", height, width)])


def hand_made_tiff(order: str, tags: Mapping[int, list[int] | bytes], data: bytes, *, big: bool = False) -> bytes:
    """A TIFF with these tags (numbers, all of type LONG, but those of few bits; or bytes) and its data behind the header."""
    place, pad = ("Q" if big else "I"), b"\0" * (len(data) % 2)
    mark = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "H", 43 if big else 42) + (struct.pack(order + "HH", 8, 0) if big else b"")
    begin = len(mark) + struct.calcsize(order + place)
    out = mark + struct.pack(order + place, begin + len(data) + len(pad)) + data + pad
    late = b""
    width = struct.calcsize(order + place)
    start = len(out) + (8 + 20 * len(tags) if big else 2 + 12 * len(tags)) + width
    out += struct.pack(order + ("Q" if big else "H"), len(tags))
    for tag, values in sorted(tags.items()):
        if isinstance(values, bytes):
            kind, content = 7, values
        else:
            kind, code = (3, "H") if tag in SHORT else (4, "I")
            moved = [value + begin - 8 for value in values] if tag in {273, 324} else values
            content = struct.pack(order + code * len(values), *moved)
        count = len(values)
        if len(content) > width:
            at = struct.pack(order + place, start + len(late))
            late += content
        else:
            at = content.ljust(width, b"\0")
        out += struct.pack(order + "HH" + place, tag, kind, count) + at
    return out + bytes(width) + late


def odd_tiffs() -> Iterator[bytes]:
    rng = np.random.default_rng(13)
    width, height = 21, 10
    base: dict[int, list[int] | bytes] = {256: [width], 257: [height], 259: [1], 273: [8]}
    noise = rng.integers(0, 256, 21 * 10 * 8, np.uint8).tobytes()
    for order in "<>":
        for bits in (1, 2, 4, 8):
            for meaning in (0, 1):
                yield hand_made_tiff(order, {**base, 258: [bits], 262: [meaning]}, noise)
            colors = rng.integers(0, 65536, 3 << bits).tolist()
            yield hand_made_tiff(order, {**base, 258: [bits], 262: [3], 320: colors}, noise)
        yield hand_made_tiff(order, {**base, 258: [16], 262: [1]}, noise)
        for samples, extra in ((3, []), (4, [2]), (4, [0]), (4, [])):
            for bits in (8, 16):
                more: dict[int, list[int] | bytes] = {338: extra} if extra else {}
                yield hand_made_tiff(order, {**base, 258: [bits] * samples, 262: [2], 277: [samples], **more}, noise)
        yield hand_made_tiff(order, {**base, 258: [8, 8], 262: [1], 277: [2], 338: [2]}, noise)
        yield hand_made_tiff(order, {**base, 258: [8] * 4, 262: [5], 277: [4]}, noise)
        planes = {**base, 258: [8] * 3, 262: [2], 277: [3], 284: [2], 273: [8, 8 + 210, 8 + 420], 278: [10]}
        yield hand_made_tiff(order, planes, noise)
        strips = {**base, 258: [8], 262: [1], 273: [8, 8 + 84, 8 + 168], 278: [4]}
        yield hand_made_tiff(order, strips, noise)


def webps() -> Iterator[bytes]:
    rng = np.random.default_rng(14)
    for height, width in SIZES:
        for mode in ("RGB", "RGBA", "L", "P"):
            image = drawn(rng, mode, height, width)
            yield saved(image, "WEBP", lossless=True)
            yield saved(image, "WEBP", lossless=True, exact=True)
            for quality in (0, 30, 75, 100):
                yield saved(image, "WEBP", quality=quality, method=int(rng.integers(0, 7)))
        frames = [drawn(rng, "RGBA", height, width) for _ in range(3)]
        yield saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("made", [gifs, tiffs, odd_tiffs, webps])
def test_pixels_are_pillows(made):
    for data in made():
        compare(data)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("transparent", [None, 2])
def test_a_frame_is_laid_on_its_screen(transparent, local):
    for screen, frame in [((9, 8), (2, 3, 4, 5)), ((4, 4), (2, 1, 9, 7)), ((5, 5), (0, 0, 5, 5)), ((1, 300), (0, 3, 1, 2))]:
        compare(hand_made_gif(screen, frame, transparent, local=local))


def test_cut_and_damaged_files_are_refused_where_pillow_refuses_them() -> None:
    rng = np.random.default_rng(15)
    image = drawn(rng, "RGB", 40, 50)
    gray = drawn(rng, "L", 40, 50)
    files = [
        saved(image.quantize(64), "GIF"),
        saved(gray, "GIF", interlace=True),
        saved(image, "WEBP", quality=60),
        saved(image, "WEBP", lossless=True),
        saved(image, "TIFF"),
        saved(image, "TIFF", compression="tiff_lzw"),
        saved(gray, "TIFF", compression="packbits"),
        saved(image, "TIFF", compression="tiff_adobe_deflate"),
    ]
    for data in files:
        for cut in sorted({*rng.integers(1, len(data), 60).tolist(), *range(1, 40), len(data) - 1}):
            check_refusal(data[:cut])


def check_refusal(data: bytes) -> bool:
    """Whether both refuse it; otherwise both read the same."""
    try:
        _, expected = by_pillow(data)
    except Exception:  # noqa: BLE001 - whatever it is
        with pytest.raises(mf.DataError) as caught:
            mf.read_picture(data, mf.Original(sixteen_bit="pillow"))
        assert caught.value.code in {"picture.truncated", "picture.corrupt", "picture.format"}
        compared()
        return True
    assert np.array_equal(mf.read_picture(data, mf.Original(sixteen_bit="pillow")), expected)
    compared()
    return False


def test_damaged_gifs_are_read_as_pillow_reads_them() -> None:
    rng = np.random.default_rng(16)
    data = saved(drawn(rng, "RGB", 30, 40).quantize(32), "GIF")
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(13, len(data), int(rng.integers(1, 4))).tolist():
            damaged[at] = int(rng.integers(0, 256))
        check_refusal(bytes(damaged))


@pytest.mark.timeout(10)
def test_a_picture_that_is_a_pipe_or_without_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(OSError, match="expected a regular file"):
            mf.read_picture(path, mf.Original())
