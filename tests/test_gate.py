"""No panic of the core comes to Python as such: whatever may panic goes through the gate, and comes out as `InternalError`."""

from __future__ import annotations

import re
from pathlib import Path

import mmno_fast as mf
import pytest
from mmno_fast import _core

from tests import loading

PYTHON = Path(__file__).parents[1] / "src" / "python"
# A function of a `#[pymethods]` block or a `#[pyfunction]`, as rustfmt writes it: to the brace of its own indentation.
FUNCTION = re.compile(
    r"^(?P<indent> *)(?:pub\(super\) )?(?:unsafe )?fn (?P<name>\w+)(?P<body>.*?^(?P=indent)\})$",
    re.MULTILINE | re.DOTALL,
)
# What runs its work through `src/python/gate.rs`, or is made of nothing else.
GATES = re.compile(r"\b(?:enter|attached|numbers_of|copy_of|array_of|shaped|row_of|close|numbered)\(")
# Fields that are read, values that are wrapped, and what the interpreter asks for by a protocol of its own.
PLAIN = {
    "batches.rs": {"without_pixels", "rows", "position", "bytes", "row_count", "count", "__len__", "__getbuffer__"},
    "epochs.rs": {"Consumer.new", "check_process", "__iter__", "__traverse__"},
    "feeds.rs": {"Stats.new", "__enter__"},
    "jobs.rs": {"Progress.new", "snapshot", "catalogue"},
    "pixels.rs": {"__len__", "__getbuffer__"},
    "rejects.rs": {"__iter__"},
    "report.rs": {"length"},
    "samples.rs": {"all"},
}


def exported(text: str) -> list[tuple[str, str]]:
    """Name and body of each function that Python can call; a constructor's with the name of its class."""
    found = []
    for block in re.finditer(r"^#\[pymethods\]\nimpl (\w+) \{$.*?^\}$", text, re.MULTILINE | re.DOTALL):
        for function in FUNCTION.finditer(block[0], block[0].index("\n")):
            name = f"{block[1]}.new" if function["name"] == "new" else function["name"]
            found.append((name, function["body"]))
    for function in re.finditer(r"^#\[pyfunction\]$.*?^\}$", text, re.MULTILINE | re.DOTALL):
        inner = FUNCTION.search(function[0])
        assert inner
        found.append((inner["name"], inner["body"]))
    return found


def test_whatever_python_can_call_goes_through_the_gate():
    seen = 0
    for path in sorted(PYTHON.glob("*.rs")):
        functions = exported(path.read_text())
        seen += len(functions)
        around = {name for name, body in functions if not GATES.search(body)}
        assert around == PLAIN.get(path.name, set()), path.name
    assert seen > 80


def panics() -> list[type[BaseException]]:
    """What PyO3 makes of a panic. One that a callback raises is a panic again in the Rust code that has called it."""
    with pytest.raises(ValueError, match="uneven: expected"):
        _core.count_batches(1, 1, 0, 1, "none", 0)
    return [kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException"]


@pytest.mark.parametrize("callback", ["make", "arrive", "collate"])
def test_a_panic_while_a_batch_is_handed_out_is_an_internal_error_that_ends_the_iteration(tmp_path, monkeypatch, callback):
    dataset = mf.open(loading.forty_rows(tmp_path) / "a.jsonl", tmp_path / "images", image=mf.Original())
    own = _core.Epoch
    found = []
    for panic in panics():

        def broken(*_, panic=panic):
            raise panic("on purpose")

        def epoch(feed, consumer, make, tell, broken=broken, **how):
            if callback == "make":
                return own(feed, consumer, (broken, *make[1:]), tell, **how)
            return own(feed, consumer, make, tell, **{**how, callback: broken})

        monkeypatch.setattr(_core, "Epoch", epoch)
        loader = mf.Loader(dataset, batch_size=8, shuffle=False)
        batches = iter(loader)
        with pytest.raises((mf.InternalError, panic)) as raised:
            next(batches)
        found.append(raised.type)
        if raised.type is mf.InternalError:
            assert "on purpose" in str(raised.value)
            assert list(batches) == []
            monkeypatch.setattr(_core, "Epoch", own)
            assert len(next(iter(loader)).rows) == 8, "the batch was not handed out"
    # A `PanicException` of another extension's PyO3 is an exception like any other here.
    assert found.count(mf.InternalError) == 1
