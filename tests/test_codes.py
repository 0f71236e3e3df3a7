"""For every code of the catalogue a data set whose only finding it is; both engines say so."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast import _core, reference
from mmno_fast.jobs.build import Engine

from tests.building import Json, about, assert_same_data_set, chat, encoded, inspected, noise, write_files, write_rows

SPEC = mf.Resize(8, fit="stretch")
CATALOGUE = {entry["code"]: entry for entry in _core.catalogue()}
PNG = encoded(noise(1, 9, 12, 3))
JPEG = encoded(noise(2, 40, 40, 3), "JPEG", quality=90)
OPTIONS = "Which?\nOptions:\nA. one\nB. two"
FINE: Json = about("fine.png", meta={"id": 1})


@dataclass(frozen=True)
class Case:
    """A row with one fault, between two fine ones, and the pictures that it needs besides `fine.png`."""

    row: Json | bytes
    files: dict[str, bytes] = field(default_factory=dict)
    roots: tuple[str, ...] = ("images",)
    options: Json = field(default_factory=dict)
    spec: mf.ImageSpec = SPEC
    pointer: str | None = None
    """Where the finding must point, if it is worth saying."""


def messages(*turns: tuple[str, str]) -> Json:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def picture(content: bytes, name: str = "it.png", **more: Any) -> Case:
    return Case(about(name), {f"images/{name}": content}, pointer="/images/0", **more)


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def animated_png() -> bytes:
    """A PNG of one picture that says it has two frames."""
    after_header = 8 + 25
    return PNG[:after_header] + chunk(b"acTL", bytes([0, 0, 0, 2, 0, 0, 0, 0])) + PNG[after_header:]


CASES: dict[str, Case] = {
    "line.too_long": Case(b'{"x": "' + b"y" * 4096, options={"max_line_bytes": 4096}),
    "json.utf8": Case(b'{"messages": "\xff"}'),
    "json.depth": Case(b"[" * 65 + b"]" * 65),
    "json.syntax": Case(b'{"messages": [}'),
    "json.duplicate_key": Case(b'{"meta": {"a": 1, "\\u0061": 2}}'),
    "row.not_object": Case(b'["messages"]'),
    "row.missing_field": Case({"images": ["fine.png"]}),
    "row.wrong_type": Case(chat(images="fine.png"), pointer="/images"),
    "row.unknown_field": Case(chat(weight=0.5), pointer="/weight"),
    "meta.wrong_type": Case(chat(meta=[]), pointer="/meta"),
    "images.absolute": Case(about("/fine.png"), pointer="/images/0"),
    "images.traversal": Case(about("a/../fine.png"), pointer="/images/0"),
    "images.bad_name": Case(about("a\\fine.png"), pointer="/images/0"),
    "images.missing": Case(about("none.png"), pointer="/images/0"),
    "images.ambiguous": Case(about("scan.png"), {"images/Scan.png": PNG, "images/SCAN.png": JPEG}, pointer="/images/0"),
    "images.two_roots": Case(about("it.png"), {"images/it.png": PNG, "more/it.png": encoded(noise(3, 4, 4))}, ("images", "more")),
    "images.resolved": Case(about("class/it.jpg"), {"images/Class/it.jpg": JPEG}, pointer="/images/0"),
    "images.repeated": Case(about("fine.png", "fine.png"), pointer="/images/1"),
    "messages.empty": Case(messages(), pointer="/messages"),
    "messages.role": Case(messages(("user", "Which?"), ("gpt", "That.")), pointer="/messages/1/role"),
    "messages.order": Case(messages(("assistant", "That."), ("user", "Which?"))),
    "messages.blank": Case(messages(("user", "Which?"), ("assistant", " \u2003\n")), pointer="/messages/1/content"),
    "placeholder.count": Case(chat("<image> and <image>", images=["fine.png"])),
    "placeholder.assistant": Case(chat("Which?", "That <image>.")),
    "mcq.options": Case(chat("Which?\nOptions:\nA. one\nA. two", "A")),
    "mcq.order": Case(chat("Which?\nOptions:\nA. one\nC. two", "A")),
    "mcq.duplicate_option": Case(chat("Which?\nOptions:\nA. one\nB. ONE", "A")),
    "mcq.answer": Case(chat(OPTIONS, "the first")),
    "mcq.answer_range": Case(chat(OPTIONS, "C")),
    "mcq.answer_form": Case(chat(OPTIONS, "(b)")),
    "cot.final": Case(chat(OPTIONS, "Explanation: because")),
    "cot.explanation": Case(chat(OPTIONS, "Final: A\nExplanation: ")),
    "cot.form": Case(chat(OPTIONS, "Final: A.\nExplanation: because")),
    "picture.empty": picture(b""),
    "picture.format": picture(b"%PDF-1.7 and so on"),
    "picture.truncated": picture(JPEG[: len(JPEG) // 2], "it.jpg"),
    "picture.corrupt": picture(PNG.replace(b"IDAT", b"IDAT\xff", 1)),
    "picture.too_large": picture(encoded(noise(4, 11, 10)), spec=mf.Resize(8, fit="stretch", decode_limit=109)),
    "picture.sixteen_bit": picture(encoded(np.full((5, 5), 999, np.uint16))),
    "picture.aspect": picture(encoded(noise(7, 1, 201, 3)), spec=mf.Profile("hf/qwen3_vl")),
    "picture.extension": picture(JPEG),
    "picture.transparent": picture(encoded(noise(5, 6, 7, 4))),
    "picture.animated": picture(animated_png()),
}
OTHER_CASES: dict[str, list[Case]] = {
    "images.ambiguous": [Case(about("it.png"), {"images/it.bmp": PNG, "more/it.jpg": PNG}, ("images", "more"))],
    "images.missing": [Case(about("Fine"), pointer="/images/0"), Case(about("fine.gif"), pointer="/images/0")],
    "images.resolved": [
        Case(about("it.jpeg"), {"images/it.JPG": JPEG}),
        Case(about("it.png"), {"images/IT.png": PNG, "more/IT.png": PNG}, ("images", "more")),
    ],
    "images.two_roots": [Case(about("it.png"), {"images/IT.png": PNG, "more/IT.png": JPEG}, ("images", "more"))],
    "row.wrong_type": [Case(chat(images=None)), Case(chat(images=[1])), Case({"messages": {}})],
    "row.unknown_field": [Case({"messages": [{**turn, "name": "x"} for turn in chat()["messages"]]})],
    "picture.truncated": [picture(PNG[:50]), picture(PNG[:20]), picture(encoded(noise(6, 30, 30, 3), "BMP")[:-50], "it.bmp")],
}
NOT_ROWS = ("source.not_lines", "picture.unreadable", "picture.memory")
"""Codes that need more than one row: they have a test of their own (the last one in ``test_memory.py``)."""
EVERY = list(CASES.items()) + [(code, case) for code, cases in OTHER_CASES.items() for case in cases]


def test_every_code_has_a_case() -> None:
    assert {*CASES, *NOT_ROWS} == CATALOGUE.keys()
    assert {code for code, _ in EVERY} == CASES.keys()


def lay_out(folder: Path, case: Case) -> tuple[Path, list[Path]]:
    """The source and the roots of a case."""
    files = {"images/fine.png": encoded(noise(0, 10, 10))} | case.files
    write_files(folder, files)
    return write_rows(folder / "train.jsonl", [FINE, case.row, FINE]), [folder / root for root in case.roots]


def found_in(report: mf.CheckReport) -> list[tuple[str, int]]:
    return [(row["code"], row["line"]) for row in report.findings.to_pylist()]


@pytest.mark.parametrize(("code", "case"), EVERY, ids=[f"{number} {code}" for number, (code, _) in enumerate(EVERY)])
def test_a_fault_is_found_alone_and_rejects_its_row_alone(tmp_path: Path, code: str, case: Case) -> None:
    source, roots = lay_out(tmp_path, case)
    report = mf.check(source, roots, image=case.spec, **case.options)
    assert found_in(report) == [(code, 2)]
    rejects = CATALOGUE[code]["severity"] == "E"
    finding = report.findings.to_pylist()[0]
    assert (finding["severity"], finding["source"]) == ("E" if rejects else "W", "train.jsonl")
    assert case.pointer in (None, finding["pointer"])
    assert finding["message"]
    assert finding["hint"] == CATALOGUE[code]["hint"]
    lines = source.read_bytes().splitlines(keepends=True)
    assert len(lines[0]) <= finding["byte"] <= len(lines[0]) + len(lines[1])

    built: dict[str, mf.BuildReport] = {}
    engines: list[Engine] = ["core"] if isinstance(case.spec, mf.Profile) else ["core", "reference"]  # the reference knows none
    for engine in engines:
        made = built[engine] = mf.build(source, roots, tmp_path / engine, case.spec, engine=engine, **case.options)
        assert (made.lines, made.rows, made.rejected) == (3, 3 - rejects, rejects)
        assert made.rejects == ({code: 1} if rejects else {})
        assert [(row["line"], row["codes"]) for row in made.rejected_rows()] == ([(2, [code])] if rejects else [])
    assert_same_data_set(tmp_path / "core", tmp_path / engines[-1])
    if not rejects and code.startswith(("row.", "mcq.", "cot.")):
        text = lines[1].removesuffix(b"\n")
        assert inspected(text)["warnings"] == [code]
        assert reference.inspect_line(text)["warnings"] == [code]


LONG = b"x" * 300


@pytest.mark.parametrize(
    "content",
    [
        *[b'[{"messages": []},\n {"messages": []}]\n', b"[{}]", b"\xef\xbb\xbf[\n]", b"[{}]\n\n \n", b"\n\t\n[\n]"],
        *[b'{\n"messages": []\n}\n', b'{\r\n"messages": []}\r\n', b'{"a": "' + LONG + b'",\n"b": 1}', b'["' + LONG + b'"]'],
        # The grammar alone decides.
        *[b'{"a": 1,\n"a": 2}', b'["\xff"]', b'["\\ud800"]', b"[" * 100 + b"]" * 100, b"[1e999999]"],
    ],
)
def test_a_source_that_is_one_value_is_said_once_and_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").mkdir()
    source = tmp_path / "train.json"
    source.write_bytes(content)
    report = mf.check(source, tmp_path / "images", max_line_bytes=250)
    assert [row["code"] for row in report.findings.to_pylist()] == ["source.not_lines"]
    assert report.summary["rows"] == report.summary["rejected"] == report.summary["lines"] == 0
    for engine in ("core", "reference"):
        with pytest.raises(ValueError, match="one JSON value"):
            mf.build(source, tmp_path / "images", tmp_path / engine, SPEC, engine=engine, max_line_bytes=250)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": "' + LONG + b'"}', {"line.too_long": 1}),  # an object on one line is a row, however long
        (b'{"a": "' + LONG + b'"}\n{}', {"line.too_long": 1, "row.missing_field": 1}),
        (b"[1]\n{}", {"row.not_object": 1, "row.missing_field": 1}),
        (b"[\n1]\n{}", {"json.syntax": 2, "row.missing_field": 1}),
        (b'{"a"\n{}', {"json.syntax": 1, "row.missing_field": 1}),
        (b"{\n}\n{\n}", {"json.syntax": 4}),
        (b'["a\tb"]', {"json.syntax": 1}),
        (b"[NaN]", {"json.syntax": 1}),
        (b"\x0c[1]", {"json.syntax": 1}),  # a form feed is no blank of JSON
        (b"[1]\x0c", {"json.syntax": 1}),
    ],
)
def test_a_source_that_only_begins_like_one_value_is_lines(tmp_path: Path, content: bytes, expected: dict[str, int]) -> None:
    (tmp_path / "images").mkdir()
    source = tmp_path / "train.jsonl"
    source.write_bytes(content)
    for engine in ("core", "reference"):
        made = mf.build(source, tmp_path / "images", tmp_path / engine, SPEC, engine=engine, max_line_bytes=250)
        assert made.rejects == expected
    assert_same_data_set(tmp_path / "core", tmp_path / "reference")


def too_large_to_read(path: Path) -> None:
    """More than a GiB without a byte on the disk."""
    path.touch()
    os.truncate(path, 2**30 + 1)


def forbidden(path: Path) -> None:
    path.write_bytes(PNG)
    path.chmod(0)


@pytest.mark.parametrize("spoil", [too_large_to_read, forbidden])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    source, roots = lay_out(tmp_path, Case(about("it.png")))
    spoil(roots[0] / "it.png")
    # Who may read everything reads a forbidden file, too.
    expected = [] if spoil is forbidden and os.access(roots[0] / "it.png", os.R_OK) else [("picture.unreadable", 2)]
    assert found_in(mf.check(source, roots)) == expected
    for engine in ("core", "reference"):
        made = mf.build(source, roots, tmp_path / engine, SPEC, engine=engine)
        assert [(code, row["line"]) for row in made.rejected_rows() for code in row["codes"]] == expected
    assert_same_data_set(tmp_path / "core", tmp_path / "reference")
