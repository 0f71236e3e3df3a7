"""`pixels="torchvision"` against torchvision itself, to the bit. Run by `make test-torch`, in an environment of its own."""

import io
import random
from itertools import product
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.parity import compared
from tests.picture_files import bitmaps, jpegs, pngs
from tests.test_formats import gifs, odd_tiffs, tiffs, webps

pytestmark = pytest.mark.torch


def resized(pixels, target, filter_name):
    """(H, W, C) uint8, as torchvision resizes it."""
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    planes = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    mode = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}[filter_name]
    return functional.resize(planes, list(target), interpolation=mode, antialias=True).permute(1, 2, 0).numpy()


def read(data, target, filter_name):
    return mf.read_picture(data, mf.Resize(target, fit="stretch", filter=filter_name, pixels="torchvision"))


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_random_sizes(filter_name):
    rng = np.random.default_rng(7)
    for _ in range(400):
        height, width, out_height, out_width = (int(side) for side in rng.integers(1, 400, 4))
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        expected = resized(pixels, (out_height, out_width), filter_name)
        assert np.array_equal(read(png(pixels), (out_height, out_width), filter_name), expected), (pixels.shape, out_height, out_width)
        compared()


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_gray_is_resized_as_one_channel(filter_name):
    rng = np.random.default_rng(8)
    for _ in range(100):
        height, width, out_height, out_width = (int(side) for side in rng.integers(1, 300, 4))
        gray = rng.integers(0, 256, (height, width), np.uint8)
        expected = resized(np.repeat(gray[:, :, None], 3, axis=2), (out_height, out_width), filter_name)
        assert np.array_equal(read(png(gray), (out_height, out_width), filter_name), expected)
        compared()


def fitted(pixels, spec):
    """The spec's geometry (pad: `ImageOps.contain` and `ImageOps.pad` of Pillow), with torchvision's resize in its middle."""
    (height, width), target = pixels.shape[:2], (spec.height, spec.width)
    if spec.fit == "stretch":
        return resized(pixels, target, spec.filter)
    if spec.fit == "pad":
        inner = list(target)
        if width / height > spec.width / spec.height:
            inner[0] = round(height / width * spec.width)
        elif width / height < spec.width / spec.height:
            inner[1] = round(width / height * spec.height)
        out = np.zeros((*target, pixels.shape[2]), np.uint8)
        top, left = round((spec.height - inner[0]) * 0.5), round((spec.width - inner[1]) * 0.5)
        if min(inner) > 0:
            out[top : top + inner[0], left : left + inner[1]] = resized(pixels, inner, spec.filter)
        return out
    tall = spec.height * width < spec.width * height
    scaled = (spec.width * height // width, spec.width) if tall else (spec.height, spec.height * width // height)
    top, left = (scaled[0] - spec.height) // 2, (scaled[1] - spec.width) // 2
    return resized(pixels, scaled, spec.filter)[top : top + spec.height, left : left + spec.width]


def by_torchvision(data, spec):
    """Read by Pillow, resized by torchvision; None where Pillow refuses the file."""
    try:
        picture: Image.Image = Image.open(io.BytesIO(data))
        picture.load()
        if spec.exif:
            picture = ImageOps.exif_transpose(picture)
        if spec.alpha == "white" and ("A" in picture.mode or "transparency" in picture.info):
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
        picture = picture.convert("RGB")
    except Exception:  # noqa: BLE001 - Pillow raises whatever it likes
        return None
    pixels = fitted(np.atleast_3d(np.asarray(picture.convert("L") if spec.color == "gray" else picture)), spec)
    return pixels.repeat(3, axis=2) if spec.color == "gray" else pixels


def check(name, data, spec):
    expected = by_torchvision(data, spec)
    if expected is None:
        with pytest.raises(mf.DataError):
            mf.read_picture(data, spec)
    else:
        found = mf.read_picture(data, spec)
        assert found.shape == expected.shape, (name, spec)
        assert np.array_equal(found, expected), (name, spec)
    compared()


def specs(targets):
    """Every choice there is beside `pixels="torchvision"`."""
    ways = ("stretch", "pad", "crop"), ("bilinear", "bicubic"), ("auto", "rgb", "gray"), ("drop", "white"), (False, True)
    options: Any = product(targets, *ways)
    return [
        mf.Resize(target, fit=fit, filter=name, color=color, alpha=alpha, exif=exif, sixteen_bit="pillow", pixels="torchvision")
        for target, fit, name, color, alpha, exif in options
    ]


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_all_real_pictures(real_pictures, filter_name, fit):
    for number, path in enumerate(real_pictures):
        target = [(448, 448), (224, 336), (640, 576), (37, 41)][number % 4]
        check(path.name, path.read_bytes(), mf.Resize(target, fit=fit, filter=filter_name, pixels="torchvision"))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_format(shared):
    """A file, and one of the specs by chance: every kind of file meets every filter, fit, colour and alpha."""
    suite = sorted((shared / "torture" / "png").rglob("*.[pb][nm][gp]"))
    assert len(suite) > 300
    files = [*((path.name, path.read_bytes()) for path in suite), *jpegs(), *pngs(), *bitmaps()]
    files += [(made.__name__, data) for made in (gifs, tiffs, odd_tiffs, webps) for data in made()]
    chooser = random.Random(15)
    choices = specs([(29, 41), (64, 48), (7, 90)])
    for name, data in files:
        for spec in chooser.sample(choices, 2):
            check(name, data, spec)
