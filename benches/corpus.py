"""The data set that is measured: made from the given data, or where they are missing drawn as ``mmno-fast demo`` draws it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3
from mmno_fast.demo import draw

FOLDER: Final = Path(__file__).resolve().parents[1] / ".benchmarks"
"""Where data sets, and results, are kept."""


@dataclass(frozen=True)
class Corpus:
    """A data set without faults."""

    command: str
    """What makes it."""
    sources: list[Path]
    images: Path

    def files(self) -> dict[bytes, Path]:
        """Its pictures, by the BLAKE3 of their bytes."""
        return {blake3(path.read_bytes()).digest(): path for path in self.images.rglob("*") if path.is_file()}


def corpus(pictures: int) -> Corpus:
    """The data set of so many pictures; made once, and then kept."""
    tool = Path(os.environ.get("MMNO_TEST_DATA", FOLDER.parents[1] / "shared")) / "tools" / "make_corpus.py"
    given = tool.is_file()
    out = FOLDER / f"{'corpus' if given else 'drawn'}-{pictures}"
    arguments = ["--images", str(pictures), "--upscale", "512"]
    if not out.exists():
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            fresh = Path(folder) / "fresh"
            if given:
                subprocess.run([sys.executable, str(tool), "--out", str(fresh), *arguments], check=True, stdout=subprocess.DEVNULL)
            else:
                draw(fresh, pictures, faults=False)
            fresh.rename(out)
    command = " ".join([tool.name, *arguments]) if given else f"draw({pictures}, faults=False)"
    return Corpus(command, sorted(out.rglob("*.jsonl")), out / "images")
