"""Structural mutations of small data sets: none crashes, hangs, fills the memory, or gives other data behind a `verify` that passed.

2,000 of them; `make nightly` looks at 20,000 others. ``python -m tests.mutations --first SEED --count 1`` shows one again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*args: str, seconds: float) -> str:
    """The table of outcomes, where none of them is a fault."""
    command = [sys.executable, "-m", "tests.mutations", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_no_mutation_does_harm():
    said = run("--count", "2000", seconds=280)
    assert "2,000  mutants" in said


@pytest.mark.slow
def test_no_mutation_of_very_many_does_harm():
    said = run("--first", "2000", "--count", "20000", seconds=3600)
    assert "20,000  mutants" in said
