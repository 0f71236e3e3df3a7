"""What a loader says when something is asked of it that cannot be, or goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import mmno_fast as mf
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from mmno_fast.demo import Drawn, draw

SPEC = mf.Resize(16, fit="stretch")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(tmp_path_factory.mktemp("drawn"), pictures=6, faults=False)


@pytest.fixture(scope="module")
def raw(drawn: Drawn) -> Iterator[mf.Dataset]:
    with mf.open(drawn.sources, drawn.images, image=SPEC) as dataset:
        yield dataset


def test_what_makes_no_sense_is_said_in_words(raw: mf.Dataset) -> None:
    slot = np.zeros(100, np.uint8)
    wrongly: Any = mf.Loader  # what a type checker would refuse
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"shuffle": "yes"}, TypeError, "shuffle: expected True or False"),
        ({"output": "bfloat16"}, TypeError, "output: expected an Output"),
        ({"slots": slot}, TypeError, "slots: expected a list"),
        ({"slots": [np.zeros(4, np.float32)]}, TypeError, "slots: expected a list of writable, contiguous arrays of uint8"),
        ({"slots": [slot, slot]}, ValueError, "one twice"),
        ({"threads": "2"}, ValueError, "threads: expected at least 1"),
        ({"rank": "0", "world_size": "2"}, ValueError, "expected whole numbers"),
        ({"rank": 0, "world_size": 0}, ValueError, "at least one rank"),
        ({"batch_size": 10**11}, ValueError, "batch_size: expected at most"),
    ]
    for options, error, match in refused:
        with pytest.raises(error, match=match):
            wrongly(raw, **{"batch_size": 2, "shuffle": False, **options})
    with pytest.raises(ValueError, match="three numbers"):
        mf.Output(dtype="float32", mean=0.5, std=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fraction"):
        raw.split("0.9")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed"):
        raw.split(0.5, seed=-1)


def test_an_epoch_without_a_batch_is_told(raw: mf.Dataset, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mmno_fast"):
        assert list(mf.Loader(raw, 5000, shuffle=True)) == []
    assert 'choose uneven="short"' in caplog.text
    caplog.clear()
    assert len(list(mf.Loader(raw, 5000, shuffle=False))) == 1
    assert caplog.text == ""


def test_a_batch_that_does_not_fit_is_a_memory_error(drawn: Drawn) -> None:
    with mf.open(drawn.sources, drawn.images, image=mf.Resize(60_000, fit="stretch")) as huge:
        loader = mf.Loader(huge, len(huge) * 4, shuffle=False, uneven="wrap")
        with pytest.raises((MemoryError, ValueError), match="smaller batch_size"):
            next(iter(loader))


def test_what_is_null_is_not_chosen(raw: mf.Dataset) -> None:
    answers = raw.rows.column("answer")
    chosen = raw.where(pc.equal(answers, "A"))
    assert answers.null_count > 0
    assert [row["answer"] for row in chosen] == ["A"] * len(chosen)
    assert len(chosen) == answers.to_pylist().count("A")
    assert len(raw.where(pa.array([None] * len(raw), pa.bool_()))) == 0


def test_an_older_iteration_says_that_a_newer_one_has_begun(raw: mf.Dataset) -> None:
    with mf.Loader(raw, 2, shuffle=False) as loader:
        older = iter(loader)
        next(older)
        iter(loader)
        with pytest.raises(RuntimeError, match="one epoch runs at a time"):
            next(older)
        finished = iter(loader)
        assert len(list(finished)) > 0
        iter(loader)
        assert list(finished) == []  # it was at its end


def test_a_picture_that_is_gone_is_told_with_its_row_and_may_be_left_out(drawn: Drawn, tmp_path: Path) -> None:
    again = draw(tmp_path, pictures=4, faults=False)
    dataset = mf.open(again.sources, again.images, image=SPEC)
    gone = dataset[5]["image_names"][0]
    next(path for path in tmp_path.rglob("*") if path.as_posix().endswith(gone)).unlink()
    with pytest.raises(mf.DataError, match="cannot be read") as caught:
        list(mf.Loader(dataset, 3, shuffle=False))
    assert caught.value.code == "picture.unreadable"
    assert caught.value.line is not None
    skipped = [row for batch in mf.Loader(dataset, 3, shuffle=False, on_error="skip") for row in batch.skipped]
    assert 5 in {row.row for row in skipped}
    assert {row.code for row in skipped} == {"picture.unreadable"}


def test_a_picture_that_changed_is_told_with_its_row_and_never_left_out(tmp_path: Path) -> None:
    again = draw(tmp_path, pictures=4, faults=False)
    dataset = mf.open(again.sources, again.images, image=SPEC)
    changed = dataset[5]["image_names"][0]
    path = next(path for path in tmp_path.rglob("*") if path.as_posix().endswith(changed))
    path.write_bytes(path.read_bytes() + b"\0")
    modes: tuple[Literal["raise", "skip"], ...] = ("raise", "skip")
    for on_error in modes:
        with pytest.raises(mf.DataError, match="changed since") as caught:
            list(mf.Loader(dataset, 3, shuffle=False, on_error=on_error))
        assert caught.value.line is not None


def test_replaying_keeps_to_its_bytes(raw: mf.Dataset) -> None:
    with mf.Loader(raw, 2, shuffle=False, prefetch=10_000, prefetch_bytes=1) as loader:
        batches = [batch for batch, _ in zip(loader.replay(), range(3), strict=False)]
    assert [batch.row_numbers.tolist() for batch in batches] == [[0, 1]] * 3
