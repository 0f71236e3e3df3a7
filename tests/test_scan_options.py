"""`ScanOptions` is the one place of an option of the scan: public functions and the command line follow it."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields

import mmno_fast as mf
import numpy as np
import pytest
import typer
from mmno_fast.cli import app
from mmno_fast.spec.image import Original
from mmno_fast.spec.scan import ScanOptions

DEFAULTS = {field.name: field.default for field in fields(ScanOptions)}


@pytest.mark.parametrize("function", [mf.check, mf.build, mf.open])
def test_public_functions_take_every_option_with_its_default(function) -> None:
    parameters = inspect.signature(function).parameters
    found = {name: parameters[name].default for name in DEFAULTS if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY}
    assert found == DEFAULTS


@pytest.mark.parametrize("command", ["check", "build"])
def test_commands_take_every_option_with_its_default(command) -> None:
    options = {option.name: option for option in typer.main.get_command(app).commands[command].params}  # type: ignore[attr-defined]
    for name, default in DEFAULTS.items():
        option = options[f"no_{name}" if default is True else name]
        assert option.default == (False if default is True else default)
        assert option.opts == ["--" + option.name.replace("_", "-")]


def test_they_cross_to_the_core_as_json() -> None:
    options = ScanOptions(placeholders="optional", follow_links=False, strip_prefix='é"', max_line_bytes=7)
    spec = Original()
    crossed = json.loads(options.to_json(spec))
    assert crossed == {
        "spec": spec.to_dict(),
        "placeholders": "optional",
        "strip_prefix": 'é"',
        "follow_links": False,
        "max_line_bytes": 7,
    }
    del crossed["spec"]
    assert ScanOptions(**crossed) == options


def test_numbers_and_truth_values_of_numpy_are_plain_ones() -> None:
    options = ScanOptions(follow_links=np.bool_(False), max_line_bytes=np.int64(9))  # type: ignore[arg-type]
    assert options == ScanOptions(follow_links=False, max_line_bytes=9)
    assert json.loads(options.to_json(Original()))["max_line_bytes"] == 9


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"placeholders": "some"}, ValueError, r"""placeholders: expected "required" or "optional", found 'some'"""),
        ({"strip_prefix": b"/data"}, TypeError, r"strip_prefix: expected a text or None, found b'/data'"),
        ({"follow_links": "no"}, TypeError, r"follow_links: expected True or False, found 'no'"),
        ({"max_line_bytes": -1}, ValueError, r"max_line_bytes: expected a number of bytes from 0 to 2\*\*64 - 1, found -1"),
        ({"max_line_bytes": 1.5}, TypeError, r"max_line_bytes: expected a whole number of bytes, found 1\.5"),
    ],
)
def test_wrong_values_are_refused_by_name(given, error, message, tmp_path) -> None:
    with pytest.raises(error, match=message):
        ScanOptions(**given)
    source = tmp_path / "a.jsonl"
    source.touch()
    with pytest.raises(error, match=message):
        mf.check(source, **given)
