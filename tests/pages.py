"""The README and the documents, and the code in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAINERS = ROOT / "docs" / "trainers.md"
"""Needs PyTorch and the trainers: `tests/torch/test_pages.py` runs it, one snippet behind the other."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path, kind: str) -> list[tuple[int, str]]:
    """The snippets of one language, each with its place among all of the page."""
    found = _FENCE.findall(page.read_text("utf-8"))
    return [(i, text) for i, (language, text) in enumerate(found) if language == kind]
