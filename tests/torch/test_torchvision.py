"""`pixels="torchvision"` against torchvision itself, to the bit. Run by `make test-torch`, in an environment of its own."""

import io
from pathlib import Path

import mmno_fast as mf
import numpy as np
import pytest
from PIL import Image

from tests.parity import compared

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


@pytest.mark.parametrize("target", [(448, 448), (224, 336), (640, 576)])
def test_real_pictures(shared, target):
    paths = sorted((shared / "data" / "pictures").rglob("*.jp*g"))[::9]
    assert len(paths) > 50
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert np.array_equal(read(Path(path), target, "bicubic"), resized(pixels, target, "bicubic")), path.name
        compared()
