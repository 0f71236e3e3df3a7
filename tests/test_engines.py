# ruff: noqa: E501 - tables of texts read best unbroken
"""One line, two engines: the core and the reference say the same about any bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmno_fast import reference

from tests.building import inspected
from tests.random_cases import tries

KEYS = st.sampled_from(["messages", "images", "meta", "role", "content", "x", "a/b~c", "r\\u006fle", "conversations"])
TEXTS = st.sampled_from([
    "user", "assistant", "system", "gpt", "<image>", "q\\nOptions:\\nA. x\\nB. y", "<image>q\\n Options: \\n(a) x\\nmore\\nC) y\\n\\nAnswer", "A", "(b) y", "**C**",
    "Final: A\\nExplanation: z", "Explanation: \\nFinal: b.", "a.jpg", "/a", "../a", "", " ", "\\ud83e\\udde0", "\\ud800", "\\u00a0", "Ω", "\\t",
])  # fmt: skip
LEAVES = st.one_of(
    TEXTS.map(lambda text: f'"{text}"'), st.sampled_from(["null", "true", "1e999", "-0", "01", "NaN", "123456789012345678901234567890"])
)


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(KEYS, inner).map(lambda pair: f'"{pair[0]}": {pair[1]}')
    return st.lists(members, max_size=4).map(lambda items: f"{{{','.join(items)}}}")


VALUES = st.recursive(LEAVES, lambda inner: lists(inner) | objects(inner), max_leaves=12)
TURNS = st.tuples(st.sampled_from(["user", "assistant", "system", "gpt"]), TEXTS).map(
    lambda turn: f'{{"role": "{turn[0]}", "content": "{turn[1]}"}}'
)
CHATS = st.lists(TURNS, max_size=5).map(lambda turns: f"[{', '.join(turns)}]")
ROWS = st.tuples(CHATS | VALUES, lists(TEXTS.map(lambda text: f'"{text}"')) | VALUES, VALUES).map(
    lambda parts: f'{{"messages": {parts[0]}, "images": {parts[1]}, "meta": {parts[2]}}}'
)


def assert_same(line: bytes, placeholders: str = "required") -> None:
    ours = inspected(line, placeholders=placeholders)
    theirs = reference.inspect_line(line, placeholders=placeholders)
    assert ours["codes"] == theirs["codes"], line
    if not ours["codes"]:
        assert ours == theirs, line


@settings(deadline=None, max_examples=tries(500))
@given(VALUES | ROWS, st.sampled_from(["required", "optional"]))
def test_any_value(text: str, placeholders: str) -> None:
    assert_same(text.encode("utf-8", "surrogatepass"), placeholders)


@settings(deadline=None, max_examples=tries(300))
@given(ROWS, st.data())
def test_rows_with_a_few_bytes_changed(text: str, data: st.DataObject) -> None:
    line = bytearray(text.encode())
    for _ in range(data.draw(st.integers(0, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    assert_same(bytes(line).replace(b"\n", b" "))


@pytest.mark.parametrize("prefix", ["y", "n"])
def test_the_json_suite(shared: Path, prefix: str) -> None:
    files = [
        path
        for path in sorted((shared / "torture" / "json" / "test_parsing").glob(f"{prefix}_*.json"))
        if b"\n" not in path.read_bytes().strip()
    ]
    assert len(files) > 50
    for path in files:
        line = path.read_bytes().strip(b"\n")
        assert_same(line)
        codes = inspected(line)["codes"]
        duplicate = "duplicated_key" in path.name
        refused = any(code.startswith("json.") for code in codes)
        assert refused == (prefix == "n" or duplicate) or not line.strip(), (path.name, codes)
