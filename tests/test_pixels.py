"""Pixels: `read_picture` against the installed Pillow, to the bit; refused exactly where Pillow refuses."""

from __future__ import annotations

import base64
import io
import itertools
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmno_fast as mf
import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from tests.parity import compared
from tests.picture_files import SIZES, Pixels, bitmaps, jpegs, noise, png, pngs, saved
from tests.test_formats import gifs, odd_tiffs, tiffs, webps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

MAJOR = int(PIL.__version__.split(".")[0])
ARITHMETIC: Literal["pillow12", "pillow13"] = "pillow13" if MAJOR >= 13 else "pillow12"
FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FITS = ("stretch", "pad", "crop")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.skipif(MAJOR < 12, reason="the arithmetic of Pillow 12.3 and 13"),
]


def original(**more: Any) -> mf.Original:
    return mf.Original(**{"sixteen_bit": "pillow", "pixels": ARITHMETIC, **more})


def resize(size: int | tuple[int, int], **more: Any) -> mf.Resize:
    return mf.Resize(size, **{"fit": "stretch", "sixteen_bit": "pillow", "pixels": ARITHMETIC, **more})


def pillow(data: bytes, spec: mf.Original | mf.Resize) -> Pixels:
    """What the spec means, in Pillow's own words."""
    picture: Image.Image = Image.open(io.BytesIO(data))
    picture.load()
    if spec.exif:
        picture = ImageOps.exif_transpose(picture)
    if spec.sixteen_bit == "scale" and picture.mode == "I;16":
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if spec.alpha == "white" and ("A" in picture.mode or "transparency" in picture.info):
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    picture = picture.convert("RGB")
    if spec.color == "gray":
        picture = picture.convert("L")
    if isinstance(spec, mf.Resize):
        picture = fitted(picture, spec)
    return np.asarray(picture.convert("RGB"))


def fitted(picture: Image.Image, spec: mf.Resize) -> Image.Image:
    target, method = (spec.width, spec.height), FILTERS[spec.filter]
    if spec.fit == "stretch":
        return picture.resize(target, method)
    if spec.fit == "pad":
        return ImageOps.pad(picture, target, method, color=0)
    (w, h), (width, height) = picture.size, target
    scaled = (height * w // h, height) if height * w >= width * h else (width, width * h // w)
    x, y = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return picture.resize(scaled, method).crop((x, y, x + width, y + height))


def difference(data: bytes, spec: mf.Original | mf.Resize) -> str:
    """In words; empty where both give the same pixels, or both refuse."""
    expected = found = None
    reason = code = ""
    try:
        expected = pillow(data, spec)
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever it likes
        reason = repr(error)
    try:
        found = mf.read_picture(data, image=spec)
    except mf.DataError as error:
        code = str(error)
    if expected is None or found is None:
        return "" if expected is found else f"Pillow: {reason or 'accepts'}; we: {code or 'accept'}"
    if expected.shape != found.shape:
        return f"{found.shape} instead of {expected.shape}"
    if np.array_equal(expected, found):
        return ""
    return f"{int((expected != found).sum())} samples differ by up to {int(np.abs(expected.astype(int) - found).max())}"


def assert_equal(pictures: Iterable[tuple[object, bytes]], *specs: mf.Original | mf.Resize, least: int = 1) -> None:
    differing, count = [], 0
    for name, data in pictures:
        for spec in specs:
            count += 1
            said = difference(data, spec)
            if said:
                differing.append(f"{name}, {spec}: {said}")
    assert not differing, f"{len(differing)} of {count}:\n" + "\n".join(differing[:20])
    assert count >= least
    compared(count)


def files(folder: Path, pattern: str) -> list[tuple[object, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(folder.rglob(pattern)) if path.is_file() and path.suffix]


VARIETY: tuple[mf.Original | mf.Resize, ...] = (
    original(),
    original(color="rgb"),
    original(color="gray"),
    original(exif=True),
    original(alpha="white"),
    original(sixteen_bit="scale"),
    resize((48, 37), fit="pad", filter="lanczos"),
    resize((17, 37), fit="crop", alpha="white"),
)


def test_pngsuite_is_equal_or_refused_by_both(shared: Path) -> None:
    assert_equal(files(shared / "torture" / "png" / "png", "*.png"), *VARIETY, least=1_400)


def test_pngsuite_as_bitmaps_is_equal(shared: Path) -> None:
    assert_equal(files(shared / "torture" / "png" / "bmp", "*.bmp"), *VARIETY, least=1_200)


def test_real_pictures_are_equal(real_pictures: list[Path]) -> None:
    every_way = [resize((200, 310), fit=fit, filter=name) for fit in FITS for name in FILTERS]
    for path in real_pictures:
        assert_equal([(path.name, path.read_bytes())], original(), resize(448), *every_way)


def test_jpegs_are_equal_whatever_the_sampling_quality_and_size() -> None:
    assert_equal(jpegs(), original(), least=1_800)


def every_format() -> Iterator[tuple[object, bytes]]:
    """Thousands of files, each name with the kind in front."""
    for made in (jpegs, pngs, bitmaps):
        yield from made()
    for formats in (gifs, tiffs, odd_tiffs, webps):
        yield from ((f"{formats.__name__}, number {number}", data) for number, data in enumerate(formats()))


def test_every_format_is_equal_in_every_filter_and_fit() -> None:
    """A file, and one of the specs by chance: every kind of file meets every filter, fit, colour and alpha."""
    # Pillow 12 refuses to pad what would vanish; Pillow 13 makes it black.
    fits = FITS if ARITHMETIC == "pillow13" else ("stretch", "crop")
    options = itertools.product(("auto", "rgb", "gray"), fits, ("drop", "white"), FILTERS, (False, True))
    specs = [resize((29, 41), color=c, fit=f, alpha=a, filter=name, exif=e) for c, f, a, name, e in options]
    chooser = random.Random(14)
    for name, data in every_format():
        assert_equal([(name, data)], chooser.choice(specs))


def test_pngs_of_every_kind_are_equal_with_their_transparency() -> None:
    assert_equal(pngs(), original(), original(alpha="white"), original(color="gray"), least=400)


def test_bitmaps_are_equal() -> None:
    assert_equal(bitmaps(), original(), original(alpha="white"), least=200)


def test_sizes_filters_and_fits_are_equal() -> None:
    """Extremes among the noise make the filters overshoot, so that both passes clip."""
    chooser = random.Random(13)
    for case in range(300):
        most = chooser.choice((8, 40, 300))
        w, h, width, height = (chooser.randint(1, most) for _ in range(4))
        values = noise(case, h, w) if case % 2 else noise(case, h, w, 3)
        data = saved(Image.fromarray(np.where(values > 180, np.uint8(255), np.where(values < 70, np.uint8(0), values))), "BMP")
        # Pillow 12 refuses to pad what would vanish; Pillow 13 makes it black.
        fits = FITS if ARITHMETIC == "pillow13" else ("stretch", "crop")
        specs = (resize((height, width), fit=chooser.choice(fits), filter=name) for name in FILTERS)
        assert_equal([(f"{w}x{h}", data)], *specs)


def test_every_orientation_is_equal() -> None:
    picture = Image.fromarray(noise(5, 12, 20, 3))
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        pictures = [(kind, saved(picture, kind, exif=exif)) for kind in ("JPEG", "PNG")]
        assert_equal(pictures, original(exif=True), original(), resize((9, 30), fit="pad", exif=True))


def test_cut_files_are_refused_where_pillow_refuses_them() -> None:
    picture = Image.fromarray(noise(7, 33, 40, 3))
    whole = {
        "baseline": saved(picture, "JPEG"),
        "progressive": saved(picture, "JPEG", progressive=True),
        "png": saved(picture, "PNG"),
        "palette": saved(picture.convert("P"), "PNG"),
        "bmp": saved(picture, "BMP"),
    }
    for name, data in whole.items():
        # Of a PNG, the very last bytes of the compressed data count only for some inflaters: left out.
        ends = {*range(1, 120), *range(120, len(data) - 40, 37), *range(len(data) - 15, len(data))}
        assert_equal([(f"{name} cut at {end}", data[:end]) for end in sorted(ends)], original())


def test_codes_say_what_is_wrong() -> None:
    jpeg = saved(Image.fromarray(noise(8, 64, 64, 3)), "JPEG")
    gray16 = png((8, 8), 16, 0)
    wrong_sum = bytearray(saved(Image.new("L", (8, 8)), "PNG"))
    wrong_sum[29] ^= 1
    for data, spec, code in [
        (b"", original(), "picture.empty"),
        (b"%PDF-1.7", original(), "picture.format"),
        (jpeg[: len(jpeg) // 2], original(), "picture.truncated"),
        (jpeg[:100], original(), "picture.truncated"),
        (bytes(wrong_sum), original(), "picture.corrupt"),
        (jpeg, original(decode_limit=64 * 64 - 1), "picture.too_large"),
        (gray16, original(sixteen_bit="reject"), "picture.sixteen_bit"),
    ]:
        with pytest.raises(mf.DataError, match=re.escape(code)):
            mf.read_picture(data, image=spec)


def test_a_path_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    data = saved(Image.fromarray(noise(9, 20, 30, 3)), "PNG")
    path = tmp_path / "wrong.jpg"
    path.write_bytes(data)
    for source in (path, str(path)):
        assert np.array_equal(mf.read_picture(source, image=original()), mf.read_picture(data, image=original()))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 16), (17, 9), (33, 47), (640, 3), (3, 640), (130, 100)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=["plain", "progressive", "restarts"])
def test_gray_in_three_channels_is_what_pillow_says(subsampling, size, options):
    rng = np.random.default_rng(sum(size))
    gray = rng.integers(0, 256, (size[1], size[0]), np.uint8)
    for coloured in (None, (0, 0), (-1, -1), (size[1] // 2, size[0] // 3)):
        pixels = np.repeat(gray[:, :, None], 3, axis=2)
        if coloured is not None:
            pixels[coloured] = (255, 0, 40)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=90, subsampling=subsampling, **options)
        data = out.getvalue()
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        for color in ("auto", "rgb"):
            found = mf.read_picture(data, mf.Original(color=color))
            assert np.array_equal(found, expected)
        # Without its end, a picture takes the way that knows what Pillow makes of that.
        for missing in (1, 2, 3):
            cut = data[:-missing]
            try:
                expected = np.asarray(Image.open(io.BytesIO(cut)).convert("RGB"))
            except OSError:
                with pytest.raises(mf.DataError):
                    mf.read_picture(cut, mf.Original())
            else:
                assert np.array_equal(mf.read_picture(cut, mf.Original()), expected)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("filter_name", FILTERS)
def test_every_filter_at_odd_sizes(filter_name, fit):
    pictures: list[tuple[Any, bytes]] = [(size, saved(Image.fromarray(noise(size[0], size[1], size[0], 3)), "PNG")) for size in SIZES]
    pictures += [(("gray", *size), saved(Image.fromarray(noise(size[0], size[1], size[0])), "PNG")) for size in SIZES]
    specs = [resize(target, fit=fit, filter=filter_name) for target in ((1, 1), (13, 8), (64, 64), (97, 40), (5, 160))]
    if fit == "pad":  # a vanishing side is an error in Pillow, and black here
        pictures = [(size, data) for size, data in pictures if min(size[-2:]) > 3]
    assert_equal(pictures, *specs)


def torch_weights(source: int, target: int, filter_name: str) -> tuple[npt.NDArray[np.int64], int]:
    """The slow twin of torch's 16-bit weights: a dense matrix (target, source), and the bits behind the point."""
    scale = source / target
    stretch = max(scale, 1.0)
    support = {"bilinear": 1.0, "bicubic": 2.0}[filter_name] * stretch
    exact = np.zeros((target, source))
    for out in range(target):
        center = (out + 0.5) * scale
        low, high = max(int(center - support + 0.5), 0), min(int(center + support + 0.5), source)
        x = np.abs((np.arange(low, high) - center + 0.5) / stretch)
        if filter_name == "bilinear":
            weights = np.maximum(1 - x, 0)
        else:
            near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
            weights = np.where(x < 1, near, np.where(x < 2, far, 0))
        exact[out, low:high] = weights / weights.sum()
    bits = next((bits for bits in range(22) if int(0.5 + exact.max() * (1 << (bits + 1))) >= 1 << 15), 22)
    scaled = exact * (1 << bits)
    return np.trunc(np.where(scaled < 0, scaled - 0.5, scaled + 0.5)).astype(np.int64), bits


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_torchvisions_arithmetic_equals_its_slow_twin(filter_name):
    for number, (height, width) in enumerate([(1, 1), (5, 9), (64, 48), (131, 97), (300, 7)]):
        for target in ((1, 1), (13, 8), (64, 64), (97, 140)):
            pixels = noise(number, height, width, 3)
            found = mf.read_picture(
                saved(Image.fromarray(pixels), "PNG"), mf.Resize(target, fit="stretch", filter=filter_name, pixels="torchvision")
            )
            expected = pixels.astype(np.int64)
            for axis, size in ((1, target[1]), (0, target[0])):
                if expected.shape[axis] != size:
                    weights, bits = torch_weights(expected.shape[axis], size, filter_name)
                    sums = np.moveaxis(np.tensordot(weights, expected, (1, axis)), 0, axis)
                    expected = np.clip((sums + (1 << (bits - 1))) >> bits, 0, 255)
            assert np.array_equal(found, expected), (height, width, target)


ARITHMETIC_JPEGS = (
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4O"
        "DhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//yQARCAAPABQDASIAAhEBAxEB/8wACgAQEAUBEBEF"
        "/9oADAMBAAIRAxEAPwDRAWad6l9lPtcEgRip0jhVt+eHzTerk3GPTP8AZiTRBU9s0u2X5hLvgCdg6r0kLh3iFGc5FAbbxLACzK5ZtBiPTsP/ADZHYsW0afMMj4hCttFM"
        "6JPR5qiVdRdcHDDDZe25Vj/dKbqQNuxKdKEE8iOtF1cD6Jl7jvAuV2buruwB8haMgJRnXCjB9f/Z"
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4O"
        "DhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//ygARCAAPABQDASIAAhEBAxEB/8wABgAQARD/2gAM"
        "AwEAAhADEAAAAc8X2VD4DTCi0niE/YD/zAAEEAX/2gAIAQEAAQUCQ31Zlo2qyZM8zmI4CYh1WP/MAAQRBf/aAAgBAwEBPwEeTJWqt5R4/8wABBEF/9oACAECAQE/AZTA"
        "urdFmQwQCyKI/8wABBAF/9oACAEBAAY/Al1/Ez3xfebZ/8wABBAF/9oACAEBAAE/IfbkrGy873V/TuCnUcYApAYBP+kNjIT/2gAMAwEAAgADAAAAEAyA/8wABBEF/9oA"
        "CAEDAQE/EGbzIIHabgFI/8wABBEF/9oACAECAQE/ELTsqWgRveSzCxYjIjj/zAAEEAX/2gAIAQEAAT8QylL3+kb7v40DQEk5gQ2rXxzLTXQE+8wEJxoCr7zTegPD5P/Z"
    ),
)
"""20 x 15 pixels, sequential and progressive, as `cjpeg -arithmetic` packs them."""


def test_rare_jpegs_are_read_right_or_refused() -> None:
    """Arithmetic coding is read. Twelve bits, lossless and hierarchical frames are refused, as by Pillow: headers are enough to see it."""
    arithmetic = [base64.b64decode(text) for text in ARITHMETIC_JPEGS]
    assert_equal(enumerate(arithmetic), original(), resize((30, 9)))
    assert all(mf.read_picture(data, original()).shape == (15, 20, 3) for data in arithmetic)
    plain = saved(Image.fromarray(noise(21, 24, 31, 3)), "JPEG")
    frame = plain.find(b"\xff\xc0")
    for marker in range(0xC0, 0xD0):
        for precision in (8, 12, 16, 2):
            data = bytearray(plain)
            data[frame + 1], data[frame + 4] = marker, precision
            assert_equal([(f"SOF{marker - 0xC0}, {precision} bits", bytes(data))], original())


OWN_MODES = ("RGB", "L", "RGBA", "LA", "P", "1", "CMYK")


def test_pictures_resized_in_their_own_mode_are_equal() -> None:
    """As open_clip does it: shortest edge and centre, then to RGB."""
    profile = mf.Profile("open_clip/biomedclip_224", pixels=ARITHMETIC, sixteen_bit="pillow")
    for seed, (height, width) in enumerate([(224, 224), (300, 250), (17, 40), (500, 120), (225, 223), (1, 3)]):
        pictures = [Image.frombytes("RGBA", (width, height), noise(seed, height, width, 4).tobytes()).convert(mode) for mode in OWN_MODES]
        rng = np.random.default_rng(seed)
        pictures.extend(Image.fromarray(rng.integers(0, most, (height, width), np.uint16)) for most in (700, 65_536))
        extremes = np.where(noise(seed, height, width) > 128, np.uint16(65_535), np.uint16(0))  # filters overshoot
        pictures.append(Image.fromarray(extremes))
        for picture in pictures:
            data = saved(picture, "TIFF") if picture.mode == "CMYK" else saved(picture, "PNG")
            opened: Image.Image = Image.open(io.BytesIO(data))
            short, long = min(width, height), max(width, height)
            longer = int(224 * long / short)
            size = (224, longer) if width <= height else (longer, 224)
            resized = opened.resize(size, Image.Resampling.BICUBIC)
            left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
            expected = np.asarray(resized.crop((left, top, left + 224, top + 224)).convert("RGB"))
            assert np.array_equal(mf.read_picture(data, profile), expected), (picture.mode, height, width)
            compared()


@pytest.mark.parametrize("fill", [1, 128, 255])
def test_any_gray_can_surround_a_picture(fill):
    for seed, (height, width) in enumerate([(30, 90), (90, 30), (64, 64)]):
        for channels in ((), (3,)):
            picture = Image.fromarray(noise(seed, height, width, *channels))
            ground = (fill,) * len(picture.getbands())
            expected = ImageOps.pad(picture, (50, 40), Image.Resampling.BICUBIC, color=ground if len(ground) > 1 else fill)
            found = mf.read_picture(saved(picture, "PNG"), resize((40, 50), fit="pad", fill=fill))
            assert np.array_equal(found, np.asarray(expected.convert("RGB")))
            compared()
