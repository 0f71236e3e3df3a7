"""Every requirement stands once, in pyproject.toml; so it cannot differ between two environments by mistake."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Pixels are compared with two versions of it.
TWICE = {"Pillow": 2}


def test_every_version_stands_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lists = [project["build-system"]["requires"], project["project"]["dependencies"]]
    lists += [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    required = [requirement for every in lists for requirement in every if isinstance(requirement, str)]
    named = Counter(re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in required)
    assert {name: count for name, count in named.items() if count > 1} == TWICE
    for path in ("Makefile", ".ci/run", ".pre-commit-config.yaml"):
        text = (ROOT / path).read_text("utf-8")
        versions = re.findall(r"[A-Za-z][\w.-]*(?:==|>=|~=)\d[\w.*]*", text)
        assert [version for version in versions if not version.startswith("pip>=")] == [], path


def test_what_a_c_file_says_is_built_anew():
    """The extension is older than a source of any language: `make` builds it."""
    rule = re.search(r"^CORE := .*", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert rule
    suffixes = {path.suffix for path in (ROOT / "src").rglob("*") if path.is_file()}
    assert suffixes <= {suffix for suffix in (".rs", ".c", ".h") if f"'*{suffix}'" in rule[0]}
