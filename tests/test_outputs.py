"""What is written never takes the place of what is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mmno_fast as mf
import pytest

from tests.building import bytes_of, chat, write_rows


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", [chat(), b"no JSON"])


def run(*words: object) -> tuple[int, str]:
    """Exit code and errors of the command line."""
    command = [sys.executable, "-c", "from mmno_fast.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("link", [None, "symlink", "hard link"])
@pytest.mark.parametrize("option", ["check --json", "check --findings", "check --all-findings", "build --json"])
def test_a_report_over_a_source_is_refused(rows: Path, tmp_path: Path, option: str, link: str | None) -> None:
    before, path = rows.read_bytes(), tmp_path / "other"
    if link == "symlink":
        path.symlink_to(rows)
    elif link == "hard link":
        path.hardlink_to(rows)
    else:
        path = rows
    command, flag = option.split()
    more = ["--images", tmp_path, "--out", tmp_path / "out", "--original"] if command == "build" else []
    code, said = run(command, f"own={rows}", *more, flag, path)
    assert (code, "is a source; name another file" in said) == (2, True), said
    assert rows.read_bytes() == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["manifest.json", "report.json"])
def test_a_report_in_the_data_set_is_refused(rows: Path, tmp_path: Path, name: str) -> None:
    out = mf.build(rows, tmp_path, tmp_path / "out", mf.Original()).path
    before = bytes_of(out)
    for words in (["verify", out], ["build", rows, "--images", tmp_path, "--out", out, "--original"]):
        code, said = run(*words, "--json", out / name)
        assert (code, "lies in the data set" in said) == (2, True), said
        assert bytes_of(out) == before


def test_the_findings_of_a_report_are_not_written_over_its_source(rows: Path) -> None:
    before = rows.read_bytes()
    with pytest.raises(ValueError, match="is a source"):
        mf.check(rows).write_jsonl(rows)
    with pytest.raises(ValueError, match="is a source"):
        mf.check(rows, all_findings=rows)
    assert rows.read_bytes() == before
