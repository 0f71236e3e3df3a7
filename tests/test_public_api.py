"""The list of the public interface notices what would break a user's program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.public_api import LIST, ROOT, public


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pictures: int = 300", "pictures: int"),  # a default is gone
        ("def draw(", "def draw_all("),  # a name is gone
    ],
)
def test_a_change_of_a_signature_is_seen(tmp_path: Path, old, new):
    copy = tmp_path / "mmno_fast"
    shutil.copytree(ROOT / "python" / "mmno_fast", copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    changed = next(path for path in copy.rglob("*.py") if "def draw(" in path.read_text("utf-8"))
    text = changed.read_text("utf-8")
    assert old in text
    changed.write_text(text.replace(old, new), "utf-8")
    before = set(LIST.read_text("utf-8").splitlines())
    gone = before - set(public(tmp_path))
    assert any(line.startswith("def mmno_fast.demo.draw(") for line in gone)
