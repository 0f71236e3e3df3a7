"""Profiles, outputs and plans of tokens, without torch: `tests/torch` holds them against the processors themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast import _core
from mmno_fast.cli import app
from mmno_fast.spec.image import from_dict
from typer.testing import CliRunner

from tests.building import about, encoded, noise, write_files, write_rows

PICTURES = [encoded(noise(seed, height, width, 3)) for seed, (height, width) in enumerate([(30, 40), (225, 225), (100, 7), (448, 320)])]


@pytest.mark.parametrize("name", mf.profiles())
def test_a_profile_goes_to_json_and_back(name: str) -> None:
    profile = mf.Profile(name)
    assert from_dict(json.loads(profile.to_json())) == profile
    assert eval(repr(profile), {"Profile": mf.Profile}) == profile
    assert _core.plan_tokens(profile.to_json(), [(64, 64)])
    assert profile.facts["cites"]
    assert name in str(profile)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("hf/none", {}, "expected one of"),
        ("hf/clip_224", {"max_pixels": 9}, "no such bounds"),
        ("hf/qwen3_vl", {"image_max_pixels": 9}, "no such bounds"),
        ("hf/qwen3_vl", {"max_pixels": 9}, "min_pixels <= max_pixels"),
        ("hf/qwen3_vl", {"max_pixels": 10**9}, "178,956,970"),
        ("hf/qwen3_vl", {"backend": "jax"}, "'torchvision' and 'pillow'"),
        ("open_clip/biomedclip_224", {"backend": "torchvision"}, "has 'pillow'"),
        ("hf/qwen3_vl", {"pixels": "torchvision"}, "say which Pillow"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(name, settings, says):
    with pytest.raises(ValueError, match=says):
        mf.Profile(name, **settings)


def test_the_core_checks_what_python_did_not() -> None:
    said = mf.Profile("hf/qwen3_vl").to_dict()
    for change in ({"name": "hf/none"}, {"max_pixels": 1}, {"backend": "jax"}, {"pixels": "torchvision"}, {"image_max_pixels": 3}):
        with pytest.raises(ValueError, match="the image spec cannot be used"):
            _core.plan_tokens(json.dumps({**said, **change}), [(1, 1)])


def test_a_list_is_read_as_its_members_are() -> None:
    for image in (mf.Resize(32, fit="crop"), mf.Original(), mf.Profile("hf/siglip_384"), mf.Profile("llamafactory/qwen2_vl")):
        alone = [mf.read_picture(each, image) for each in PICTURES]
        for threads in (1, 2, 3, 7):
            together = mf.read_picture(PICTURES, image, threads=threads)
            assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
    assert mf.read_picture([], mf.Original()) == []


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
def test_outputs_are_what_numpy_makes_of_the_pixels(dtype):
    image = mf.Resize((24, 36), fit="stretch")
    statistics = {} if dtype == "uint8" else {"mean": mf.CLIP_MEAN, "std": mf.CLIP_STD}
    mean, std = (np.array(each, np.float32) for each in (mf.CLIP_MEAN, mf.CLIP_STD))
    for data in [*PICTURES, encoded(noise(9, 20, 20))]:
        pixels = mf.read_picture(data, image)
        for normalisation in ("fused", "two_step"):
            if dtype == "uint8":
                wanted = pixels
            elif normalisation == "fused":
                wanted = (pixels.astype(np.float32) - mean * np.float32(255)) / (std * np.float32(255))
            else:
                wanted = ((pixels * (1 / 255)).astype(np.float32) - mean) / std
            if dtype == "bfloat16":
                bits = wanted.view(np.uint32).astype(np.uint64)
                wanted = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # half to even
            elif dtype == "float16":
                wanted = wanted.astype(np.float16)
            common = {"dtype": dtype, "normalisation": normalisation, **statistics}
            assert np.array_equal(mf.read_picture(data, image, mf.Output(**common)), wanted)
            planes: Any = mf.read_picture(data, image, mf.Output(layout="nchw", **common))
            assert planes.dtype == wanted.dtype
            assert np.array_equal(planes, wanted.transpose(2, 0, 1))
            cut = mf.Output(layout="patches", patch=3, merge=2, temporal=2, **common)
            values, grid = mf.read_picture(data, image, cut)
            assert grid.tolist() == [[1, 8, 12]]
            # As transformers does it: (gh/m, m, p, gw/m, m, p, c) -> (gh/m, gw/m, m, m, c, t, p, p).
            blocks = wanted.reshape(4, 2, 3, 6, 2, 3, 3).transpose(0, 3, 1, 4, 6, 2, 5)[:, :, :, :, :, None]
            assert np.array_equal(values, np.repeat(blocks, 2, axis=5).reshape(96, 54))


@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "int8"},
        {"layout": "chw"},
        {"mean": (0.5, 0.5, 0.5), "dtype": "float32"},
        {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
        {"mean": (0.5, 0.5), "std": (0.5, 0.5), "dtype": "float32"},
        {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.0), "dtype": "float32"},
        {"layout": "patches", "patch": 14},
        {"patch": 14, "merge": 2, "temporal": 2},
    ],
)
def test_an_output_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ValueError, match=r"expected|together|normalised|patch"):
        mf.Output(**settings)


def test_patches_need_sides_that_can_be_cut() -> None:
    output = mf.Output(layout="patches", patch=14, merge=2, temporal=2)
    with pytest.raises(ValueError, match="multiples of 28"):
        mf.read_picture(PICTURES[0], mf.Resize(50, fit="stretch"), output)


def test_tokens_are_planned_from_headers(tmp_path: Path) -> None:
    profile = mf.Profile("hf/qwen2_vl")
    path = tmp_path / "it.png"
    path.write_bytes(PICTURES[1])
    plan = mf.plan_tokens([path, PICTURES[1], (225, 225), (1, 300)], profile)
    assert plan.size.tolist() == [[224, 224]] * 3 + [[0, 0]]
    assert plan.tokens.tolist() == [64, 64, 64, 0]
    assert plan.image_grid_thw.tolist() == [[1, 16, 16]] * 3 + [[0, 0, 0]]
    assert "picture.aspect" in plan.refused[3]
    assert "1 refused" in repr(plan)
    assert mf.plan_tokens([(9, 9)], mf.Profile("hf/medgemma_896")).tokens.tolist() == [256]
    assert len(mf.plan_tokens([], profile)) == 0
    with pytest.raises(ValueError, match="at least one pixel"):
        mf.plan_tokens([(0, 3)], profile)
    with pytest.raises(FileNotFoundError):
        mf.plan_tokens([tmp_path / "none.png"], profile)


def test_the_command_line_takes_profiles(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(len(PICTURES))]
    write_files(tmp_path, {f"images/{name}": data for name, data in zip(names, PICTURES, strict=True)})
    source = write_rows(tmp_path / "train.jsonl", [about(name) for name in names])
    common = [str(source), "--images", str(tmp_path / "images"), "--profile", "hf/qwen3_vl:max_pixels=131072,backend=pillow"]
    checked = CliRunner().invoke(app, ["check", *common, "--json", "-"])
    assert checked.exit_code == 0, checked.output
    tokens = json.loads(checked.stdout)["tokens"]
    profile = mf.Profile("hf/qwen3_vl", max_pixels=131_072, backend="pillow")
    planned = mf.plan_tokens(PICTURES, profile).tokens.tolist()
    assert tokens["profile"] == "hf/qwen3_vl"
    assert sorted(int(count) for count, times in tokens["counts"].items() for _ in range(times)) == sorted(planned)
    assert (tokens["largest_row"], tokens["all_rows"]) == (max(planned), sum(planned))
    shown = CliRunner().invoke(app, ["check", *common])
    assert f"{sum(planned):,} in all (hf/qwen3_vl)" in " ".join(shown.output.split())
    built = CliRunner().invoke(app, ["build", *common, "--out", str(tmp_path / "shards")])
    assert built.exit_code == 0, built.output
    dataset = mf.open(tmp_path / "shards")
    assert dataset.spec == profile
    for number, data in enumerate(PICTURES):
        assert np.array_equal(dataset[number]["images"][0], mf.read_picture(data, profile))
    assert mf.verify(tmp_path / "shards").ok
    for wrong in ("hf/qwen3_vl:max=3", "hf/qwen3_vl:max_pixels=many", "hf/none"):
        assert CliRunner().invoke(app, ["check", *common[:-1], wrong]).exit_code != 0


def test_files_can_be_kept_as_they_are(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(len(PICTURES))]
    write_files(tmp_path, {f"images/{name}": data for name, data in zip(names, PICTURES, strict=True)})
    source = write_rows(tmp_path / "train.jsonl", [about(name) for name in [*names, names[0]]])
    report = mf.build(source, tmp_path / "images", tmp_path / "shards", mf.Encoded())
    assert report.rows == len(names) + 1
    assert mf.verify(tmp_path / "shards").ok
    dataset = mf.open(tmp_path / "shards")
    for picture, data in zip(dataset.pictures, PICTURES, strict=True):
        assert picture.file == data
        pixels = mf.read_picture(data, mf.Original())
        assert np.array_equal(picture.rgb(), pixels)
        assert (picture.height, picture.width) == pixels.shape[:2]
    assert np.array_equal(dataset[4]["images"][0], mf.read_picture(PICTURES[0], mf.Original()))
    assert np.array_equal(mf.read_picture(PICTURES[0], mf.Encoded()), mf.read_picture(PICTURES[0], mf.Original()))
    again = mf.build(source, tmp_path / "images", tmp_path / "more", mf.Encoded(), shard_bytes=1)
    assert again.rows == report.rows
    updated = mf.build(source, tmp_path / "images", tmp_path / "more", mf.Encoded(), update=True)
    assert updated.decoded == 0
    same = {path.name: path.read_bytes() for path in (tmp_path / "shards").rglob("*.npy")}
    assert same == {path.name: path.read_bytes() for path in (tmp_path / "more").rglob("*.npy")}


def test_what_is_no_picture_is_said_in_words():
    profile = mf.Profile("hf/qwen3_vl")
    data = PICTURES[0]
    same = [mf.read_picture(source, mf.Original()) for source in (bytearray(data), memoryview(data), [data])]
    assert np.array_equal(same[0], same[1])
    assert np.array_equal(same[0], same[2][0])
    wrongly: Any = mf  # what a type checker would refuse
    for wrong, match in [
        (lambda: wrongly.read_picture(data, "448"), "image: expected a spec"),
        (lambda: wrongly.read_picture(data, mf.Original(), "float32"), "output: expected an Output"),
        (lambda: wrongly.read_picture([7], mf.Original()), "source: expected a path"),
        (lambda: wrongly.plan_tokens([(512, 512)], "hf/qwen3_vl"), "profile: expected a Profile"),
        (lambda: wrongly.plan_tokens("a.png", profile), "put it into a list"),
        (lambda: wrongly.plan_tokens([(1.5, 2)], profile), r"expected \(height, width\)"),
    ]:
        with pytest.raises(TypeError, match=match):
            wrong()
    with pytest.raises(ValueError, match="threads"):
        mf.read_picture(data, mf.Original(), threads=-3)
    with pytest.raises(mf.DataError, match="picture 1: ") as caught:
        mf.read_picture([data, b"no picture"], mf.Original())
    assert caught.value.path == "picture 1"
    assert mf.plan_tokens(np.array([[512, 512]]), profile).tokens.tolist() == [256]
    mf.profiles()["hf/qwen3_vl"].clear()
    assert mf.Profile("hf/qwen3_vl", max_pixels=70_000) == mf.Profile("hf/qwen3_vl", max_pixels=70_000)
    assert wrongly.Resize(np.int64(4), fit="stretch") == mf.Resize(4, fit="stretch")
