"""Standard streams that are closed, full, or read by nobody any more; encodings that cannot write every character; Ctrl-C at once."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import mmno_fast as mf
import numpy as np
import pytest
from PIL import Image

from tests.building import about, encoded, noise, write_files, write_rows
from tests.interrupting import SOON

ODD = "é\u202e\udcff"
"""Part of the name of a folder: not UTF-8 at its end."""
JOBS = ("check", "check --json -", "build", "verify", "info", "demo", "--version", "--help", "build --help")
PROGRAM = [sys.executable, "-c", "from mmno_fast.cli import main; main()"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams") / ODD
    folder.mkdir()
    write_files(folder / "images", {"0.png": encoded(noise(0, 16, 16, 3))})
    write_rows(folder / "röws.jsonl", [about("0.png", **{"ünknown…": 1})])
    mf.build(folder / "röws.jsonl", folder / "images", folder / "shards", mf.Original())
    return folder


def words(job, made, tmp_path):
    name, *more = job.split()
    rows = [made / "röws.jsonl", "--images", made / "images"]
    places = {
        "check": rows,
        "build": [*rows, "--out", tmp_path / "out", "--original"],
        "verify": [made / "shards"],
        "info": [made / "shards"],
        "demo": ["--pictures", "4", "--out", tmp_path / "demo"],
    }
    return [*PROGRAM, name, *(map(str, places.get(name, []) if "--help" not in more else [])), *more]


def ran(job, made, tmp_path, redirection="", **environment):
    command = f"{shlex.join(words(job, made, tmp_path))} {redirection}"
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # users have buffers
    return subprocess.run(["bash", "-c", command], capture_output=True, env={**given, **environment}, timeout=120, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("job", JOBS)
def test_a_closed_stream_is_normal_life(made, tmp_path, job, closed):
    result = ran(job, made, tmp_path, closed)
    assert result.returncode == 0, result.stderr
    assert b"error" not in result.stderr
    assert bool(result.stdout) == (">&-" not in closed.replace("2>&-", ""))
    if job == "build":
        assert mf.verify(tmp_path / "out").ok


@pytest.mark.parametrize("job", JOBS)
def test_a_full_stdout_is_an_error_and_a_full_stderr_is_none(made, tmp_path, job):
    result = ran(job, made, tmp_path, ">/dev/full")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(b"error: ")
    assert result.stderr.endswith(b"no space left on device\n")
    if job != "demo":
        result = ran(job, made, tmp_path, "2>/dev/full")
        assert result.returncode == 0
        assert result.stdout


@pytest.mark.parametrize("job", JOBS)
def test_a_reader_that_went_away_is_told_nothing(made, tmp_path, job):
    result = ran(job, made, tmp_path, "| true; exit ${PIPESTATUS[0]}")
    assert result.returncode == 1
    assert b"error" not in result.stderr
    assert b"Traceback" not in result.stderr
    assert ran(job, made, tmp_path / "other", "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}").returncode == 0


def test_wrong_use_has_its_exit_code_with_no_stream_at_all(made, tmp_path):
    assert ran("check --nonsense", made, tmp_path, ">&- 2>&-").returncode == 2
    assert ran("verify", tmp_path / "none", tmp_path, "2>/dev/full").returncode == 2


ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("environment", ENCODINGS, ids=["ascii", "latin-1", "C"])
@pytest.mark.parametrize("job", JOBS)
def test_any_encoding_will_do(made, tmp_path, job, environment):
    result = ran(job, made, tmp_path, **environment)
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    if job == "check --json -":
        report = json.loads(result.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]))
        assert report["unknown_fields"][0]["key"].endswith("ünknown…")
        assert report["sources"][0]["name"] == "röws.jsonl"
    if job == "build":
        assert mf.open(tmp_path / "out").manifest["sources"][0]["name"] == "röws.jsonl"


@pytest.mark.parametrize("engine", ["core", "reference"])
def test_names_that_are_not_utf8_work_everywhere(made, tmp_path, monkeypatch, engine):
    """The current folder, sources, folders of pictures, the output; and in the folder of pictures a file that no row can name."""
    home = tmp_path / "b\udcff"
    home.mkdir()
    monkeypatch.chdir(home)
    write_files(home / "im\udcfe", {"0.png": encoded(noise(0, 16, 16, 3)), "q\udcfd.png": b""})
    write_rows(home / "r\udcfc.jsonl", [about("0.png"), about("none.png")])
    checked = mf.check("r\udcfc.jsonl", "im\udcfe")
    assert checked.summary["sources"][0]["name"] == "r\\xfc.jsonl"
    assert checked.summary["roots"][0]["used"] == "im\udcfe"
    report = mf.build("r\udcfc.jsonl", "im\udcfe", "o\udcfb", mf.Original(), engine=engine)
    assert (report.rows, report.rejected) == (1, 1)
    assert json.loads(report.to_json())["path"] == "o\udcfb"
    assert mf.verify("o\udcfb").ok
    assert mf.open("o\udcfb")[0]["images"][0].shape == (16, 16, 3)
    assert mf.open("r\udcfc.jsonl", "im\udcfe", image=mf.Original(), rejects=report.rejects_path)[0]["images"][0].shape == (16, 16, 3)
    checked.write_jsonl("f\udcfa")
    assert (home / "f\udcfa").stat().st_size


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A picture that takes a second or more."""
    folder = tmp_path_factory.mktemp("large")
    pixels = np.zeros((9000, 9000, 3), np.uint8)
    pixels[::2] = np.random.default_rng(0).integers(0, 256, (9000, 3), np.uint8)
    (folder / "images").mkdir()
    Image.fromarray(pixels).save(folder / "images" / "0.jpg", progressive=True, quality=90)
    write_rows(folder / "röws.jsonl", [about("0.jpg")])
    return folder


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("job", ["check", "build"])
def test_ctrl_c_ends_a_command_while_a_large_picture_is_decoded(large, tmp_path, job, threads):
    """The best of a few, as the machine has other work."""
    took = []
    for _ in range(5):
        command = [*words(job, large, tmp_path), "--threads", str(threads)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            stage = b"look at pictures" if job == "check" else b"build shards"
            while stage not in process.stderr.readline():
                assert process.poll() is None
            time.sleep(0.2)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            while b"interrupted" not in (line := process.stderr.readline()):
                assert line, "not interrupted"
            took.append(time.monotonic() - sent)
            assert b"Traceback" not in process.stderr.read()
            assert process.wait(60) == 130
            assert time.monotonic() - sent < 1, "it did not end"
        if took[-1] < SOON:
            return
    pytest.fail(f"{took}")
