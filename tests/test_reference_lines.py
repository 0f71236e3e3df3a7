"""The reference engine's `inspect_line` keeps to every table of `docs/rows.md`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mmno_fast.reference import inspect_line

SHARED = Path(os.environ.get("MMNO_TEST_DATA", Path(__file__).parents[2] / "shared"))
JSON_SUITE = SHARED / "torture" / "json"
OPTIONS = "Which?\nOptions:\nA. one\nB. two\n"

Json = dict[str, Any]


def row(question: str = "Which?", answer: str = "That.", **more: object) -> Json:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def roles(*names: str) -> Json:
    return {"messages": [{"role": name, "content": "x"} for name in names]}


def inspect(value: object, placeholders: str = "required") -> Json:
    line = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return inspect_line(line, placeholders)


def depth(brackets: int) -> bytes:
    return json.dumps(row()).encode()[:-1] + b', "deep": ' + b"[" * (brackets - 1) + b"]" * (brackets - 1) + b"}"


WORD = b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "%s"}]}'


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (b" \t\r", []),
        (WORD % b"\xff", ["json.utf8"]),
        (WORD % b"\xed\xa0\x80", ["json.utf8"]),
        (depth(64), []),
        (depth(65), ["json.depth"]),
        (WORD % (b'\\"' + b"[" * 100), []),
        (b"[" * 65 + b"\xff", ["json.utf8"]),
        (b"[" * 65, ["json.depth"]),
        (b"\xef\xbb\xbf{}", ["json.syntax"]),
        (b'{"a": NaN}', ["json.syntax"]),
        (b'{"a": -Infinity}', ["json.syntax"]),
        (b'{"a": 1,}', ["json.syntax"]),
        (b"{} {}", ["json.syntax"]),
        (b"\x0c{}", ["json.syntax"]),
        (WORD % b"a\tb", ["json.syntax"]),
        (WORD % rb"\ud83e", ["json.syntax"]),
        (WORD % rb"\udde0\ud83e", ["json.syntax"]),
        (WORD % rb"\\ud83e \ud83e\udde0", []),
        (rb'{"a": 1, "\u0061": 2, "b": "\ud800"}', ["json.syntax"]),
        (rb'{"a": 1, "\u0061": 2}', ["json.duplicate_key"]),
        (b'{"a": [{"b": 1, "b": 1}]}', ["json.duplicate_key"]),
        (rb'{"a": {"\u0000b": 1, "\u0000c": 1}}', ["row.missing_field"]),
        ((WORD % b"x")[:-1] + b', "n": [1e9999, -1' + b"0" * 5000 + b"]}", []),
        (b"[]", ["row.not_object"]),
        (b"null", ["row.not_object"]),
        (b"1" + b"0" * 5000, ["row.not_object"]),
        (b'{"images": []}', ["row.missing_field"]),
        (b'{"messages": [{"role": "user"}]}', ["row.missing_field"]),
        (b'{"messages": [{"role": 1}, "x"]}', ["row.missing_field", "row.wrong_type"]),
        (b'{"messages": {}}', ["row.wrong_type"]),
        (row(images=None), ["row.wrong_type"]),
        (row(images=["a", 1]), ["row.wrong_type"]),
        (row("<image>", images="a"), ["row.wrong_type"]),
        (row(meta=None), []),
        (row(meta=[]), ["meta.wrong_type"]),
        ({"messages": [], "images": 1, "meta": 1}, ["row.wrong_type", "meta.wrong_type", "messages.empty"]),
    ],
)
def test_what_counts_as_json_and_as_a_row(line: object, codes: list[str]) -> None:
    assert inspect(line)["codes"] == codes


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("/a/../b", ["images.absolute"]),
        ("c:/a", ["images.absolute"]),
        ("C:\\a", ["images.absolute"]),
        ("1:/a", []),
        ("a/..\\/../b", ["images.traversal"]),
        ("a../..b", []),
        ("", ["images.bad_name"]),
        ("a\\b", ["images.bad_name"]),
        ("a\x7f", ["images.bad_name"]),
        ("a/b c (1).png", []),
    ],
)
def test_names_of_pictures(name: str, codes: list[str]) -> None:
    assert inspect(row("<image>", images=[name]))["codes"] == codes


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ({"messages": []}, ["messages.empty"]),
        (roles("user", "gpt"), ["messages.role"]),
        (roles("User", "assistant"), ["messages.role"]),
        (roles("system", "user", "assistant", "user", "assistant"), []),
        (roles("system"), ["messages.order"]),
        (roles("user"), ["messages.order"]),
        (roles("assistant", "user"), ["messages.order"]),
        (roles("user", "system", "assistant"), ["messages.order"]),
        (row(" \u2003\x85", "\x1f"), ["messages.blank"]),
        (row("<image><image>", images=["a"]), ["placeholder.count"]),
        (row(images=["a"]), ["placeholder.count"]),
        (row("<image>", "<image>", images=["a"]), ["placeholder.assistant"]),
        (row("<image>" + OPTIONS, "neither"), ["placeholder.count"]),
        (row("Which?\nOptions:\nA. one", "A"), ["mcq.options"]),
        (row("Which?\nOptions:\nA. one\na) two", "Z"), ["mcq.options"]),
        (row(OPTIONS, "the second"), ["mcq.answer"]),
        (row(OPTIONS, "C"), ["mcq.answer_range"]),
        (row(OPTIONS, "Final: C\nExplanation: so"), ["mcq.answer_range"]),
        (row(OPTIONS, "Explanation: so"), ["cot.final"]),
        (row(OPTIONS, "Final: neither\nFinal: A\nExplanation: so"), ["cot.final"]),
        (row(OPTIONS, "Final: A"), ["cot.explanation"]),
        (row(OPTIONS, "Explanation: \n \nFinal: A\nso"), ["cot.explanation"]),
        (row("Which?\nOptions:\n\nA. one", "neither"), []),
    ],
)
def test_rules_of_meaning(value: Json, codes: list[str]) -> None:
    assert inspect(value)["codes"] == codes


def test_optional_placeholders_may_all_be_left_out() -> None:
    assert inspect(row(images=["a", "b"]), "optional")["codes"] == []
    assert inspect(row("<image>", images=["a", "b"]), "optional")["codes"] == ["placeholder.count"]


@pytest.mark.parametrize(
    ("options", "answer", "expected", "warnings"),
    [
        ("A. one\nB. two", " B\n", ("closed", "B", "two"), []),
        ("A. one\nB. two", "**b**", ("closed", "B", "two"), ["mcq.answer_form"]),
        ("(A) one\n (b)  two\nor so\n\nC. no", "(B) as said", ("closed", "B", "two\nor so"), ["mcq.answer_form"]),
        ("A.\n  one\nB. ONE\nAnswer with a letter.", "A", ("closed", "A", "one"), ["mcq.duplicate_option"]),
        ("B. one\nA. two", "A", ("closed", "A", "two"), ["mcq.order"]),
        ("A. 1\nB. 2\nC. 3\nD. 4\nE. 5\nF. 6", "F", ("closed", "F", "6"), ["mcq.order"]),
        ("A. one\nB. two", "\n Final: A\nExplanation: so", ("closed_cot", "A", "one"), []),
        ("A. one\nB. two", "Final: a.\nExplanation:\nso", ("closed_cot", "A", "one"), ["cot.form"]),
        ("A. one\nB. two", "Well.\nFinal: A\nExplanation: so", ("closed_cot", "A", "one"), ["cot.form"]),
    ],
)
def test_variants_and_answers(options: str, answer: str, expected: tuple[str, str, str], warnings: list[str]) -> None:
    found = inspect(row(f"Which?\n Options: \n{options}", answer))
    assert (found["codes"], found["warnings"]) == ([], warnings)
    assert (found["row"]["variant"], found["row"]["answer"], found["row"]["answer_text"]) == expected


def test_the_block_is_looked_for_in_the_last_user_turn() -> None:
    chat = {"messages": row(OPTIONS, "A")["messages"] + row()["messages"]}
    assert inspect(chat)["row"] == {
        "messages": chat["messages"],
        "images": [],
        **dict.fromkeys(("meta", "extra", "options", "answer", "answer_text")),
        "variant": "chat",
    }
    assert inspect(row())["row"]["variant"] == "open"


def test_meta_and_unknown_members_keep_their_text() -> None:
    line = rb"""{"x\"\u00e9" :[1, 2 ], "meta" : {"a":  1.50, "b": "\u00e9"} , "messages":[
      {"role":"user","a/~\"b":1E+2,"content":"x"},{"content":"y","role":"assistant","n":{}}],"y": null}""".replace(b"\n", b"")
    found = inspect(line)
    assert found["warnings"] == ["row.unknown_field"]
    assert found["row"]["meta"] == r'{"a":  1.50, "b": "\u00e9"}'
    assert found["row"]["extra"] == r"""{"x\"\u00e9": [1, 2 ], "/messages/0/a~1~0\"b": 1E+2, "/messages/1/n": {}, "y": null}"""
    assert inspect(row(meta=None))["row"]["meta"] == "null"


@pytest.mark.skipif(not JSON_SUITE.exists() and "CI" not in os.environ, reason=f"JSONTestSuite is not at {JSON_SUITE}")
def test_json_test_suite() -> None:
    lines = {path.name: path.read_bytes().removesuffix(b"\n") for path in JSON_SUITE.rglob("[yn]_*.json")}
    lines = {name: line for name, line in lines.items() if b"\n" not in line and line.strip(b" \t\r")}
    assert len(lines) > 200
    for name, line in lines.items():
        codes = inspect_line(line)["codes"]
        if name.startswith("y_object_duplicated_key"):
            assert codes == ["json.duplicate_key"], name
        else:
            assert codes[0].startswith("json.") == name.startswith("n_"), name
