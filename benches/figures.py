"""Draws ``docs/loading.svg`` and ``docs/memory.svg`` from what `benches.loading --json` and `benches.steady` have found.

``python -m benches.figures [.benchmarks/loading.json] [.benchmarks/steady.json]``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from benches.corpus import FOLDER
from benches.loading import BATCH, IMAGE
from benches.steady import FOUND

DOCS: Final = FOLDER.parent / "docs"
WIDTH: Final = 760
STYLE: Final = """<style>
.t{font-size:15px;font-weight:600;fill:#16324d} .l{font-size:13px;fill:#16324d} .s{font-size:12px;fill:#3d5266}
.ours{fill:#2f7d4f} .theirs{fill:#9aa9b8} .bound{fill:none;stroke:#4a6785;stroke-width:1.5;stroke-dasharray:4 3}
.g{stroke:#c9d4de;stroke-width:1} .one{fill:none;stroke:#2f7d4f;stroke-width:2} .two{fill:none;stroke:#4a6785;stroke-width:2}
@media (prefers-color-scheme: dark){.t,.l{fill:#e6eef5} .s{fill:#b4c4d2} .ours{fill:#63b384} .theirs{fill:#5d6f80} .bound{stroke:#8ba3b8}
.g{stroke:#33424f} .one{stroke:#63b384} .two{stroke:#7f9bb5}}
</style>"""
BYTES_A_ROW: Final = IMAGE.height * IMAGE.width * 3


def bars(lines: Sequence[dict[str, Any]], torch: str) -> str:
    """Rows a second of everything that hands out u8 batches, beside a copy of the same bytes."""
    by_name = {line["what"]: line for line in lines}
    one, two = by_name["u8 NHWC from shards, 1 thread"], by_name["u8 NHWC from shards, 2 threads"]
    raw, memory = by_name["JSONL, 2 threads"], by_name["JSONL, pictures in memory, 2 threads"]
    rows = [
        ("DataLoader, 2 workers, Pillow", raw["theirs"], "theirs"),
        ("JSONL, 2 threads", raw["ours"], "ours"),
        ("JSONL with memory_bytes, 2 threads", memory["ours"], "ours"),
        ("shards, 1 thread", one["ours"] * 1e9 / BYTES_A_ROW, "ours"),
        ("shards, 2 threads", two["ours"] * 1e9 / BYTES_A_ROW, "ours"),
        ("memcpy, 1 thread", one["theirs"] * 1e9 / BYTES_A_ROW, "bound"),
        ("memcpy, 2 threads", two["theirs"] * 1e9 / BYTES_A_ROW, "bound"),
    ]
    rows = [row for row in rows if row[1]]
    left, right, top, each = 270, WIDTH - 70, 80, 30
    most = 1.1 * max(rate for _, rate, _ in rows)
    height = top + each * len(rows) + 46
    across = lambda rate: left + (right - left) * rate / most  # noqa: E731
    parts = [_text(12, 26, "t", f"Rows a second, batches of {BATCH}, {IMAGE.height} px, uint8, on 2 CPUs")]
    what = f"green: mmno_fast; beside it {torch or 'nothing'}, and NumPy's copies of the same batches"
    parts.append(_text(12, 44, "s", what))
    parts.append(
        _text(12, 60, "s", "files in the system's cache; seven rows share a picture; nine of ten are gray: stored, and read, as a third")
    )
    step = _round_step(most)
    bottom = top + each * len(rows) + 6
    for rate in range(0, int(most), step):
        parts.append(f'<path class="g" d="M{across(rate):.1f} {top - 6} V{bottom}"/>')
        parts.append(_text(across(rate), bottom + 18, "s", f"{rate:,}", "middle"))
    for number, (name, rate, kind) in enumerate(rows):
        y = top + each * number
        parts.append(_text(left - 10, y + 16, "l", name, "end"))
        parts.append(f'<rect class="{kind}" x="{left}" y="{y + 2}" width="{max(across(rate) - left, 1):.1f}" height="20" rx="2"/>')
        parts.append(_text(across(rate) + 6, y + 16, "l", f"{rate:,.0f}"))
    return _svg(height, "Rows a second of a DataLoader with Pillow, of mmno_fast, and of memcpy", parts)


def curves(found: dict[str, list[dict[str, int]]]) -> str:
    """Anonymous memory after each epoch."""
    left, right, top, bottom = 60, WIDTH - 200, 62, 262
    mib = {case: [each["anonymous"] / 2**20 for each in sizes] for case, sizes in found.items()}
    epochs = max(map(len, mib.values())) - 1
    most = 1.15 * max(max(sizes) for sizes in mib.values())
    step = _round_step(most)
    parts = [_text(12, 26, "t", f"Memory of the process over {epochs} epochs [MiB]")]
    parts.append(_text(12, 44, "s", "anonymous RSS: Python, slots, the pictures that memory_bytes keeps; mapped shards are the system's"))
    down = lambda size: bottom - (bottom - top) * size / most  # noqa: E731
    for size in range(0, int(most), step):
        parts.append(f'<path class="g" d="M{left} {down(size):.1f} H{right}"/>')
        parts.append(_text(left - 8, down(size) + 4, "s", f"{size:,}", "end"))
    ticks = range(0, epochs + 1, 10)
    parts += [_text(left + (right - left) * epoch / epochs, bottom + 20, "s", f"{epoch}", "middle") for epoch in ticks]
    parts.append(_text((left + right) / 2, bottom + 38, "s", "epochs", "middle"))
    for (case, sizes), kind in zip(mib.items(), ("one", "two"), strict=True):
        points = " ".join(f"{left + (right - left) * at / epochs:.1f},{down(size):.1f}" for at, size in enumerate(sizes))
        parts.append(f'<polyline class="{kind}" points="{points}"/>')
        parts.append(_text(right + 8, down(sizes[-1]) + 4, "l", case))
    return _svg(bottom + 52, "Memory of the process stays flat over the epochs", parts)


def _round_step(most: float) -> int:
    """About five lines, at round numbers: 1, 2 or 5, and zeros."""
    steps = (digit * 10**zeros for zeros in range(12) for digit in (1, 2, 5))
    return next(step for step in steps if step * 6 >= most)


def _text(x: float, y: float, kind: str, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif" role="img"'
    return "\n".join([f'{head} aria-label="{escape(label)}">', STYLE, *parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loading", type=Path, nargs="?", default=FOLDER / "loading.json")
    parser.add_argument("steady", type=Path, nargs="?", default=FOUND)
    arguments = parser.parse_args()
    if arguments.loading.exists():
        found = json.loads(arguments.loading.read_text(encoding="utf-8"))
        (DOCS / "loading.svg").write_text(bars(found["lines"], found["beside"]), encoding="utf-8")
    if arguments.steady.exists():
        (DOCS / "memory.svg").write_text(curves(json.loads(arguments.steady.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
