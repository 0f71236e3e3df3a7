"""The most memory that a build takes: of many rows about tiny pictures, in a process of its own."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import mmno_fast as mf
from PIL import Image


def peaks(folder: Path, rows: int, pictures: int) -> tuple[int, int]:
    """Peak memory [bytes] of a build of `rows`, and of one of twice as many about the same pictures."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        _draw_pictures(place / "images", pictures)
        sources = [_write_rows(place / f"{part}.jsonl", part * rows, rows, pictures) for part in range(2)]
        return _peak(place, sources[:1]), _peak(place, sources)


def _draw_pictures(folder: Path, count: int) -> None:
    """One picture with another comment each time: files of their own, drawn in no time."""
    folder.mkdir()
    file = io.BytesIO()
    Image.radial_gradient("L").resize((16, 16)).save(file, "JPEG")
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(start + b"\xff\xfe\x00\x06" + number.to_bytes(4) + rest)


def _write_rows(path: Path, first: int, count: int, pictures: int) -> Path:
    """Rows of the length that real ones have, about 800 bytes."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + count):
            turns = [("user", f"<image>Question {number}: what does the slice show?"), ("assistant", f"Finding {number}. " * 38)]
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages, "images": [f"{number % pictures}.jpg"]}) + "\n")
    return path


def _peak(place: Path, sources: list[Path]) -> int:
    with tempfile.TemporaryDirectory(dir=place) as out:
        command = [sys.executable, "-m", "benches.memory", str(place / "images"), out, *map(str, sources)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _own_peak() -> int:
    """Linux hands a parent's peak on to its children in `getrusage`, but not in `/proc`."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    images, out, *sources = sys.argv[1:]
    report = mf.build(sources, images, out, mf.Resize(224, fit="stretch"))
    if report.rejected:
        sys.exit(f"{report.rejected} rows were rejected")
    sys.stdout.write(f"{_own_peak()}\n")
