"""``docs/reliability.md``: what was tried, how often, and what came of it. ``python -m tests.reliability`` writes it.

A harness that runs with ``MMNO_TRIED=docs/tried.jsonl`` in its environment adds a line to that file for each thing that it has tried. Lines
of the same command are added up, so that counts and hours accumulate.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TRIED: Final = ROOT / "docs" / "tried.jsonl"
PAGE: Final = ROOT / "docs" / "reliability.md"
HEAD: Final = """\
# Reliability: what was tried

This page is written by `python -m tests.reliability` from `docs/tried.jsonl`, to which each run of a harness adds what it
has tried. The command repeats a line, with the same seed. What we do not defend against stands in
[threat-model.md](threat-model.md).

A *state* is what a power cut may leave: of what was not yet synced, anything may be lost, in any order. The same command,
run again, must end with the bytes of a build that nothing disturbed. No state may open and show other rows.

"""


def add(what: str, tried: int, outcomes: Mapping[str, int], faults: Mapping[str, int], seconds: float) -> None:
    """Add what a harness has tried, if the environment says where."""
    if place := os.environ.get("MMNO_TRIED"):
        module = Path(sys.argv[0]).resolve().relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__main__")
        command = " ".join(["python -m", module, *sys.argv[1:]])
        line = {"what": what, "command": command, "tried": tried, "outcomes": outcomes, "faults": faults, "seconds": round(seconds, 1)}
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@dataclass
class Line:
    """What one command has tried of one thing, all its runs together."""

    tried: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def page(text: str) -> str:
    """The page of a `tried.jsonl`.

    >>> line = {"what": "cuts", "command": "python -m x", "tried": 2, "outcomes": {"found": 2}, "faults": {}, "seconds": 90.0}
    >>> print(page(json.dumps(line)).splitlines()[-1])
    | cuts | 2 | found 2 | 0 | 2 min | `python -m x` |
    """
    lines: dict[tuple[str, str], Line] = {}
    for known in map(json.loads, text.splitlines()):
        line = lines.setdefault((known["what"], known["command"]), Line())
        line.tried += known["tried"]
        line.seconds += known["seconds"]
        line.outcomes.update(known["outcomes"])
        line.faults.update(known["faults"])
    rows = ["| what was tried | times | what came of it | faults | time | command |", "|---|---:|---|---:|---:|---|"]
    for (what, command), line in lines.items():
        came = "; ".join(f"{words} {count:,}" for words, count in line.outcomes.most_common())
        faults = "; ".join(f"{words} {count:,}" for words, count in line.faults.most_common()) or "0"
        rows.append(f"| {what} | {line.tried:,} | {came} | {faults} | {max(1, round(line.seconds / 60))} min | `{command}` |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(TRIED.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
