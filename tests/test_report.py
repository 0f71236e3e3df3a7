"""Reports say what was found, print well, and become JSON."""

import io
import json
import operator
import os
import shutil
from pathlib import Path
from typing import Any, cast

import mmno_fast as mf
import pyarrow as pa
import pytest
from mmno_fast import _core
from mmno_fast.demo import Drawn, draw
from mmno_fast.jobs.allowance import Allowance
from mmno_fast.report import check as check_table
from mmno_fast.report import looks
from rich.console import Console


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Drawn:
    return draw(tmp_path_factory.mktemp("drawn"), pictures=12)


@pytest.fixture(scope="module")
def report(drawn) -> mf.CheckReport:
    return mf.check(drawn.sources, drawn.images)


@pytest.fixture(scope="module")
def built(drawn, tmp_path_factory) -> mf.BuildReport:
    return mf.build(drawn.sources, drawn.images, tmp_path_factory.mktemp("shards") / "shards", mf.Original())


# check


def test_findings_are_exactly_the_faults_put_in(report, drawn):
    found = [(row["source"], row["line"], row["code"]) for row in report.findings.to_pylist() if row["severity"] == "E"]
    assert len(found) == len(set(found))
    assert set(found) == {(fault.source, fault.line, fault.code) for fault in drawn.faults}


def test_findings_are_an_arrow_table_with_places_and_hints(report, drawn):
    text, number = pa.utf8(), pa.uint64()
    types = {"code": text, "severity": text, "source": text, "line": number, "byte": number, "pointer": text, "message": text, "hint": text}
    assert dict(zip(report.findings.schema.names, report.findings.schema.types, strict=True)) == types
    hints = {entry["code"]: entry["hint"] for entry in _core.catalogue()}
    for row in report.findings.to_pylist():
        assert row["hint"] == hints[row["code"]]
        source = next(path for path in drawn.sources if path.name == row["source"])
        before = source.read_bytes()[: row["byte"]].count(b"\n")
        assert before + 1 == row["line"]


def test_findings_of_rows_without_faults_are_an_empty_table(tmp_path):
    clean = draw(tmp_path, pictures=4, faults=False)
    report = mf.check(clean.sources[0])
    assert report.ok
    assert (report.errors, report.warnings) == (0, 0)
    assert report.findings.num_rows == 0
    assert report.findings.schema.names[-1] == "hint"
    assert report.first_findings(3) == {}
    assert "clean: no errors, 0 warnings; pictures were not checked" in str(report)
    assert "say --images" in str(report)


def test_counts_follow_the_catalogue_and_add_up(report):
    codes = [entry["code"] for entry in _core.catalogue()]
    assert list(report.counts) == sorted(report.counts, key=codes.index)
    assert report.errors + report.warnings == report.findings.num_rows
    assert not report.ok
    summary = report.summary
    assert summary["rows"] + summary["rejected"] == summary["lines"] == 84
    assert sum(summary["variants"].values()) == summary["rows"]


def test_the_text_says_where_what_and_what_to_do(report, drawn):
    text = str(report)
    assert repr(report) == text
    assert "\x1b" not in text
    for fault in drawn.faults:
        source = next(path for path in drawn.sources if path.name == fault.source)
        assert f"{source}:{fault.line} byte " in text
        assert f"what to do: {report.catalogue[fault.code]['hint']}" in text
    for line in ("missing pictures by folder", "not published", "not clean: 11 errors", "of 84 lines that hold something"):
        assert line in text


def test_only_the_first_findings_of_a_code_are_shown(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text("[]x\n" * 5)
    text = str(mf.check(source))
    assert text.count("a.jsonl:") == check_table.SHOWN_FINDINGS
    assert "and 2 more" in text
    assert mf.check(source).findings.num_rows == 5


KEPT = 10_000


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_findings_of_each_code_and_source_are_kept_and_all_are_counted(tmp_path, threads):
    sources = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    many = KEPT + 2_345
    for source in sources:
        source.write_text("[]x\n" * many + "{}\n" * 7)
    every = tmp_path / "every.jsonl"
    report = mf.check(sources, all_findings=every, threads=threads)
    assert {code: count["count"] for code, count in report.counts.items()} == {"json.syntax": 2 * many, "row.missing_field": 14}
    assert (report.errors, report.summary["rejected"]) == (2 * many + 14, 2 * (many + 7))
    assert report.summary["findings"] == {"all": 2 * many + 14, "kept": 2 * KEPT + 14}
    # Those of the first lines.
    kept = report.findings.select(["code", "source", "line"]).to_pylist()
    for source in sources:
        lines = [found["line"] for found in kept if (found["code"], found["source"]) == ("json.syntax", source.name)]
        assert lines == list(range(1, KEPT + 1))
    assert f"{2 * many + 14:,}, of which {2 * KEPT + 14:,} are kept" in " ".join(str(report).split())
    # The file has every one, and begins as those that are kept.
    told = [json.loads(line) for line in every.read_text().splitlines()]
    assert len(told) == 2 * many + 14
    assert {(found["source"], found["line"]) for found in told} == {(s.name, n) for s in sources for n in range(1, many + 8)}
    assert told[:KEPT] == report.findings.slice(0, KEPT).to_pylist()


def test_every_finding_is_told_in_one_order_by_any_number_of_threads(tmp_path, drawn):
    files = {threads: tmp_path / f"{threads}.jsonl" for threads in (1, 2, 4)}
    reports = [mf.check(drawn.sources, drawn.images, all_findings=file, threads=threads) for threads, file in files.items()]
    assert len({file.read_bytes() for file in files.values()}) == 1
    key = operator.itemgetter("source", "line", "code", "pointer", "message")
    told = sorted((json.loads(line) for line in files[1].read_text().splitlines()), key=key)
    assert told == sorted(reports[0].findings.to_pylist(), key=key)


def test_findings_are_not_written_over_a_source(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text("{}\n")
    (tmp_path / "link").symlink_to(source)
    for path in (source, tmp_path / "link"):
        with pytest.raises(ValueError, match="is a source"):
            mf.check(source, all_findings=path)
    assert source.read_text() == "{}\n"


def test_a_row_is_rejected_whether_its_finding_is_kept_or_not(tmp_path):
    (tmp_path / "images").mkdir()
    source = tmp_path / "a.jsonl"
    many = KEPT + 100
    good = json.dumps({"images": [], "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]})
    bad = json.dumps({"images": ["no.png"], "messages": [{"role": "user", "content": "<image>x"}, {"role": "assistant", "content": "y"}]})
    source.write_text(f"[]x\n{bad}\n" * many + good + "\n")
    made = mf.build(source, tmp_path / "images", tmp_path / "out", mf.Resize(8, fit="stretch"))
    assert made.rejects == {"json.syntax": many, "images.missing": many}
    codes = [(row["line"], row["codes"]) for row in made.rejected_rows()]
    assert codes == [(line, ["images.missing"] if line % 2 == 0 else ["json.syntax"]) for line in range(1, 2 * many + 1)]
    assert made.rows == 1


def test_what_stands_in_the_data_moves_no_cursor(tmp_path):
    source = tmp_path / "a.jsonl"
    turns = [{"role": "user", "content": "<image>x"}, {"role": "assistant", "content": "y"}]
    rows = [{"images": [name], "messages": turns} for name in ("\x1b[2J/a.png", "[bold]/b.png", "Größe/c.png")]
    rows.append({"images": [], "messages": turns[1:], "\x1b[31m": 1})
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "images").mkdir()
    text = str(mf.check(source, tmp_path / "images"))
    assert "\x1b" not in text
    assert "[bold]" in text
    assert "Größe" in text


def test_a_notebook_gets_html_that_is_escaped(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text('{"messages": "<script>alert(1)</script>"}\n')
    html = mf.check(source)._repr_html_()
    assert html.startswith("<pre")
    assert "row.wrong_type" in html
    assert "<script>" not in html


def test_rich_prints_it_in_colour(report):
    out = io.StringIO()
    Console(width=100, force_terminal=True, color_system="standard", file=out).print(report)
    assert "\x1b[1;31mE" in out.getvalue()


def test_json_holds_the_totals(report, tmp_path):
    told = json.loads(report.to_json())
    assert told == report.to_dict()
    assert (told["ok"], told["errors"]) == (False, 11)
    assert told["counts"]["images.missing"] == {"severity": "E", "count": 1}
    report.write_jsonl(tmp_path / "findings.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    assert [(line["code"], line["line"]) for line in lines] == [(row["code"], row["line"]) for row in report.findings.to_pylist()]


def test_a_source_has_the_name_it_was_given(drawn):
    report = mf.check({"first": drawn.sources[0]})
    assert set(report.findings.column("source").to_pylist()) == {"first"}
    assert f"{drawn.sources[0]}:" in str(report)  # what is shown is the path, so that a terminal can follow it


# build and verify


def test_a_build_adds_up_and_prints(built, drawn):
    assert (built.lines, built.rows, built.rejected) == (84, 73, 11)
    assert built.rejects == {fault.code: 1 for fault in sorted(drawn.faults, key=lambda fault: list(built.rejects).index(fault.code))}
    assert built.distinct_pictures == 12
    assert not built.unchanged
    text = str(built)
    assert "73 accepted, 11 rejected, of 84 lines" in text
    assert f"the data set is whole: {built.path}" in text
    assert json.loads(built.to_json())["path"] == str(built.path)


def test_the_same_build_again_says_that_nothing_was_done(built, drawn):
    again = mf.build(drawn.sources, drawn.images, built.path, mf.Original())
    assert again.unchanged
    assert (again.built, again.decoded, again.kept) == (0, 0, built.shards)
    assert "unchanged" in str(again)


def test_every_rejected_row_can_be_fed_back(built, drawn):
    given = {(path.name, line): text for path in drawn.sources for line, text in enumerate(path.read_text("utf-8").splitlines(), 1)}
    rejected = list(built.rejected_rows())
    assert {(row["source"], row["line"], *row["codes"]) for row in rejected} == {(f.source, f.line, f.code) for f in drawn.faults}
    assert all(row["text"] == given[row["source"], row["line"]] for row in rejected)


def test_losses_are_allowed_by_code_and_by_names_of_pictures(built, drawn):
    codes = [fault.code for fault in drawn.faults]
    assert built.unallowed() == built.rejects
    assert built.unallowed(codes) == {}
    assert built.unallowed([code for code in codes if code != "cot.final"]) == {"cot.final": 1}
    rest = [code for code in codes if code != "images.missing"]
    assert built.unallowed([*rest, "images.missing:not published/*"]) == {}
    assert built.unallowed([*rest, "images.missing:published/*"]) == {"images.missing": 1}
    assert built.unallowed([*rest, "images.missing:nothing/*", "images.missing:not*.???"]) == {}


@pytest.mark.parametrize(
    ("row", "allow", "left"),
    [
        ({"codes": ["images.missing"], "text": '{"images": ["a/x", "b/y"]}'}, ["images.missing:a/*"], ["images.missing"]),
        ({"codes": ["images.missing"], "text": '{"images": ["a/x", "a/y"]}'}, ["images.missing:a/*"], []),
        ({"codes": ["images.missing", "cot.final"], "text": '{"images": ["a/x"]}'}, ["images.missing:a/*"], ["cot.final"]),
        ({"codes": ["images.missing"], "text": '{"images": [], "n": ' + "9" * 5000 + "}"}, ["images.missing:*"], ["images.missing"]),
        ({"codes": ["row.wrong_type"], "text": '{"images": "a/x"}'}, ["row.wrong_type:a/*"], []),
        ({"codes": ["json.syntax"], "text": '{"images": ["a'}, ["json.syntax:*"], ["json.syntax"]),
        ({"codes": ["json.syntax"], "text": '{"images": ["a'}, ["json.syntax"], []),
        ({"codes": ["json.utf8"], "base64": "/w=="}, ["json.utf8:*"], ["json.utf8"]),
        ({"codes": ["line.too_long"], "length": 99}, ["line.too_long"], []),
    ],
    ids=range(9),
)
def test_a_pattern_lets_nothing_else_go(row, allow, left):
    assert Allowance.parse(allow).unallowed(row) == left


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("images.mising", "there is no code 'images.mising'; did you mean images.missing"),
        ("zzz", "check --list"),
        ("images.resolved", "is a warning"),
        ("images.missing:", "expected a pattern"),
    ],
)
def test_a_wrong_allowance_is_told(entry, says):
    with pytest.raises(ValueError, match=says):
        Allowance.parse([entry])


def test_verify_names_what_is_damaged(built, tmp_path):
    whole = mf.verify(built.path)
    assert whole.ok
    assert (whole.rows, whole.pictures, whole.shards) == (built.rows, built.pictures, built.shards)
    assert str(whole).startswith("whole: 1 shard, 73 rows, 12 pictures")
    copy = Path(shutil.copytree(built.path, tmp_path / "copy"))
    (copy / "stray").write_text("?")
    path = next(copy.rglob("rows.arrow"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = mf.verify(copy)
    assert not damaged.ok
    assert {Path(problem["path"]).name for problem in damaged.problems} == {"stray", "rows.arrow"}
    assert "damaged: 2 problems" in str(damaged)
    assert json.loads(damaged.to_json())["ok"] is False


def test_engines_refuse_what_they_cannot_do(drawn, tmp_path):
    with pytest.raises(ValueError, match="engine: expected"):
        mf.build(drawn.sources, drawn.images, tmp_path / "s", mf.Original(), engine=cast("Any", "fast"))
    with pytest.raises(ValueError, match="--update"):
        mf.build(drawn.sources, drawn.images, tmp_path / "s", mf.Original(), engine="reference", update=True)
    with pytest.raises(ValueError, match="threads: expected at least 1"):
        mf.build(drawn.sources, drawn.images, tmp_path / "s", mf.Original(), threads=0)
    with pytest.raises(TypeError, match="Counters"):
        mf.build(drawn.sources, drawn.images, tmp_path / "s", mf.Original(), engine="reference", progress=mf.Progress())
    assert not (tmp_path / "s").exists()


# the pieces that tables are made of


def test_sizes_are_summed_up_by_area():
    text = check_table._sizes_text({"512x512": 5, "240x240": 2, "1920x1080": 1})
    assert text == "240x240 to 1920x1080 (width x height), median 512x512; most: 512x512 5, 240x240 2, 1920x1080 1"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (3 * 2**30, "3.0 GiB"), (2**50, "1,024.0 TiB")]
)
def test_bytes_for_people(count, text):
    assert looks.bytes_text(count) == text


@pytest.mark.timeout(20)
def test_rejects_that_became_a_pipe_are_refused_at_once(drawn, tmp_path):
    built = mf.build(drawn.sources, drawn.images, tmp_path / "out", mf.Original())
    built.rejects_path.unlink()
    os.mkfifo(built.rejects_path)
    with pytest.raises(OSError, match="found a pipe"):
        next(built.rejected_rows())
