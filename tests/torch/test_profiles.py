"""Profiles against the processors themselves: transformers, open_clip, LLaMA-Factory, qwen_vl_utils and ms-swift, to the bit."""

import io
import random
import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast.spec.image import Backend
from PIL import Image, ImageDraw

from tests.parity import compared
from tests.picture_files import bitmaps, jpegs, pngs
from tests.test_formats import gifs, odd_tiffs, tiffs, webps

pytestmark = pytest.mark.torch

SIZES = [(512, 512), (240, 210), (225, 225), (630, 587), (1, 1), (3, 500), (33, 31), (10, 200), (700, 1001), (224, 224), (337, 336)]
"""Heights and widths."""
MODES = ["RGB", "L", "RGBA", "LA", "P", "1", "CMYK"]


def drawn(mode: str, height: int, width: int, seed: int = 0) -> bytes:
    """A file with noise and shapes in it, in this mode."""
    rng = np.random.default_rng(seed)
    base = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    ImageDraw.Draw(base).ellipse((0, 0, width // 2, height // 2), fill=(200, 30, 90))
    if mode in {"RGBA", "LA"}:
        alpha = Image.fromarray(rng.integers(0, 256, (height, width), np.uint8))
        picture = base.convert(mode[:-1])
        picture.putalpha(alpha)
    elif mode == "P":
        picture = base.quantize(64)
    else:
        picture = base.convert(mode)
    file = io.BytesIO()
    if mode == "CMYK":
        picture.save(file, "JPEG", quality=90)
    else:
        picture.save(file, "PNG")
    return file.getvalue()


HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
QWEN2 = ("Qwen2VLImageProcessor", {"size": {"shortest_edge": 3136, "longest_edge": 12845056}})
QWEN3 = ("Qwen2VLImageProcessor", {"size": {"shortest_edge": 65536, "longest_edge": 16777216}, "patch_size": 16, **HALF})
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "hf/clip_224": ("CLIPImageProcessor", {}),
    "hf/llava_1_5_336": ("LlavaImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}),
    "hf/medgemma_896": ("Gemma3ImageProcessor", {"size": {"height": 896, "width": 896}}),
    "hf/qwen2_5_vl": QWEN2,
    "hf/qwen2_vl": ("Qwen2VLImageProcessor", {}),
    "hf/qwen3_vl": QWEN3,
    "hf/siglip_384": ("SiglipImageProcessor", {"size": {"height": 384, "width": 384}}),
    "llamafactory/qwen2_vl": QWEN2,
    "llamafactory/qwen3_vl": QWEN3,
    "ms_swift/qwen3_vl": QWEN3,
}
"""The image processor of transformers that a profile ends with, and its checkpoint's settings."""


@cache
def processor(name: str, backend: Backend) -> Any:
    import transformers

    cls, settings = PROCESSORS[name]
    return getattr(transformers, cls if backend == "torchvision" else f"{cls}Pil")(**settings)


def expected(name: str, backend: Backend, picture: Image.Image, **settings) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = processor(name, backend)(images=picture, return_tensors="pt", **settings)
    return {key: value.numpy() for key, value in made.items()}


def check(profile: mf.Profile, data: bytes, wanted: dict[str, np.ndarray]) -> None:
    made = mf.read_picture(data, profile, profile.output())
    values, grid = made if isinstance(made, mf.Patches) else (made[None], None)
    assert values.shape == wanted["pixel_values"].shape
    assert np.array_equal(values.view(np.uint32), wanted["pixel_values"].view(np.uint32)), np.abs(values - wanted["pixel_values"]).max()
    compared()
    if grid is not None:
        assert grid.tolist() == wanted["image_grid_thw"].tolist()
        height, width = Image.open(io.BytesIO(data)).size[::-1]
        plan = mf.plan_tokens([data, (height, width)], profile)
        assert plan.image_grid_thw.tolist() == grid.tolist() * 2
        assert plan.tokens.tolist() == [int(grid.prod()) // 4] * 2


HF = [name for name in mf.profiles() if name.startswith("hf/")]


@pytest.mark.parametrize("backend", ["torchvision", "pillow"])
@pytest.mark.parametrize("name", HF)
def test_processors_of_transformers(name: str, backend: Backend) -> None:
    profile = mf.Profile(name, backend=backend)
    for number, (height, width) in enumerate(SIZES):
        for mode in MODES if number < 3 else MODES[number % 2 :: 3]:
            data = drawn(mode, height, width, number)
            check(profile, data, expected(name, backend, Image.open(io.BytesIO(data))))


@cache
def every_format() -> list[list[bytes]]:
    """Of each format, all kinds of files that Pillow reads, but 16-bit gray: profiles refuse that unless told what it means."""
    files = [[data for _, data in made()] for made in (jpegs, pngs, bitmaps)]
    files += [list(gifs()), [*tiffs(), *odd_tiffs()], list(webps())]
    return [[data for data in one if readable(data)] for one in files]


def readable(data: bytes) -> bool:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except OSError:  # a bitmap with masks of its own
        return False
    return not picture.mode.startswith("I")


@pytest.mark.parametrize("backend", ["torchvision", "pillow"])
@pytest.mark.parametrize("name", HF)
def test_every_format_by_transformers(name: str, backend: Backend) -> None:
    profile = mf.Profile(name, backend=backend)
    chooser = random.Random(f"{name} {backend}")
    for files in every_format():
        for data in chooser.sample(files, 25):
            check(profile, data, expected(name, backend, Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("backend", ["torchvision", "pillow"])
@pytest.mark.parametrize("name", HF)
def test_real_pictures_by_transformers(name: str, backend: Backend, real_pictures: list[Path]) -> None:
    profile = mf.Profile(name, backend=backend)
    for path in real_pictures:
        data = path.read_bytes()
        check(profile, data, expected(name, backend, Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("name", [name for name in HF if "qwen" in name])
def test_what_the_processor_refuses(name: str) -> None:
    data = drawn("RGB", 2, 402)
    with pytest.raises(ValueError, match="aspect ratio"):
        expected(name, "torchvision", Image.open(io.BytesIO(data)))
    with pytest.raises(mf.DataError, match="thin") as caught:
        mf.read_picture(data, mf.Profile(name))
    assert caught.value.code == "picture.aspect"


@pytest.mark.parametrize("factor", [28, 32])
def test_smart_resize_for_every_size(factor: int) -> None:
    """Sampled; `test_smart_resize_for_all_sizes` goes through all from 1 to 2,000."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    rng = np.random.default_rng(factor)
    sizes = [(int(height), int(width)) for height, width in rng.integers(1, 2001, (20_000, 2))]
    for budget in [(3136, 1_003_520), (65_536, 16_777_216), (65_536, 262_144)]:
        profile = mf.Profile("hf/qwen2_vl" if factor == 28 else "hf/qwen3_vl", min_pixels=budget[0], max_pixels=budget[1])
        plan = mf.plan_tokens(sizes, profile)
        for number, size in enumerate(sizes):
            try:
                wanted = smart_resize(*size, factor, *budget)
            except ValueError:
                assert number in plan.refused
                continue
            assert tuple(plan.size[number]) == wanted, size
        compared(len(sizes))


LLAMA_FACTORY = ["llamafactory/qwen2_vl", "llamafactory/qwen3_vl"]
AREAS = [(32 * 32, 768 * 768), (28 * 28, 300 * 300), (400 * 400, 589_824), (1, 50_000), (1_000_000, 1_000_000)]
"""What a trainer's own resize keeps a picture within: `image_min_pixels`, `image_max_pixels`. LLaMA-Factory's defaults first."""


@pytest.fixture
def by_llama_factory(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Image.Image, tuple[int, int]], Image.Image]:
    # LLaMA-Factory imports torchaudio, which has no build for every torch. Nothing else may take the empty module for it.
    audio = ModuleType("torchaudio")
    audio.__spec__ = ModuleSpec("torchaudio", None)
    monkeypatch.setitem(sys.modules, "torchaudio", audio)
    from llamafactory.data.mm_plugin import get_mm_plugin

    def prepared(name: str, picture: Image.Image, area: tuple[int, int]) -> Image.Image:
        plugin = get_mm_plugin(name.removeprefix("llamafactory/"), image_token="<image>", video_token="<video>")
        resized: Image.Image = plugin._preprocess_image(picture, image_min_pixels=area[0], image_max_pixels=area[1])
        return resized

    return prepared


@pytest.mark.parametrize("name", LLAMA_FACTORY)
def test_llama_factory(name: str, by_llama_factory: Callable[..., Image.Image]) -> None:
    for number, (height, width) in enumerate([*SIZES, (900, 1400), (2, 100), (1375, 1446), (1, 7000), (7000, 3)]):
        for mode in MODES:
            data = drawn(mode, height, width, number)
            for area in AREAS if mode in {"RGB", "P"} else AREAS[:1]:
                before = by_llama_factory(name, Image.open(io.BytesIO(data)), area)
                check(mf.Profile(name, image_min_pixels=area[0], image_max_pixels=area[1]), data, expected(name, "torchvision", before))


@pytest.mark.parametrize("name", LLAMA_FACTORY)
def test_real_pictures_by_llama_factory(name: str, by_llama_factory: Callable[..., Image.Image], real_pictures: list[Path]) -> None:
    for number, path in enumerate(real_pictures):
        data = path.read_bytes()
        area = AREAS[number % len(AREAS)] if number % 2 else AREAS[0]
        before = by_llama_factory(name, Image.open(io.BytesIO(data)), area)
        check(mf.Profile(name, image_min_pixels=area[0], image_max_pixels=area[1]), data, expected(name, "torchvision", before))


def keyed(mode: str, kind: str, height: int, width: int, seed: int) -> bytes:
    """A file, half of one colour, which is said to be transparent: not in an alpha channel, but by its number."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (height, width, 3), np.uint8) * 60
    values[: height // 2 + 1] = 120
    picture = Image.fromarray(values).convert("L") if mode == "L" else Image.fromarray(values)
    if mode == "P":
        picture = picture.quantize(64)
    if mode == "1":
        picture = picture.convert("1")
    first: Any = picture.getpixel((0, 0))
    file = io.BytesIO()
    picture.save(file, kind, transparency=0 if mode == "1" else first)
    return file.getvalue()


KEYED = [("L", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("1", "PNG"), ("P", "GIF"), ("L", "GIF")]


@pytest.mark.parametrize(("mode", "kind"), KEYED)
def test_a_transparent_colour_outlives_the_trainers_own_steps(mode: str, kind: str, by_llama_factory: Callable[..., Image.Image]) -> None:
    """Pillow remembers it through `convert` and `resize`, and transformers then makes white of whatever has that colour by now."""
    for number, (height, width) in enumerate([*SIZES, (900, 1400), (2, 100), (1, 300)]):
        data = keyed(mode, kind, height, width, number)
        for name in LLAMA_FACTORY:
            for area in AREAS[:3]:
                before = by_llama_factory(name, Image.open(io.BytesIO(data)), area)
                check(mf.Profile(name, image_min_pixels=area[0], image_max_pixels=area[1]), data, expected(name, "torchvision", before))
        if max(height, width) < 200 * min(height, width):
            check(mf.Profile("ms_swift/qwen3_vl"), data, by_ms_swift(data))
            for name in HF:
                check(mf.Profile(name), data, expected(name, "torchvision", Image.open(io.BytesIO(data))))


def by_ms_swift(data: bytes, **area: int) -> dict[str, np.ndarray]:
    from qwen_vl_utils import fetch_image
    from swift.template.vision_utils import load_image

    before = fetch_image({"image": load_image(data), **area}, image_patch_size=16)
    return expected("ms_swift/qwen3_vl", "torchvision", before, do_resize=False)


def test_ms_swift() -> None:
    for number, (height, width) in enumerate(SIZES):
        for mode in MODES:
            data = drawn(mode, height, width, number)
            check(mf.Profile("ms_swift/qwen3_vl"), data, by_ms_swift(data))


def test_real_pictures_by_ms_swift(real_pictures: list[Path]) -> None:
    areas: list[dict[str, Any]] = [{}, {"min_pixels": 4_096, "max_pixels": 90_000}, {"min_pixels": 300_000, "max_pixels": 1_000_000}]
    for number, path in enumerate(real_pictures):
        data = path.read_bytes()
        area = areas[number % 3]
        check(mf.Profile("ms_swift/qwen3_vl", **area), data, by_ms_swift(data, **area))


@pytest.mark.parametrize("rgb_first", [False, True])
def test_open_clip(rgb_first: bool) -> None:
    from open_clip.transform import image_transform

    transform = image_transform(224, is_train=False)
    profile = mf.Profile("biomedclip_224_rgb_first" if rgb_first else "open_clip/biomedclip_224")
    for number, (height, width) in enumerate(SIZES):
        for mode in MODES:
            data = drawn(mode, height, width, number)
            picture = Image.open(io.BytesIO(data))
            wanted = transform(picture.convert("RGB") if rgb_first else picture).numpy()
            check(profile, data, {"pixel_values": wanted[None]})


@pytest.mark.parametrize("name", ["open_clip/biomedclip_224", "biomedclip_224_rgb_first"])
def test_real_pictures_by_open_clip(name: str, real_pictures: list[Path]) -> None:
    from open_clip.transform import image_transform

    transform = image_transform(224, is_train=False)
    for path in real_pictures:
        data = path.read_bytes()
        picture: Image.Image = Image.open(io.BytesIO(data))
        wanted = transform(picture.convert("RGB") if name.endswith("rgb_first") else picture).numpy()
        check(mf.Profile(name), data, {"pixel_values": wanted[None]})


def test_sixteen_bits_in_their_own_mode() -> None:
    from open_clip.transform import image_transform

    rng = np.random.default_rng(5)
    for height, width in SIZES:
        file = io.BytesIO()
        values = rng.integers(0, 600 if width % 2 else 65_536, (height, width), np.uint16)
        Image.fromarray(values).save(file, "PNG")
        wanted = image_transform(224, is_train=False)(Image.open(file)).numpy()
        check(mf.Profile("open_clip/biomedclip_224", sixteen_bit="pillow"), file.getvalue(), {"pixel_values": wanted[None]})


SWEEPS = [
    ("hf/qwen2_vl", 28, 3_136, 1_003_520),
    ("hf/qwen2_5_vl", 28, 3_136, 12_845_056),
    ("hf/qwen3_vl", 32, 65_536, 16_777_216),
    ("ms_swift/qwen3_vl", 32, 4_096, 16_777_216),
]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "factor", "least", "most"), SWEEPS, ids=[sweep[0] for sweep in SWEEPS])
def test_smart_resize_for_all_sizes(name: str, factor: int, least: int, most: int) -> None:
    """Every height and width from 1 to 2,000."""
    if name.startswith("ms_swift"):
        from qwen_vl_utils.vision_process import smart_resize
    else:
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    profile = mf.Profile(name, min_pixels=least, max_pixels=most)
    for height in range(1, 2001):
        plan = mf.plan_tokens([(height, width) for width in range(1, 2001)], profile)
        sizes = plan.size.tolist()
        for width in range(1, 2001):
            if max(height, width) / min(height, width) > 200:
                assert width - 1 in plan.refused
            else:
                assert tuple(sizes[width - 1]) == smart_resize(height, width, factor, least, most), (height, width)
