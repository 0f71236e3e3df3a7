"""Write the seeds of the fuzz targets, from pictures that Pillow draws: `python fuzz/seeds.py`.

Files whose names begin with `found-` are inputs that once broke something; they stay.
"""

import io
import random
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

SEEDS = Path(__file__).parent / "seeds"


def draw(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A few shapes on a gradient."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.ellipse((1, 1, width * 2 // 3, height * 2 // 3), fill=(200, 40, 90))
    pen.line((0, height, width, 0), fill=(20, 230, 120), width=2)
    if mode in {"RGBA", "LA"}:
        image.putalpha(Image.radial_gradient("L").resize((width, height)))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    """EXIF data that say an orientation."""
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def jpegs() -> Iterator[tuple[str, bytes]]:
    """Modes, subsamplings, progressive ones, restarts, tables of their own, faults."""
    for mode in ("L", "RGB", "CMYK"):
        for progressive in (False, True):
            name = f"{mode.lower()}-{'progressive' if progressive else 'baseline'}"
            yield name, encoded(draw(33, 21, mode), "JPEG", quality=60, progressive=progressive)
    for i, subsampling in enumerate(("4:4:4", "4:2:2", "4:2:0")):
        for name, mode in (("sampled", "RGB"), ("neutral", "L")):
            image = draw(17 + i, 35 - i, mode).convert("RGB")
            yield f"{name}-{subsampling.replace(':', '')}", encoded(image, "JPEG", subsampling=subsampling, quality=40)
    # Pillow writes no others, but 32 by 32 pixels have as many blocks of luma either way.
    for name, like, factors in (("440", "4:2:2", 0x12), ("411", "4:2:0", 0x41)):
        data = bytearray(encoded(draw(32, 32), "JPEG", subsampling=like))
        data[data.index(b"\xff\xc0") + 11] = factors
        yield f"sampled-{name}", bytes(data)
    yield "restarts", encoded(draw(40, 40), "JPEG", restart_marker_blocks=2)
    yield "kept-rgb", encoded(draw(20, 20), "JPEG", keep_rgb=True)
    yield "turned", encoded(draw(24, 16), "JPEG", exif=exif(6))
    yield "comment", encoded(draw(16, 16), "JPEG", comment=b"text", dpi=(72, 72))
    whole = encoded(draw(48, 32), "JPEG", quality=50)
    yield "cut", whole[: len(whole) * 3 // 4]
    yield "without-end", whole[:-2]
    progressive = encoded(draw(48, 32, "L").convert("RGB"), "JPEG", quality=50, progressive=True)
    yield "progressive-cut", progressive[: len(progressive) // 2]


def pngs() -> Iterator[tuple[str, bytes]]:
    """Files of every mode, and recipes of every layout."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = draw(23, 14, "L").convert(mode) if mode == "I;16" else draw(23, 14, mode)
        yield f"file-{mode.lower().replace(';', '')}", encoded(image, "PNG")
    yield "file-palette-alpha", encoded(draw(12, 9, "P"), "PNG", transparency=bytes(range(0, 250, 5)))
    yield "file-key", encoded(draw(12, 9), "PNG", transparency=(200, 40, 90))
    yield "file-turned", encoded(draw(9, 12), "PNG", exif=exif(8))
    yield "file-two-frames", encoded(draw(9, 9), "PNG", save_all=True, append_images=[draw(9, 9).rotate(90)])
    whole = encoded(draw(30, 20), "PNG", compress_level=0)
    yield "file-stored", whole
    yield "file-cut", whole[: len(whole) // 2]
    head = whole[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)) + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"text"))
    yield "file-short", head + chunk(b"IDAT", zlib.compress(b"\0abcd\2efgh")) + chunk(b"IEND", b"")
    noise = random.Random(1)
    for layout in range(15):
        for flags in (0, 3):
            start = [10 + layout, 5 + layout, layout, flags, noise.randrange(256), noise.randrange(256)]
            yield f"recipe-{layout}-{flags}", bytes(start) + noise.randbytes(200)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def planes(bits: int, samples: int) -> bytes:
    """A TIFF of red, green, blue and perhaps more in deflated planes, colours multiplied by what is behind them."""
    parts = [zlib.compress(random.Random(plane).randbytes(5 * 4 * bits // 8)) for plane in range(samples)]
    starts = [8 + sum(map(len, parts[:plane])) for plane in range(samples)]
    tags = [(256, 5), (257, 4), (258, bits), (259, 8), (262, 2), (277, samples), (278, 4), (284, 2)]
    data = b"".join(parts)
    lists = 8 + len(data)
    data += struct.pack(f"<{2 * samples}I", *starts, *map(len, parts))
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries += [struct.pack("<HHII", tag, 4, samples, at) for tag, at in ((273, lists), (279, lists + 4 * samples))]
    if samples == 4:
        entries.append(struct.pack("<HHII", 338, 4, 1, 1))
    entries.sort(key=lambda entry: entry[:2][::-1])
    return head + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def pictures() -> Iterator[tuple[str, bytes]]:
    """Files of the formats that have no target of their own."""
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"bmp-{mode.lower()}", encoded(draw(9, 7, mode), "BMP")
    runs = bytes([3, 7, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 1])
    head = struct.pack("<IiiHHIIIIII", 40, 3, 2, 1, 8, 1, len(runs), 0, 0, 16, 0) + bytes(range(64))
    yield "bmp-runs", b"BM" + struct.pack("<IHHI", 14 + len(head) + len(runs), 0, 0, 14 + len(head)) + head + runs
    for mode in ("1", "L", "P", "RGB"):
        yield f"gif-{mode.lower()}", encoded(draw(13, 11, mode), "GIF")
    yield "gif-interlaced", encoded(draw(13, 40, "P"), "GIF", interlace=1, transparency=3)
    yield "gif-two-frames", encoded(draw(9, 9, "L"), "GIF", save_all=True, append_images=[draw(9, 9, "L").rotate(90)])
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        image = draw(11, 13, "L").convert(mode) if mode in {"I;16", "F"} else draw(11, 13, mode)
        yield f"tiff-{mode.lower().replace(';', '')}", encoded(image, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        image = draw(21, 33, "1" if compression == "group4" else "RGB")
        yield f"tiff-{compression.removeprefix('tiff_').replace('_', '-')}", encoded(image, "TIFF", compression=compression)
    black = draw(70, 12, "1")
    for compression in ("tiff_ccitt", "group3", "group4"):
        yield f"tiff-fax-{compression.replace('_', '-')}", encoded(black, "TIFF", compression=compression)
        yield f"tiff-fax-{compression.replace('_', '-')}-reversed", encoded(black, "TIFF", compression=compression, tiffinfo={266: 2})
    yield "tiff-fax-group3-two-dimensions", encoded(black, "TIFF", compression="group3", tiffinfo={292: 1})
    for mode in ("L", "RGB", "CMYK"):
        yield f"tiff-jpeg-{mode.lower()}", encoded(draw(35, 33, mode), "TIFF", compression="jpeg", tiffinfo={278: 16})
    yield "tiff-jpeg-unconverted", encoded(draw(19, 17), "TIFF", compression="jpeg", tiffinfo={262: 2})
    yield "tiff-i", encoded(draw(11, 13, "L").convert("I"), "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "tiff-f-predicted", encoded(draw(11, 13, "L").convert("F"), "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 3})
    yield "tiff-ycbcr", encoded(draw(11, 13, "YCbCr"), "TIFF", compression="raw")
    yield "tiff-big", encoded(draw(11, 13), "TIFF", big_tiff=True)
    yield "tiff-planes", planes(16, 3)
    yield "tiff-planes-premultiplied", planes(8, 4)
    yield "tiff-predicted", encoded(draw(21, 9), "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "tiff-turned", encoded(draw(6, 9), "TIFF", tiffinfo={274: 6})
    for mode in ("RGB", "RGBA"):
        yield f"webp-{mode.lower()}", encoded(draw(17, 19, mode), "WEBP", quality=50)
        yield f"webp-{mode.lower()}-lossless", encoded(draw(17, 19, mode), "WEBP", lossless=True)
    yield "webp-turned", encoded(draw(8, 9), "WEBP", exif=exif(5))
    yield "webp-two-frames", encoded(draw(9, 9), "WEBP", save_all=True, append_images=[draw(9, 9).rotate(90)])


def probes() -> Iterator[tuple[str, bytes]]:
    """Small files of every format."""
    for name in ("rgb-baseline", "turned", "comment", "cmyk-progressive"):
        yield f"jpeg-{name}", dict(jpegs())[name]
    for name in ("file-1", "file-palette-alpha", "file-turned", "file-two-frames", "file-short"):
        yield f"png-{name}", dict(pngs())[name]
    yield from pictures()


def resamplings() -> Iterator[tuple[str, bytes]]:
    """Ways by the first byte; sizes around those of registers; noise, extremes, one colour."""
    noise = random.Random(2)
    sides = [0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 130, 223]
    for i in range(48):
        sizes = [value for _ in range(4) for value in (noise.choice([0, 0, 0, 0, 250, 251]), noise.choice(sides))]
        yield f"{i:02}", bytes([noise.randrange(256), *sizes, noise.choice([0, 70, 100, 200])]) + noise.randbytes(24)


ANSWER = '{"role": "assistant", "content": "So."}'
ROWS = [
    f'{{"messages": [{{"role": "user", "content": "<image>Why?"}}, {ANSWER}], "images": ["a.bmp"]}}',
    f'{{"messages": [{{"role": "user", "content": "Größe \\u2265 \\ud83e\\udde0"}}, {ANSWER}], "weight": 1e999}}',
    f'{{"messages": [{{"role": "user", "content": "Which?\\nOptions:\\nA. one\\nB. two"}}, {ANSWER}], "meta": {{"a": [1]}}}}',
    '{"messages": [{"role": "user", "content": "x", "n/m": {"deep": [[[]]]}}], "images": [], "messages": []}',
    '{"conversations": [{"from": "human", "value": "<image>Hi"}], "image": "a.jpg"}',
    '{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "images": "a.jpg"}',
    '{"messages": [], "x": ["\\udc00", 01, tru]} 1',
]


def rows() -> Iterator[tuple[str, bytes]]:
    """One line each: whole, of other dialects, with faults."""
    for i, row in enumerate(ROWS):
        yield f"{i}", row.encode()


def lines() -> Iterator[tuple[str, bytes]]:
    """A step, a limit, and a text."""
    texts = [b"", b"\n", b"a\nbb\n\nccc", b"\xef\xbb\xbfa\n", b"\xef\xbb\xbf", b"x" * 300 + b"\ny", b"a\r\nb\r\n", "\n".join(ROWS).encode()]
    for i, text in enumerate(texts):
        for step, limit in ((0, 255), (6, 1), (255, 20)):
            yield f"{i}-{step}", bytes([step, limit]) + text


def data_sets() -> Iterator[Path]:
    """Small data sets."""
    import mmno_fast as mf

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for picture in ("a.bmp", "b.bmp"):
            draw(8, 8 if picture == "a.bmp" else 9).save(folder / picture)
        both = ROWS[0].replace('["a.bmp"]', '["b.bmp", "a.bmp"]').replace("<image>", "<image><image>")
        (folder / "rows.jsonl").write_text("\n".join([ROWS[0], both]))
        for i, image in enumerate((mf.Resize(8, fit="stretch", filter="box", color="rgb"), mf.Original(), mf.Encoded())):
            mf.build(folder / "rows.jsonl", folder, folder / f"{i}", image)
            yield folder / f"{i}"


def manifests() -> Iterator[tuple[str, bytes]]:
    """Of each kind, and in format 1.0."""
    for i, out in enumerate(data_sets()):
        text = (out / "manifest.json").read_bytes()
        yield f"{i}", text
        yield f"{i}-cut", text[: len(text) // 2]
        yield f"{i}-older", re.sub(rb"(rejects|rows\.index)-\w{16}", rb"\1", text).replace(b"    1,\n    1\n", b"    1,\n    0\n", 1)


def shards() -> Iterator[tuple[str, bytes]]:
    """The number of a file, and its bytes."""
    for i, out in enumerate(data_sets()):
        for number, name in enumerate(("rows.arrow", "pictures.arrow", "rgb.npy")):
            for path in out.glob(f"*/{name}"):
                yield f"{i}-{path.stem}", bytes([number]) + path.read_bytes()


def orders() -> Iterator[tuple[str, bytes]]:
    """Lengths, seeds, ranks."""
    noise = random.Random(3)
    for i in range(12):
        yield f"{i:02}", noise.randbytes(9)


def main() -> None:
    """Write them all, or those of the targets that are named."""
    every = {"jpeg": jpegs, "picture": pictures, "png": pngs, "probe": probes, "resample": resamplings}
    every |= {"rows": rows, "lines": lines, "manifest": manifests, "shard": shards, "order": orders}
    for target, seeds in ((name, every[name]) for name in sys.argv[1:] or every):
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.startswith("found-"):
                old.unlink()
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
