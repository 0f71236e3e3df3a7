"""What a training script does today: for every row of every epoch, parse it, then open, convert and resize its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class ChatDataset:
    """A map-style dataset as PyTorch wants it; nothing in it needs PyTorch."""

    def __init__(self, sources: Iterable[Path], files: Mapping[str, Path], side: int) -> None:
        self.lines = [line for source in sources for line in source.read_bytes().split(b"\n") if line.strip()]
        self.files = files
        self.size = (side, side)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = json.loads(self.lines[index])
        images = []
        for name in row["images"]:
            with Image.open(self.files[name]) as image:
                images.append(np.asarray(image.convert("RGB").resize(self.size, Image.Resampling.BICUBIC)))
        return {"messages": row["messages"], "images": images}
