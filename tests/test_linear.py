"""Time is in proportion to the input: twice the rows, names, members or sources take about twice the time, and not four times.

A step that looks through all that came before takes four times as long for twice as much. Each quantity is doubled twice here. The least
processor time of several runs counts, so that other work on the machine is not taken for a fault.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import encoded, noise, write_files

CHAT = '"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]'
MOST = 2.9
"""How much more time twice as much may take. 2 is expected; 4 is a square."""
WORTH = 0.1
"""Seconds below which a time says nothing."""


def rows(n: int) -> list[str]:
    return [f'{{{CHAT},"images":[]}}'] * n


def turns(n: int) -> list[str]:
    turn = '{"role":"user","content":"x"},{"role":"assistant","content":"y"}'
    return ['{"messages":[' + ",".join([turn] * n) + '],"images":[]}']


def blank_turns(n: int) -> list[str]:
    return ['{"messages":[' + ",".join(['{"role":"user","content":" "}'] * n) + '],"images":[]}']


def turns_without_role(n: int) -> list[str]:
    return ['{"images":[],"messages":[' + ",".join(['{"f":0}'] * n) + "]}"]


def missing_names(n: int) -> list[str]:
    return [f'{{{CHAT},"images":{json.dumps([f"m{i}.png" for i in range(n)])}}}']


def one_picture_again(n: int) -> list[str]:
    names = [f"m{i}.png" for i in range(n)] + ["0.png"] * n
    return [f'{{{CHAT},"images":{json.dumps(names)}}}']


def bad_names(n: int) -> list[str]:
    return [f'{{{CHAT},"images":{json.dumps([f"../{i}" for i in range(n)])}}}']


def keys_of_rows(n: int) -> list[str]:
    return [f'{{{CHAT},"images":[],"k{i}":0}}' for i in range(n)]


def keys_of_a_row(n: int) -> list[str]:
    return [f'{{{CHAT},"images":[],' + ",".join(f'"k{i}":0' for i in range(n)) + "}"]


def keys_of_turns(n: int) -> list[str]:
    turn = ",".join(f'{{"role":"user","content":"x","k{i}":1}}' for i in range(n))
    return [f'{{"messages":[{turn}],"images":[]}}']


def keys_twice(n: int) -> list[str]:
    return [f'{{{CHAT},"images":[],' + ",".join(f'"k{i}":0' for i in [*range(n), *range(n)]) + "}"]


def options(n: int) -> list[str]:
    question = json.dumps("Which?\nOptions:\n" + "\n".join(f"{chr(65 + i % 26)}. text {i}" for i in range(n)))
    return [f'{{"messages":[{{"role":"user","content":{question}}},{{"role":"assistant","content":"A"}}],"images":[]}}']


def escapes(n: int) -> list[str]:
    text = "\\u00e9" * n
    return [f'{{"messages":[{{"role":"user","content":"{text}"}},{{"role":"assistant","content":"y"}}],"images":[]}}']


def placeholders(n: int) -> list[str]:
    text = "<image>" * n
    return [f'{{"messages":[{{"role":"user","content":"{text}"}},{{"role":"assistant","content":"y"}}],"images":[]}}']


def lines_that_are_no_rows(n: int) -> list[str]:
    return ["x"] * n


def blank_lines(n: int) -> list[str]:
    return [""] * n


# What is doubled, and the least of it.
QUANTITIES: dict[Callable[[int], list[str]], int] = {
    rows: 20_000,
    turns: 20_000,
    blank_turns: 20_000,
    turns_without_role: 10_000,
    missing_names: 10_000,
    one_picture_again: 10_000,
    bad_names: 20_000,
    keys_of_rows: 10_000,
    keys_of_a_row: 20_000,
    keys_of_turns: 10_000,
    keys_twice: 20_000,
    options: 20_000,
    escapes: 1_000_000,
    placeholders: 200_000,
    lines_that_are_no_rows: 20_000,
    blank_lines: 1_000_000,
}


def grows(measure: Callable[[int], float], n: int) -> list[float]:
    """How much longer 2n takes than n, and 4n than 2n. Where a time says nothing, all are made four times as large."""
    while True:
        times = [min(measure(n * factor) for _ in range(2)) for factor in (1, 2, 4)]
        if times[0] >= WORTH or n > 1 << 24:
            return [later / max(before, WORTH) for before, later in pairwise(times)]
        n *= 2


def assert_linear(measure: Callable[[int], float], n: int) -> None:
    ratios = grows(measure, n)
    if max(ratios) > MOST:  # the machine did something else
        ratios = grows(measure, n)
    assert max(ratios) <= MOST, ratios


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("pictures"), {"0.png": encoded(noise(1, 8, 8))})


@pytest.mark.slow
@pytest.mark.parametrize("lines", QUANTITIES, ids=lambda lines: lines.__name__)
def test_rows_take_time_in_proportion(lines, pictures, tmp_path):
    def measure(n: int) -> float:
        path = tmp_path / f"{n}.jsonl"
        if not path.exists():
            path.write_text("\n".join(lines(n)) + "\n")
        begun = time.process_time()
        mf.check(path, pictures, threads=1, max_line_bytes=1 << 30)
        return time.process_time() - begun

    assert_linear(measure, QUANTITIES[lines])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["sources", "roots"])
def test_sources_and_roots_take_time_in_proportion(what, pictures, tmp_path):
    def measure(n: int) -> float:
        folders = [pictures] * n if what == "roots" else [pictures]
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(one_picture_again(100)) + "\n")
        names = {f"s{i}": path for i in range(n)} if what == "sources" else path
        begun = time.process_time()
        mf.check(names, folders, threads=1)
        return time.process_time() - begun

    assert_linear(measure, 200)
