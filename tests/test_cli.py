"""``mmno-fast``: exit codes, output for people and for programs, errors without tracebacks."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import mmno_fast as mf
import pytest
from mmno_fast import _core
from mmno_fast.cli import app
from mmno_fast.cli.options import parse_bytes, parse_size
from mmno_fast.demo import Drawn, draw
from mmno_fast.jobs import build as job
from typer.testing import CliRunner, Result

COMMANDS = ("check", "build", "verify", "info", "demo")
SIZE = ("--size", "32", "--fit", "stretch")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Drawn:
    return draw(tmp_path_factory.mktemp("faulty"), pictures=6)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Drawn:
    return draw(tmp_path_factory.mktemp("clean"), pictures=4, faults=False)


@pytest.fixture(scope="module")
def shards(faulty, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("shards") / "shards"
    assert mmno("build", *data(faulty), "--out", out, *SIZE, "--allow-rejects").exit_code == 0
    return out


def mmno(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).invoke(app, [str(each) for each in arguments])


def data(drawn: Drawn) -> list[object]:
    return [*drawn.sources, "--images", drawn.images]


def script(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from mmno_fast.cli import main; main()", *map(str, arguments)]


def told(result: Result) -> list[str]:
    """The lines on stderr that are no progress."""
    return [
        line for line in result.stderr.splitlines() if line.startswith(("error: ", "see: ", "rejected: ", "they ", "interrupted", "this "))
    ]


# help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    result = mmno(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"mmno-fast {command}" in result.stdout


def test_examples_name_options_that_exist():
    for command in COMMANDS:
        text = mmno(command, "--help").stdout
        examples = " ".join(line for line in text.splitlines() if line.strip().startswith("mmno-fast "))
        for option in re.findall(r"--[a-z-]+", examples):
            assert re.search(rf"│[ *]*(--[a-z-]+[ /,])?.*{option}\b", text), (command, option)


def test_alone_it_shows_the_commands_as_wrong_use():
    result = mmno()
    assert result.exit_code == 2
    for command in COMMANDS:
        assert command in result.output


def test_the_version_is_told():
    result = mmno("--version")
    assert (result.exit_code, result.stdout) == (0, f"mmno-fast {_core.__version__}\n")


def test_shells_can_complete_codes():
    from mmno_fast.cli.options import complete_codes

    assert complete_codes("images.m") == ["images.missing"]
    assert "images.resolved" not in complete_codes("")
    # The shell is the one that calls: with `true` behind it, bash stays and does not become the command.
    called = ["bash", "-c", f"{shlex.join(script('--show-completion'))}; true"]
    shown = subprocess.run(called, capture_output=True, text=True, check=False)
    assert "_MMNO_FAST_COMPLETE" in shown.stdout


# check


def test_check_of_clean_data_ends_with_0(clean):
    result = mmno("check", *data(clean))
    assert result.exit_code == 0, result.output
    assert "clean: no errors" in result.stdout


def test_check_of_faulty_data_ends_with_1_and_says_where(faulty):
    result = mmno("check", *data(faulty))
    assert result.exit_code == 1
    for fault in faulty.faults:
        assert fault.code in result.stdout
        assert f"{fault.source}:{fault.line} byte " in result.stdout
    assert "not clean: 11 errors" in result.stdout


def test_warnings_count_when_strict(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text('{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "weight": 1}\n')
    assert mmno("check", source).exit_code == 0
    strict = mmno("check", source, "--strict")
    assert strict.exit_code == 1
    assert "row.unknown_field" in strict.stdout


def test_check_without_images_says_so(clean):
    result = mmno("check", *clean.sources)
    assert result.exit_code == 0
    assert "pictures were not checked" in result.stdout


def test_check_need_not_decode(faulty):
    result = mmno("check", *data(faulty), "--no-decode")
    assert "picture.truncated" not in result.stdout
    assert "pictures were not decoded" in result.stdout
    assert result.exit_code == 1


def test_check_writes_for_programs(faulty, tmp_path):
    findings = tmp_path / "findings.jsonl"
    result = mmno("check", *data(faulty), "--json", "-", "--findings", findings)
    summary = json.loads(result.stdout)
    assert summary["errors"] == 11
    lines = [json.loads(line) for line in findings.read_text().splitlines()]
    assert len(lines) == summary["errors"] + summary["warnings"]
    again = mmno("check", *data(faulty), "--json", tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == summary
    assert "not clean" in again.stdout


def test_the_list_holds_the_whole_catalogue():
    result = mmno("check", "--list")
    assert result.exit_code == 0
    assert all(entry["code"] in result.stdout for entry in _core.catalogue())


def test_placeholders_and_prefixes_are_passed_on(tmp_path, clean):
    row = {"images": ["/data/x.png"], "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(row) + "\n")
    assert {"images.absolute", "placeholder.count"} <= set(re.findall(r"[a-z]+\.[a-z_]+", mmno("check", source).stdout))
    lenient = mmno("check", source, "--placeholders", "optional", "--strip-prefix", "/data/")
    assert lenient.exit_code == 0, lenient.output
    long = mmno("check", source, "--max-line-bytes", "0.01KiB")
    assert "line.too_long" in long.stdout


# build


def test_build_rejects_end_with_3_and_the_data_set_stands(faulty, tmp_path):
    out = tmp_path / "shards"
    result = mmno("build", *data(faulty), "--out", out, *SIZE)
    assert result.exit_code == 3
    first, second = told(result)
    assert first.startswith("rejected: 11 rows, not allowed: json.syntax 1, ")
    assert str(out / "rejects.jsonl") in second
    assert "--allow CODE[:GLOB]" in second
    assert len(mf.open(out)) == faulty.rows - 11


def test_build_losses_that_are_allowed_end_with_0(faulty, tmp_path):
    codes = sorted({fault.code for fault in faulty.faults})
    some = [part for code in codes if code != "images.missing" for part in ("--allow", code)]
    build = ("build", *data(faulty), "--out", tmp_path / "shards", *SIZE, *some)
    refused = mmno(*build, "--allow", "images.missing:other/*")
    assert refused.exit_code == 3
    assert told(refused)[0] == "rejected: 11 rows, not allowed: images.missing 1"
    assert mmno(*build, "--allow", "images.missing:not published/*").exit_code == 0


def test_build_again_does_nothing_and_another_plan_is_refused(shards, faulty):
    build = ("build", *data(faulty), "--out", shards, "--allow-rejects")
    again = mmno(*build, *SIZE)
    assert again.exit_code == 0
    assert "unchanged" in again.stdout
    other = mmno(*build, "--size", "48", "--fit", "pad")
    assert other.exit_code in {1, 2}
    assert "--update" in told(other)[0]


def test_build_says_what_it_made(clean, tmp_path):
    build = ("build", *data(clean), "--out", tmp_path / "shards", "--size", "24x48", "--fit", "crop", "--filter", "lanczos")
    result = mmno(*build, "--color", "rgb", "--exif", "--shard-bytes", "4KiB", "--threads", "1", "--json", "-")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["rows"], report["rejected"], report["shards"], report["decoded"]) == (28, 0, 4, 4)
    assert mf.open(tmp_path / "shards").spec == mf.Resize((24, 48), fit="crop", filter="lanczos", color="rgb", exif=True)


def test_build_keeps_sizes_with_original(clean, tmp_path):
    assert mmno("build", *data(clean), "--out", tmp_path / "shards", "--original", "--sixteen-bit", "scale").exit_code == 0
    assert mf.open(tmp_path / "shards").spec == mf.Original(sixteen_bit="scale")


def test_build_by_the_reference_engine(clean, tmp_path):
    mmno("build", *data(clean), "--out", tmp_path / "core", *SIZE)
    result = mmno("build", *data(clean), "--out", tmp_path / "reference", *SIZE, "--engine", "reference")
    assert result.exit_code == 0, result.output
    left, right = (sorted(path.read_bytes() for path in (tmp_path / side).rglob("*.npy")) for side in ("core", "reference"))
    assert left == right
    assert "decoded now" in result.stdout


def test_updates_are_passed_on(clean, faulty, tmp_path):
    build = ("build", "--out", tmp_path / "shards", *SIZE, "--images", clean.images)
    assert mmno(*build, clean.sources[0]).exit_code == 0
    updated = mmno(*build, *clean.sources, "--update", "--json", "-")
    assert updated.exit_code == 0, updated.output
    assert json.loads(updated.stdout)["decoded"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "say one of --size 448 --fit stretch|pad|crop, --profile NAME, --original, --encoded"),
        (["--size", "448"], "--size needs --fit"),
        (["--original", *SIZE], "say one of"),
        (["--original", "--fit", "pad"], "with --original and --encoded nothing is resized"),
        (["--size", "4x4x4", "--fit", "pad"], "--size: expected a number of pixels"),
        (["--size", "0", "--fit", "pad"], "1 to 65,535 pixels a side"),
        (["--size", "448", "--fit", "squash"], "'--fit': 'squash' is not one of"),
        ([*SIZE, "--allow", "images.mising"], "did you mean images.missing?"),
        ([*SIZE, "--shard-bytes", "1MoB"], "expected a number of bytes"),
        ([*SIZE, "--threads", "0"], "'--threads': expected a number greater than or equal to 1"),
        ([*SIZE, "--threads", "two"], "'--threads': expected a valid integer"),
        ([*SIZE, "--json", "nowhere/report.json"], "nowhere: no such folder"),
        ([*SIZE, "--nonsense"], "--nonsense"),
        ([*SIZE, "--engine", "reference", "--update"], "from scratch only"),
    ],
    ids=range(14),
)
def test_build_used_wrongly_ends_with_2_before_anything_happens(clean, tmp_path, options, says):
    result = mmno("build", *data(clean), "--out", tmp_path / "shards", *options)
    assert result.exit_code == 2
    lines = told(result)
    assert says in lines[0]
    assert len(lines) <= 2
    assert not (tmp_path / "shards").exists()


# errors


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["check"], 2, "no sources: name at least one"),
        (["check", "nothing.jsonl"], 2, "nothing.jsonl: no such source"),
        (["build", "nothing.jsonl", "--images", ".", "--out", "s", *SIZE], 2, "nothing.jsonl: no such source"),
        (["verify", "nothing"], 2, "nothing"),
        (["info", "nothing"], 2, "no such data set"),
        (["info", "."], 1, "not a data set"),
        (["verify", "."], 1, ""),
        (["info"], 2, "name a folder of shards, or say --build"),
        (["chek"], 2, "did you mean 'check'"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else None,
)
def test_errors_are_a_line_or_two(tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    result = mmno(*arguments)
    assert result.exit_code == code, result.output
    assert says.lower() in result.output.lower()
    assert len(told(result)) <= 2
    assert "Traceback" not in result.output


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    result = mmno("check", tmp_path / "pipe")
    assert result.exit_code == 2
    assert "expected a JSONL file" in told(result)[0]


def test_one_json_array_is_a_finding_for_check_and_wrong_use_for_build(tmp_path, clean):
    source = tmp_path / "array.jsonl"
    rows = clean.sources[0].read_text("utf-8").splitlines()
    source.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    checked = mmno("check", source)
    assert checked.exit_code == 1
    assert "source.not_lines" in checked.stdout
    assert "jq -c" in checked.stdout
    built = mmno("build", source, "--images", clean.images, "--out", tmp_path / "s", *SIZE)
    assert built.exit_code == 2
    assert "array.jsonl" in told(built)[0]


def test_a_bug_of_ours_is_called_one(clean, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(job, "build", broken)
    build = ("build", *data(clean), "--out", tmp_path / "s", *SIZE)
    result = mmno(*build)
    assert result.exit_code == 70
    assert told(result) == [
        "error: KeyError: 'oops'",
        "this is a bug in mmno_fast: please report it with what `mmno-fast --traceback …` prints",
    ]
    traced = mmno("--traceback", *build)
    assert traced.exit_code == 1
    assert "Traceback (most recent call last)" in traced.stderr
    assert traced.stderr.endswith("KeyError: 'oops'\n")


def test_an_internal_fault_has_an_exit_code_of_its_own(clean, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise mf.InternalError("internal fault: x. This is a bug in mmno_fast: please report it")

    monkeypatch.setattr(job, "build", broken)
    result = mmno("build", *data(clean), "--out", tmp_path / "s", *SIZE)
    assert result.exit_code == 70
    assert told(result) == ["error: internal fault: x. This is a bug in mmno_fast: please report it"]
    assert issubclass(mf.InternalError, mf.MmnoError)
    assert not issubclass(mf.InternalError, ValueError)


def test_an_interrupt_says_that_the_same_command_goes_on(clean, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "build", interrupted)
    result = mmno("build", *data(clean), "--out", tmp_path / "s", *SIZE)
    assert result.exit_code == 130
    assert told(result) == ["error: interrupted: the same command goes on where it stopped"]


def test_ctrl_c_stops_a_build_at_once_and_the_same_command_finishes_it(faulty, tmp_path):
    out = tmp_path / "shards"
    build = [*data(faulty), "--out", out, "--size", "6000", "--fit", "stretch", "--filter", "lanczos", "--color", "rgb"]
    command = script("build", *build, "--threads", 1, "--shard-bytes", 1, "--allow-rejects")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "build" not in process.stderr.readline():
            pass
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert time.monotonic() - began < 5
    assert "the same command goes on where it stopped" in errors
    assert not (out / "manifest.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert mf.verify(out).ok


def test_a_reader_that_goes_away_is_no_error_to_tell():
    command = f"{' '.join(map(repr, script('check', '--list')))} | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stderr == ""


# verify, info, demo


def test_verify_ends_with_0_or_1(shards, tmp_path):
    assert mmno("verify", shards).exit_code == 0
    import shutil

    copy = Path(shutil.copytree(shards, tmp_path / "copy"))
    (copy / "rejects.jsonl").write_text("")
    result = mmno("verify", copy)
    assert result.exit_code == 1
    assert "rejects.jsonl" in result.stdout
    assert json.loads(mmno("verify", copy, "--json", "-").stdout)["ok"] is False


def test_info_tells_what_is_inside_from_the_manifest_alone(shards, tmp_path, faulty):
    text = mmno("info", shards).stdout
    manifest = json.loads((shards / "manifest.json").read_text())
    for part in ("32x32 stretch", "31 accepted, 11 rejected", "6 distinct", "train_cot.jsonl", manifest["manifest_blake3"]):
        assert part in text


def test_info_tells_how_it_was_built():
    result = mmno("info", "--build")
    assert result.exit_code == 0
    assert _core.build_info()["version"] in result.stdout
    assert "simd" in result.stdout


def test_the_demo_runs_and_says_what_to_type_next(tmp_path):
    out = tmp_path / "demo"
    result = mmno("demo", "--pictures", 6, "--out", out)
    assert result.exit_code == 0, result.output
    assert "11 faults were put in, 11 of them found; 0 found that were not put in" in result.stdout
    assert "the same pixels, byte for byte" in result.stdout
    assert [line for line in result.stdout.splitlines() if line != line.rstrip()] == []
    assert "build, reference" in result.stdout
    commands = [line.strip() for line in result.stdout.splitlines() if line.strip().startswith("mmno-fast ")]
    assert [command.split()[1] for command in commands] == ["info", "check"]
    for command, code in zip(commands, (0, 1), strict=True):
        assert mmno(*command.split()[1:]).exit_code == code
    assert mf.verify(out / "shards").ok
    assert mmno("demo", "--pictures", 4, "--out", out).exit_code == 0


def test_the_demo_leaves_other_folders_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    result = mmno("demo", "--pictures", 4, "--out", tmp_path)
    assert result.exit_code == 2
    assert "found other files" in told(result)[0]
    assert (tmp_path / "thesis.txt").read_text() == "mine"


# pieces


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("4096", 4096), ("1kB", 1000), ("256MiB", 2**28), ("1.5 GB", 1_500_000_000), ("2gib", 2**31), ("7b", 7)]
)
def test_bytes_with_units(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize(("text", "size"), [("448", (448, 448)), ("448x336", (448, 336)), (" 1X2 ", (1, 2))])
def test_sizes(text, size):
    assert parse_size(text) == size


def test_a_pipe_gets_no_colours_and_no_bars(faulty, tmp_path):
    command = script("build", *data(faulty), "--out", tmp_path / "s", *SIZE, "--allow-rejects")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert all(line.endswith(" …") for line in result.stderr.splitlines())  # as far as there was time for any
    assert "\x1b" not in result.stderr + result.stdout
