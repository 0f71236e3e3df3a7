"""Odd files, which somebody's program writes or a fault of a disk leaves: refused where Pillow refuses them, and else its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import mmno_fast as mf
import numpy as np
import PIL
import pytest
from PIL import Image, PngImagePlugin

from tests.picture_files import saved
from tests.test_pixels import assert_equal

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about the files
UPRIGHT = mf.Original(exif=True, pixels="pillow12" if PIL.__version__.startswith("12.") else "pillow13")
STORED = mf.Original()
WHITE = mf.Original(alpha="white")


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 20, 3), np.uint8))


def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")


def exif(*entries: bytes, late: bytes = b"") -> bytes:
    """A block of these entries; what does not fit in them stands at byte 26 of the first one's TIFF."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + late


def turned(kind: int, count: int, value: bytes) -> bytes:
    """One orientation of this type."""
    if len(value) <= 4:
        return exif(entry(274, kind, count, value))
    return exif(entry(274, kind, count, struct.pack("<I", 26)), late=value)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(name: bytes, content: bytes, *, late: bool = False) -> bytes:
    data = saved(picture(), "PNG")
    at = len(data) - 12 if late else 33
    return data[:at] + chunk(name, content) + data[at:]


def raw_profile(block: bytes) -> str:
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\nexif\n{len(block):8}\n{lines}\n"


def test_orientations_of_every_type() -> None:
    six = [
        (3, 1, b"\6\0"),
        (3, 2, b"\6\0\3\0"),
        (3, 0, b"\6\0"),
        (3, 3, b"\6\0\3\0\3\0"),
        (4, 1, b"\6\0\0\0"),
        (13, 1, b"\6\0\0\0"),
        (9, 1, b"\6\0\0\0"),
        (8, 1, b"\6\0"),
        (6, 1, b"\6"),
        (1, 1, b"\6"),
        (7, 1, b"\6"),
        (2, 2, b"6\0"),
        (11, 1, struct.pack("<f", 6)),
        (11, 1, struct.pack("<f", 6.5)),
        (12, 1, struct.pack("<d", 6)),
        (5, 1, struct.pack("<II", 6, 1)),
        (5, 1, struct.pack("<II", 12, 2)),
        (5, 1, struct.pack("<II", 6, 0)),
        (5, 1, struct.pack("<II", 13, 2)),
        (10, 1, struct.pack("<ii", -6, -1)),
        (16, 1, struct.pack("<Q", 6)),
        (17, 1, b"\6\0\0\0"),
        (99, 1, b"\6\0"),
        (4, 1, b"\6\0\0\1"),
    ]
    blocks = [turned(*each) for each in six]
    blocks += [block[:6] + b"MM\0\x2a" + block[10:] for block in blocks[:2]]
    blocks += [exif(entry(274, 3, 1, b"\6\0"), entry(274, 3, 1, b"\3\0")), exif(entry(274, 99, 1, b"\3\0"), entry(274, 3, 1, b"\6\0"))]
    blocks += [
        exif(entry(274, 3, 0, b"\3\0"), entry(274, 3, 1, b"\6\0")),
        exif(entry(274, 5, 1, b"\xff\xff\0\0"), entry(274, 3, 1, b"\6\0")),
    ]
    # Together longer than the file: Pillow 13 leaves out what is too much.
    blocks += [exif(*[entry(tag, 7, 40, struct.pack("<I", 8)) for tag in (60000, 60001, 274)], entry(274, 3, 1, b"\6\0"))]
    assert_equal(((kind, saved(picture(), kind, exif=block)) for kind in ("JPEG", "PNG", "WEBP") for block in blocks), UPRIGHT, least=80)


def test_exif_in_texts_of_a_png() -> None:
    block = exif(entry(274, 3, 1, b"\6\0"))
    packet = '<x tiff:Orientation="8"/>'

    def pictures() -> Iterator[tuple[object, bytes]]:
        for text in (
            raw_profile(block),
            raw_profile(block[6:]),
            raw_profile(block).upper(),
            raw_profile(b""),
            raw_profile(block)[:-3],
            "\n\n\n0",
            "",
        ):
            for form in (b"tEXt", b"zTXt", b"iTXt"):
                for late in (False, True):
                    key = b"Raw profile type exif\0"
                    plain = text.encode()
                    value = {b"tEXt": plain, b"zTXt": b"\0" + zlib.compress(plain), b"iTXt": bytes(4) + plain}[form]
                    yield (text, form, late), with_chunk(form, key + value, late=late)
        for name in ("exif", "XML:com.adobe.xmp", "xmp", "other"):
            for text in (packet, "", "\xe9" + packet):
                for packed in (False, True):
                    info = PngImagePlugin.PngInfo()
                    info.add_text(name, text, zip=packed)
                    yield (name, text, packed), saved(picture(), "PNG", pnginfo=info)
                    yield (name, text, packed, "beside EXIF"), saved(picture(), "PNG", pnginfo=info, exif=block)
                    info = PngImagePlugin.PngInfo()
                    info.add_itxt(name, text, zip=packed)
                    yield (name, text, packed, "international"), saved(picture(), "PNG", pnginfo=info)
        yield "exif", with_chunk(b"tEXt", b"exif\0" + block)
        yield "no text", with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\xff\0\0" + packet.encode())

    assert_equal(pictures(), UPRIGHT, STORED, least=150)


def test_exif_that_is_junk() -> None:
    blocks = [
        b"junkjunkjunk",
        b"Exif\0\0",
        b"Exif\0\0junk",
        b"Exif\0\0II*\0\x08\0",
        b"Exif\0\0II+\0\x08\0\0\0\0\0\0\0",
        b"Exif\0\0" * 3,
        b"x",
    ]
    blocks += [mark + exif(entry(274, 3, 1, b"\6\0"))[10:] for mark in (b"Exif\0\0II\0*", b"Exif\0\0MM*\0", b"Exif\0\0Exif\0\0II*\0")]

    def pictures() -> Iterator[tuple[object, bytes]]:
        for block in blocks:
            yield ("PNG", block), with_chunk(b"eXIf", block)
            yield ("PNG", block), with_chunk(b"eXIf", block, late=True)
            yield ("WEBP", block), saved(picture(), "WEBP", exif=block)
            for dpi in ((0, 0), (72, 72)):
                yield ("JPEG", block, dpi), saved(picture(), "JPEG", exif=block, dpi=dpi)
                yield ("JPEG", block, dpi, "XMP"), saved(picture(), "JPEG", exif=block, dpi=dpi, xmp=b'<x tiff:Orientation="8"/>')

    assert_equal(pictures(), UPRIGHT, STORED, least=100)


def test_jpegs_without_their_end() -> None:
    rng = np.random.default_rng(31)

    def pictures() -> Iterator[tuple[object, bytes]]:
        for mode, options in (
            ("RGB", {}),
            ("RGB", {"subsampling": 0}),
            ("RGB", {"progressive": True}),
            ("RGB", {"restart_marker_blocks": 1}),
            ("L", {}),
            ("CMYK", {}),
        ):
            data = saved(picture().convert(mode), "JPEG", **options)
            ends = [b"", b"\xff", b"\xff\xff", *(b"\xff" + bytes([code]) for code in range(0xC0, 0x100))]
            ends += [
                b"\xff\xdd\0\4",
                b"\xff\xdd\0\5\0\0\0",
                b"\xff\xdb\0\3\1",
                b"\xff\xc4\0\2",
                b"\xff\xfe\0\x20abc",
                b"\xff\xd0\xff\xd9",
                b"abc",
            ]
            # JFIF of a revision that is not known: a warning before anything else.
            for start in (data[:11], data[:11] + b"\2"):
                whole = start + data[len(start) :]
                for end in ends:
                    yield (mode, options, len(start), end), whole[:-2] + end
                for cut in (*range(1, 16), *rng.integers(16, len(data) // 2, 10).tolist()):
                    yield (mode, options, len(start), cut), whole[:-cut]

    assert_equal(pictures(), STORED, least=1000)


def hand_made_gif(side: int, bits: int, codes: Iterator[int]) -> bytes:
    """A gray picture of these codes, each of one bit more than a sample."""
    held, count, data = 0, 0, bytearray()
    for code in codes:
        held |= code << count
        count += bits + 1
        while count >= 8:
            data.append(held & 255)
            held, count = held >> 8, count - 8
    data += bytes([held & 255, 0])
    blocks = b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255))
    frame = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + bytes([bits])
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x81, 0, 0) + bytes(range(12)) + frame + blocks + b"\0;"


def test_gifs_whose_codes_do_not_fit() -> None:
    rng = np.random.default_rng(32)

    def codes(side: int, ends: dict[int, int]) -> Iterator[int]:
        for at in range(side * side):
            yield from [5] * ends.get(at, 0)
            yield 4
            yield at * 7 % 4

    def pictures() -> Iterator[tuple[object, bytes]]:
        for side in (5, 230, 400):
            count = side * side
            for ends in ({}, {0: 1}, {10: 1}, {10: 2}, {10: 1, 20: 1}, {count // 2: 1}, {count - 2: 1}, {10: 1, count - 2: 1}):
                data = hand_made_gif(side, 2, codes(side, ends))
                yield (side, ends), data
                yield (side, ends, "more behind"), data + bytes(70_000)
                yield (side, ends, "cut"), data[:-300]
        for mode, colors in (("L", 256), ("P", 16), ("P", 3)):
            image = Image.fromarray(rng.integers(0, colors, (11, 13), np.uint8))
            stored = bytearray(saved(image if mode == "L" else image.quantize(colors), "GIF"))
            at = stored.find(b",\0\0\0\0\x0d\0") + 10
            for bits in range(14):
                yield (mode, colors, bits), bytes(stored[:at]) + bytes([bits]) + bytes(stored[at + 1 :])
                for _ in range(20):
                    bent = bytearray(stored)
                    bent[at] = bits
                    bent[int(rng.integers(at + 2, len(bent) - 2))] = int(rng.integers(0, 256))
                    yield (mode, colors, bits, bytes(bent)), bytes(bent)

    assert_equal(pictures(), STORED, least=500)


def plain_png(kind: int, bits: int, middle: bytes, behind: bytes) -> bytes:
    rng = np.random.default_rng(33)
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = -(-9 * samples * bits // 8)
    lines = b"".join(b"\0" + rng.integers(0, 256, row, np.uint8).tobytes() for _ in range(8))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 8, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IDAT", zlib.compress(lines)) + behind + chunk(b"IEND", b"")


def test_transparency_behind_the_data() -> None:
    rng = np.random.default_rng(34)

    def pictures() -> Iterator[tuple[object, bytes]]:
        for kind, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
            for bits in depths:
                middle = chunk(b"PLTE", rng.integers(0, 256, 3 << bits, np.uint8).tobytes()) if kind == 3 else b""
                for content in (b"\0", b"\0\1", b"\0\0", b"\xff\0", b"\1\2\3", b"\0\1\0\2\0\3", bytes(range(1 << min(bits, 8)))):
                    key = chunk(b"tRNS", content)
                    yield (kind, bits, content, "late"), plain_png(kind, bits, middle, key)
                    yield (kind, bits, content, "twice"), plain_png(kind, bits, middle + chunk(b"tRNS", content[::-1]), key)
                    yield (kind, bits, content, "early"), plain_png(kind, bits, middle + key, b"")

    assert_equal(pictures(), mf.Original(alpha="white", sixteen_bit="pillow"), mf.Original(sixteen_bit="pillow"), least=300)


def test_texts_of_about_a_mebibyte() -> None:
    def pictures() -> Iterator[tuple[object, bytes]]:
        for more in (-1, 0, 1, 2, 100, 258, 259, 1000, 1001, 40_000, 1 << 20):
            for level in (1, 9):
                text = zlib.compress(b"x" * ((1 << 20) + more), level)
                for late in (False, True):
                    yield (more, level, late, "zTXt"), with_chunk(b"zTXt", b"k\0\0" + text, late=late)
                    yield (more, level, late, "iTXt"), with_chunk(b"iTXt", b"k\0\1\0\0\0" + text, late=late)
                    yield (more, level, late, "iCCP"), with_chunk(b"iCCP", b"k\0\0" + text, late=late)

    assert_equal(pictures(), STORED, least=100)


def plain_tiff(height: int, tags: dict[int, tuple[int, int, int]], data: bytes = bytes(range(35))) -> bytes:
    """Seven columns of gray in one strip of five rows; `tags` replace and add: type, count, value or place."""
    own = {
        256: (3, 1, 7),
        257: (3, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 0),
        277: (3, 1, 1),
        278: (3, 1, 5),
    }
    own = {**own, 279: (4, 1, len(data)), **tags}
    start = 8 + 2 + 12 * len(own) + 4
    if 273 not in tags:
        own[273] = (4, 1, start)
    entries = b"".join(struct.pack("<HHII", tag, kind, count, value) for tag, (kind, count, value) in sorted(own.items()))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(own)) + entries + bytes(4) + data


def test_tags_of_unusual_types_in_a_tiff() -> None:
    packed = zlib.compress(bytes(range(35)))

    def pictures() -> Iterator[tuple[object, bytes]]:
        values = {256: 7, 257: 5, 258: 8, 259: 1, 262: 1, 266: 1, 274: 6, 277: 1, 278: 5, 284: 1, 339: 1}
        for tag, value in values.items():
            for kind in (1, 3, 4, 6, 7, 8, 9, 13, 99):
                yield (tag, kind), plain_tiff(5, {tag: (kind, 1, value)})
            yield (tag, "none"), plain_tiff(5, {tag: (3, 0, value)})
            if tag != 262 or not PIL.__version__.startswith("12."):
                yield (tag, "two"), plain_tiff(5, {tag: (3, 2, value | value << 16)})
            for kind in (1, 3, 4):
                stored = {259: 8}.get(tag, value)
                yield (tag, kind, "packed"), plain_tiff(5, {259: (3, 1, 8), tag: (kind, 1, stored)}, packed)
        for tag in (256, 257):
            yield (tag, "negative"), plain_tiff(5, {tag: (9, 1, 0xFFFFFFF9)})

    assert_equal(pictures(), STORED, least=100)


def test_more_and_fewer_strips_than_a_tiff_has_rows() -> None:
    noise = np.random.default_rng(35).integers(0, 256, 200, np.uint8).tobytes()

    def pictures() -> Iterator[tuple[object, bytes]]:
        for height in (1, 4, 5, 6, 10, 14, 20):
            for rows in (1, 3, 5, height, 40):
                for count in range(1, 5):
                    places = [120 + 4 * 8 + 30 * at for at in range(count)]
                    for order in (places, places[::-1]):
                        late = struct.pack(f"<{count}I", *order).ljust(32, b"\0")
                        start = 8 + 2 + 12 * 9 + 4
                        where = (4, count, start if count > 1 else order[0])
                        yield (height, rows, count, order), plain_tiff(height, {278: (3, 1, rows), 273: where}, late + noise)

    assert_equal(pictures(), STORED, least=200)


def test_pictures_of_one_colour() -> None:
    """Of which a few bytes say everything."""

    def pictures() -> Iterator[tuple[object, bytes]]:
        for side in (100, 255, 256, 257, 300, 500, 512, 777, 1000, 1024, 1048, 1500, 2048):
            for mode in ("1", "L", "RGB"):
                for value in (0, 255):
                    image = Image.new(mode, (side, side), value if mode != "RGB" else (value, value, value))
                    for level in (1, 6, 9):
                        yield (side, mode, value, level), saved(image, "PNG", compress_level=level)
                    yield (side, mode, value, "TIFF"), saved(image, "TIFF", compression="tiff_adobe_deflate")

    assert_equal(pictures(), STORED, least=300)


def test_run_lengths_in_black_and_white() -> None:
    def pictures() -> Iterator[tuple[object, bytes]]:
        for bits, packing in ((8, 1), (4, 2), (1, 1), (24, 1)):
            for palette in ((0,), (0, 255), (255, 0)):
                for runs in (b"\3\0\0\0\3\1\0\0\3\xff\0\1", b"\3\1\0\0\0\3\0\1\2\0\0\0\2\7\1\0\0\1", b"\3\1"):
                    colors = b"".join(bytes([gray] * 3) + b"\0" for gray in palette)
                    head = struct.pack("<IiiHHIIiiII", 40, 3, 3, 1, bits, packing, 0, 0, 0, len(palette), 0)
                    place = 14 + len(head) + len(colors)
                    yield (bits, palette, runs), b"BM" + struct.pack("<IHHI", place + len(runs), 0, 0, place) + head + colors + runs

    if not PIL.__version__.startswith("12."):  # it was mended in Pillow 13: docs/parity.md
        assert_equal(pictures(), STORED, least=30)
    assert sum(1 for _ in pictures()) == 36
