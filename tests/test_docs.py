"""Every snippet of the README and the documents runs, and what is generated is up to date."""

import re
import shlex

import pytest
from mmno_fast.cli import app
from mmno_fast.demo import draw
from mmno_fast.report.catalogue import page

from tests.pages import PAGES, ROOT, TRAINERS, fenced

# Exit codes that a page promises for the data drawn below, which have faults: `check` 1, `build` 3.
EXIT_CODES = {"check": {0, 1}, "build": {0, 3}}
TARGETS = re.compile(r"^make ([a-z-]+)", re.MULTILINE)


def snippets(kind):
    pages = [path for path in PAGES if path != TRAINERS]
    return [pytest.param(text, id=f"{path.stem}-{i}") for path in pages for i, text in fenced(path, kind)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    draw(tmp_path, pictures=8)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", snippets("python"))
def test_python_runs(text, folder):
    exec(compile(text, "snippet", "exec"), {"__name__": "snippet"})
    assert (folder / "shards" / "manifest.json").is_file() or "build" not in text


@pytest.mark.parametrize("text", snippets("console"))
def test_commands_run(text, folder):
    commands = [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ ")]
    assert commands
    for program, name, *arguments in commands:
        assert program == "mmno-fast"
        with pytest.raises(SystemExit) as ended:
            app([name, *arguments])
        assert ended.value.code in EXIT_CODES.get(name, {0}), (name, folder)


def test_there_is_something_to_run():
    assert [len(snippets(kind)) > 0 for kind in ("python", "console")] == [True, True]


def test_every_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {target for path in PAGES for target in TARGETS.findall(path.read_text("utf-8"))}
    assert named
    assert named <= targets


def test_the_page_of_findings_is_what_the_catalogue_says():
    assert (ROOT / "docs" / "findings.md").read_text("utf-8") == page()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_architecture_names_files_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = [name for name in re.findall(r"`([\w/]+(?:\.rs|\.py|/))`", text) if "/" in name]
    assert named
    for name in named:
        assert any((ROOT / base / name).exists() for base in ("", "src", "python/mmno_fast")), name


def test_every_example_is_named():
    named = re.findall(r"^\| `(examples/\w+\.py)` \|", TRAINERS.read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py"))
