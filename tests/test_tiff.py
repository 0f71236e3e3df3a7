"""The rarer kinds of TIFF against Pillow: planes, numbers, packings, colours; and what is refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import mmno_fast as mf
import numpy as np
import PIL
import pytest
from PIL import Image, TiffImagePlugin

from tests.test_formats import SIZES, by_pillow, check_refusal, compare, drawn, hand_made_tiff, saved

WIDTH, HEIGHT = 21, 10
TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Every byte with its bits in the reverse order."""

Tags = Mapping[int, "list[int] | bytes"]


def strips(order: str, tags: Tags, parts: list[bytes], *, packed: bool, **options: Any) -> bytes:
    """A TIFF of these strips or planes, plain or deflated."""
    parts = [zlib.compress(part) if packed else part for part in parts]
    starts = np.cumsum([8, *map(len, parts)])[:-1].tolist()
    if options.pop("turned", False):
        parts = [part.translate(TURNED) for part in parts]
    own: Tags = {256: [WIDTH], 257: [HEIGHT], 278: [HEIGHT], 259: [8 if packed else 1], 273: starts, 279: [len(part) for part in parts]}
    return hand_made_tiff(order, {**own, **tags}, b"".join(parts), **options)


def noise(rng: np.random.Generator, count: int) -> bytes:
    return rng.integers(0, 256, count, np.uint8).tobytes()


def planes() -> Iterator[bytes]:
    rng = np.random.default_rng(21)
    for order in "<>":
        for samples, extra in ((3, []), (4, [2]), (4, [1]), (4, [0]), (4, [])):
            for bits in (8, 16):
                tags = {258: [bits] * samples, 262: [2], 277: [samples], 284: [2], **({338: extra} if extra else {})}
                parts = [noise(rng, WIDTH * HEIGHT * bits // 8) for _ in range(samples)]
                yield strips(order, tags, parts, packed=True)
                if bits == 8 and extra in ([], [2]):
                    yield strips(order, tags, parts, packed=False)
                lower = [noise(rng, WIDTH * rows * bits // 8) for _ in range(samples) for rows in (4, 4, 2)]
                yield strips(order, {**tags, 278: [4]}, lower, packed=True)
                yield strips(order, {**tags, 317: [2]}, parts, packed=True)
        yield strips(order, {258: [16] * 4, 262: [5], 277: [4], 284: [2]}, [noise(rng, WIDTH * HEIGHT * 2) for _ in range(4)], packed=True)


def premultiplied() -> Iterator[bytes]:
    rng = np.random.default_rng(22)
    for order in "<>":
        for bits, samples, extra in ((8, 4, [1]), (16, 4, [1]), (8, 5, [1, 0]), (8, 6, [1, 0, 0]), (8, 5, [2, 0]), (8, 6, [0, 0, 0])):
            tags: Tags = {258: [bits] * samples, 262: [2], 277: [samples], 338: extra}
            for packed in (False, True):
                yield strips(order, tags, [noise(rng, WIDTH * HEIGHT * samples * bits // 8)], packed=packed)
        for bits, extra in ((8, [0]), (8, [0, 0]), (16, [])):
            tags = {258: [bits] * (4 + len(extra)), 262: [5], 277: [4 + len(extra)], **({338: extra} if extra else {})}
            for packed in (False, True):
                yield strips(order, tags, [noise(rng, WIDTH * HEIGHT * (4 + len(extra)) * bits // 8)], packed=packed)


def numbers() -> Iterator[bytes]:
    """Signed ones, large ones, fractions."""
    rng = np.random.default_rng(23)
    count = WIDTH * HEIGHT
    odd = np.array([0, -0.5, 0.5, 254.99998, 255, 256, 1e9, -1e9, np.inf, -np.inf], np.float32)
    fractions = np.concatenate([rng.normal(120, 120, count - len(odd)), odd]).astype(np.float32)
    small = rng.integers(-100, 400, count)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        for meaning, form, values in (
            (1, 2, small.astype(np.int8)),
            (1, 2, small.astype(np.int16)),
            (1, 2, small.astype(np.int32)),
            (1, 2, rng.integers(-(2**31), 2**31, count).astype(np.int32)),
            (1, 1, rng.integers(0, 2**32, count).astype(np.uint32)),
            (1, 3, fractions),
            (0, 3, fractions),
        ):
            bits = values.dtype.itemsize * 8
            if order == ">" and (form, bits) == (1, 32):
                continue
            stored = values.astype(values.dtype.newbyteorder(order))
            tags: Tags = {258: [bits], 262: [meaning], 277: [1], 339: [form]}
            yield strips(order, tags, [stored.tobytes()], packed=False)
            if order == "<" or bits == 8:
                yield strips(order, tags, [stored.tobytes()], packed=True)
                yield strips(order, {**tags, 317: [2]}, [stored.tobytes()], packed=True)
            if order == "<" and form == 3:
                yield strips(order, {**tags, 317: [3]}, [stored.tobytes()], packed=True)
    for height, width in SIZES:
        wide = rng.integers(-300, 600, (height, width))
        for image in (Image.fromarray(wide.astype(np.int32)), Image.fromarray(wide.astype(np.float32) / 3)):
            for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
                yield saved(image, "TIFF", compression=compression)


def reversed_bits() -> Iterator[bytes]:
    rng = np.random.default_rng(24)
    for order in "<>":
        for bits in (1, 2, 4, 8):
            part = noise(rng, -(-WIDTH * bits // 8) * HEIGHT)
            for meaning in (0, 1):
                tags: Tags = {258: [bits], 262: [meaning], 266: [2]}
                if (bits, meaning) != (8, 0):
                    yield strips(order, tags, [part], packed=False)
                yield strips(order, tags, [part], packed=True, turned=True)
            tags = {258: [bits], 262: [3], 266: [2], 320: rng.integers(0, 65536, 3 << bits).tolist()}
            if bits == 8:
                yield strips(order, tags, [part], packed=False)
            yield strips(order, tags, [part], packed=True, turned=True)
        for packed in (False, True):
            part = noise(rng, WIDTH * HEIGHT * 3)
            yield strips(order, {258: [8] * 3, 262: [2], 277: [3], 266: [2]}, [part], packed=packed, turned=packed)
    for packed in (False, True):
        yield strips("<", {258: [16], 262: [1], 266: [2]}, [noise(rng, WIDTH * HEIGHT * 2)], packed=packed, turned=packed)


def big_offsets() -> Iterator[bytes]:
    rng = np.random.default_rng(25)
    for packed in (False, True):
        for samples, meaning in ((1, 1), (3, 2), (4, 5)):
            part = noise(rng, WIDTH * HEIGHT * samples)
            yield strips("<", {258: [8] * samples, 262: [meaning], 277: [samples]}, [part], packed=packed, big=True)
        part = noise(rng, WIDTH * HEIGHT * 3)
        yield strips("<", {258: [8] * 3, 262: [2], 277: [3], 278: [5]}, [part[:315], part[315:]], packed=packed, big=True)
    for mode in ("RGB", "P", "1"):
        yield saved(drawn(rng, mode, 30, 40), "TIFF", big_tiff=True)


def luma_and_chroma() -> Iterator[bytes]:
    rng = np.random.default_rng(26)
    for order in "<>":
        yield strips(order, {258: [8], 262: [6]}, [noise(rng, WIDTH * HEIGHT)], packed=False)
    if int(PIL.__version__.split(".")[0]) < 13:
        return  # Pillow 12 takes three bytes for four
    for order in "<>":
        yield strips(order, {258: [8] * 3, 262: [6], 277: [3]}, [noise(rng, WIDTH * HEIGHT * 3)], packed=False)
    for height, width in SIZES:
        pixels = drawn(rng, "YCbCr", height, width).tobytes()
        tags: Tags = {256: [width], 257: [height], 278: [height], 258: [8] * 3, 262: [6], 277: [3]}
        yield strips("<", tags, [pixels], packed=False)


def jpegs() -> Iterator[bytes]:
    rng = np.random.default_rng(27)
    for height, width in SIZES:
        for mode in ("L", "RGB", "CMYK"):
            image = drawn(rng, mode, height, width)
            for quality in (20, 75, 100):
                yield saved(image, "TIFF", compression="jpeg", quality=quality)
            yield saved(image, "TIFF", compression="jpeg", tiffinfo={278: 16})
        # As they are: libtiff does not look at what the JPEG says of its colours.
        yield saved(drawn(rng, "RGB", height, width), "TIFF", compression="jpeg", tiffinfo={262: 2})
    for mode, meaning, samples in (("L", 1, 1), ("L", 0, 1), ("RGB", 6, 3), ("RGB", 2, 3), ("CMYK", 5, 4), ("CMYK", 2, 4)):
        for sampling in ("4:4:4", "4:2:2", "4:2:0") if meaning == 6 else ("4:4:4",):
            for options in ({}, {"progressive": True}, {"keep_rgb": True}, {"restart_marker_blocks": 2}):
                if "keep_rgb" not in options or (mode, sampling) == ("RGB", "4:4:4"):
                    more = {"subsampling": sampling} if mode == "RGB" else {}
                    yield from jpeg_tiles(rng, mode, meaning, samples, {**more, **options})


def jpeg_tiles(rng: np.random.Generator, mode: str, meaning: int, samples: int, options: dict[str, Any]) -> Iterator[bytes]:
    """Tiles of 16 by 16 pixels, with tables of their own, or shared ones."""
    across, down = 3, 2
    tiles = [drawn(rng, mode, 16, 16) for _ in range(across * down)]
    tags: dict[int, list[int] | bytes] = {
        256: [41],
        257: [30],
        322: [16],
        323: [16],
        258: [8] * samples,
        259: [7],
        262: [meaning],
        277: [samples],
    }
    for shared in (False, True):
        parts = [saved(tile, "JPEG", quality=70, streamtype=2 if shared else 0, **options) for tile in tiles]
        if shared:
            if options.get("progressive"):
                continue
            tags[347] = saved(tiles[0], "JPEG", quality=70, streamtype=1, **options)
        starts = np.cumsum([8, *map(len, parts)])[:-1].tolist()
        for order in "<>":
            yield hand_made_tiff(order, {**tags, 324: starts, 325: [len(part) for part in parts]}, b"".join(parts))


def bilevel(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    return drawn(rng, "L", height, width).point(lambda v: 255 * (v > 100)).convert("1")


def faxes() -> Iterator[bytes]:
    rng = np.random.default_rng(28)
    for height, width in [*SIZES, (40, 1728), (9, 5000), (300, 2600)]:
        images = [bilevel(rng, height, width), Image.new("1", (width, height), int(rng.integers(0, 2)))]
        if width > 1000:
            lines = np.cumsum(rng.integers(0, 400, (height, 40)), axis=1)
            images.append(Image.fromarray(((lines[:, :, None] <= np.arange(width)).sum(axis=1) % 2 * 255).astype(np.uint8)).convert("1"))
        for image in images:
            for compression in ("tiff_ccitt", "group3", "group4"):
                for info in ({}, {262: 0}, {262: 1}, {266: 2}, {278: max(height // 3, 1)}):
                    yield saved(image, "TIFF", compression=compression, tiffinfo=info)
            for options in (1, 4, 5):
                yield saved(image, "TIFF", compression="group3", tiffinfo={292: options})


@pytest.mark.parametrize("made", [planes, premultiplied, numbers, reversed_bits, big_offsets, luma_and_chroma, jpegs, faxes])
def test_rare_kinds_are_pillows(made):
    for data in made():
        compare(data)


def test_damaged_packings_are_read_as_pillow_reads_them() -> None:
    rng = np.random.default_rng(29)
    black = bilevel(rng, 40, 300)
    files = [saved(black, "TIFF", compression=compression) for compression in ("tiff_ccitt", "group3")]
    files.append(saved(black, "TIFF", compression="group3", tiffinfo={292: 1}))
    for data in files:
        image = Image.open(io.BytesIO(data))
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
        for _ in range(200):
            damaged = bytearray(data)
            for at in rng.integers(start, start + length, int(rng.integers(1, 3))).tolist():
                damaged[at] = int(rng.integers(0, 256))
            check_refusal(bytes(damaged))


def refused_by_both() -> Iterator[bytes]:
    rng = np.random.default_rng(30)
    plane = noise(rng, WIDTH * HEIGHT)
    for order in "<>":
        for tags, count in (
            ({258: [8] * 2, 262: [1], 277: [2], 338: [1]}, 2),
            ({258: [16], 262: [0], 339: [2]}, 2),
            ({258: [8], 262: [0], 266: [2]}, 1),
            ({258: [8] * 4, 262: [2], 277: [4], 338: [1], 266: [2]}, 4),
            ({258: [64], 262: [1], 339: [3]}, 8),
            ({258: [4], 262: [6]}, 1),
            ({258: [16], 262: [0], 266: [2]}, 2),
            ({258: [32], 262: [1], 266: [2], 339: [3]}, 4),
            ({258: [8, 8, 16], 262: [2], 277: [3]}, 4),
            ({258: [8, 8], 262: [2], 277: [3]}, 3),
            ({258: [8] * 3, 262: [2], 277: [3], 339: [1, 2, 1]}, 3),
        ):
            yield strips(order, tags, [plane * count], packed=False)
        for extra in (0, 1):
            tags = {258: [8] * 4, 262: [2], 277: [4], 338: [extra], 284: [2]}
            yield strips(order, tags, [plane] * 4, packed=False)
        yield strips(order, {258: [8], 262: [6]}, [plane], packed=True)
    yield strips(">", {258: [32], 262: [1]}, [plane * 4], packed=False)
    yield strips(">", {258: [8], 262: [1]}, [plane], packed=False, big=True)
    sampled = saved(drawn(rng, "RGB", 16, 16), "JPEG", subsampling="4:2:0")
    tags = {256: [16], 257: [16], 258: [8] * 3, 259: [7], 277: [3], 273: [8], 279: [len(sampled)]}
    yield hand_made_tiff("<", {**tags, 262: [2]}, sampled)
    yield hand_made_tiff("<", {**tags, 262: [6], 256: [15]}, sampled)
    yield hand_made_tiff("<", {**tags, 262: [6], 347: sampled}, sampled)


def test_what_pillow_refuses_is_refused() -> None:
    for data in refused_by_both():
        with pytest.raises((OSError, ValueError)):
            by_pillow(data)
        check_refusal(data)


def test_wide_gray_needs_a_choice() -> None:
    data = saved(drawn(np.random.default_rng(31), "L", 9, 9).convert("F"), "TIFF")
    for choice in ("reject", "scale"):
        with pytest.raises(mf.DataError) as caught:
            mf.read_picture(data, mf.Original(sixteen_bit=choice))
        assert caught.value.code == "picture.sixteen_bit"


def test_what_is_not_read_is_refused_by_name() -> None:
    rng = np.random.default_rng(32)
    plane = noise(rng, WIDTH * HEIGHT * 2)
    rgb = {262: [2], 277: [3], 284: [2]}
    for data, says in [
        (strips("<", {258: [16] * 3, **rgb}, [plane] * 3, packed=False), "planes of other than 8 bits"),
        (strips(">", {258: [16], 262: [1], 339: [2]}, [plane], packed=True), "the high byte first"),
        (strips("<", {258: [8] * 3, 262: [6], 277: [3]}, [plane * 2], packed=True), "luma and chroma"),
        (strips("<", {258: [8] * 3, 262: [8], 277: [3]}, [plane * 2], packed=False), "colours of kind 8"),
        (strips("<", {258: [8] * 2, 262: [3], 277: [2], 338: [2], 320: [0] * 768}, [plane], packed=False), "samples of 8 bits"),
        (strips("<", {258: [12], 262: [1]}, [plane], packed=False), "samples of 12 bits"),
    ]:
        with pytest.raises(mf.DataError, match=says) as caught:
            mf.read_picture(data, mf.Original())
        assert caught.value.code == "picture.format"
