"""Specs say what becomes of a picture: checked when made, equal by value, written whole."""

import json
import pickle
from dataclasses import FrozenInstanceError

import pytest
from mmno_fast import Original, Resize
from mmno_fast.spec.image import DECODE_LIMIT, MAX_SIDE, from_dict

FORMAT_EXAMPLE = (
    '{"kind":"resize","height":448,"width":448,"fit":"stretch","filter":"bicubic","color":"auto","exif":false,'
    '"sixteen_bit":"reject","alpha":"drop","decode_limit":178956970,"pixels":"pillow13"}'
)


def test_json_has_the_members_of_the_format_in_its_order():
    assert Resize(448, fit="stretch").to_json() == FORMAT_EXAMPLE
    assert list(Original().to_dict()) == ["kind", "color", "exif", "sixteen_bit", "alpha", "decode_limit", "pixels"]


@pytest.mark.parametrize(
    "spec",
    [
        Resize(448, fit="stretch"),
        Resize((336, 448), fit="pad", filter="lanczos", color="rgb", exif=True, sixteen_bit="scale", alpha="white"),
        Resize(1, fit="crop", filter="bilinear", decode_limit=7, pixels="pillow12"),
        Original(),
        Original(color="gray", sixteen_bit="pillow"),
    ],
    ids=str,
)
def test_a_spec_survives_json_pickle_and_its_own_text(spec):
    assert from_dict(json.loads(spec.to_json())) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert eval(repr(spec), {"Resize": Resize, "Original": Original}) == spec


def test_specs_compare_and_hash_by_value():
    assert Resize(448, fit="stretch") == Resize((448, 448), fit="stretch")
    assert hash(Resize(448, fit="stretch")) == hash(Resize((448, 448), fit="stretch"))
    assert Resize(448, fit="stretch") != Resize(448, fit="pad")
    assert hash(Original()) != hash(Resize(448, fit="stretch"))


def test_specs_cannot_be_changed():
    spec = Resize(448, fit="stretch")
    with pytest.raises(FrozenInstanceError):
        spec.fit = "pad"  # type: ignore[misc]


def test_height_comes_before_width():
    spec = Resize((336, 448), fit="pad")
    assert (spec.height, spec.width) == (336, 448)
    assert str(spec).startswith("336x448 pad")


def test_what_prints_leaves_out_defaults():
    assert repr(Resize(448, fit="stretch", exif=True)) == "Resize(448, fit='stretch', exif=True)"
    assert repr(Original(decode_limit=DECODE_LIMIT)) == "Original()"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"size": 448, "fit": "squash"}, ValueError, "fit: expected one of 'stretch', 'pad', 'crop', found 'squash'"),
        ({"size": 448, "fit": None}, ValueError, "fit: expected one of"),
        ({"size": 448}, TypeError, "fit"),
        ({"size": 0, "fit": "pad"}, ValueError, "expected 1 to 65,535 pixels a side, found 0"),
        ({"size": MAX_SIDE + 1, "fit": "pad"}, ValueError, "pixels a side"),
        ({"size": (448,), "fit": "pad"}, TypeError, "expected a number of pixels or \\(height, width\\)"),
        ({"size": "448", "fit": "pad"}, TypeError, "size"),
        ({"size": True, "fit": "pad"}, TypeError, "size"),
        ({"size": 448, "fit": "pad", "filter": "cubic"}, ValueError, "filter: expected one of"),
        ({"size": 448, "fit": "pad", "color": "grey"}, ValueError, "color"),
        ({"size": 448, "fit": "pad", "exif": 1}, ValueError, "exif: expected one of False, True, found 1"),
        ({"size": 448, "fit": "pad", "decode_limit": 0}, ValueError, "decode_limit"),
        ({"size": 448, "fit": "pad", "decode_limit": 1.5}, TypeError, "decode_limit"),
        ({"size": 448, "fit": "pad", "pixels": "pillow99"}, ValueError, "pixels"),
        ({"size": 448, "fit": "pad", "pixels": "torchvision", "filter": "lanczos"}, ValueError, "torchvision has 'bilinear' and 'bicubic'"),
    ],
)
def test_a_wrong_value_is_told_when_the_spec_is_made(arguments, error, says):
    with pytest.raises(error, match=says):
        Resize(**arguments)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"kind": "mosaic"}, "of kind 'mosaic', which this version does not know"),
        ({"kind": "profile"}, "member 'name' is missing"),
        ({"kind": "profile", "name": "hf/none"}, "expected one of 'biomedclip"),
        ({}, "of kind None"),
        ({"kind": "resize", "height": 3}, "member 'width' is missing"),
        ({"kind": "original", "shape": 3}, "shape"),
        ({"kind": "original", "color": "sepia"}, "color"),
    ],
)
def test_a_spec_that_cannot_be_read_says_why(spec, says):
    with pytest.raises(ValueError, match=says):
        from_dict(spec)
