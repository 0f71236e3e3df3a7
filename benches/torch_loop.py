"""What stands beside reading JSONL: PyTorch's `DataLoader` over `ChatDataset`, in a process of its own, with workers that stay.

The process is asked for one epoch after the other, so that its turns come between ours. It needs PyTorch, NumPy and Pillow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parents[1]


def interpreter() -> str | None:
    """A Python that has PyTorch: ``MMNO_TORCH_PYTHON``, this one, or the one that ``make test-torch`` sets up."""
    given, made = os.environ.get("MMNO_TORCH_PYTHON"), ROOT / ".venv-torch" / "bin" / "python"
    if given:
        return given
    if importlib.util.find_spec("torch"):
        return sys.executable
    return str(made) if made.exists() else None


class TorchLoop:
    """The process, from our side."""

    def __init__(self, python: str, job: dict[str, Any]) -> None:
        command = [python, "-m", "benches.torch_loop"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say(json.dumps(job))
        self.version: str = json.loads(self._heard())
        self.digest = ""
        """Of the pixels of the last epoch's first batch."""

    def epoch(self) -> float:
        """Seconds of one epoch."""
        self._say("epoch")
        seconds, self.digest = json.loads(self._heard())
        return float(seconds)

    def close(self) -> None:
        cast(IO[str], self._process.stdin).close()
        self._process.wait()

    def _say(self, text: str) -> None:
        stdin = cast(IO[str], self._process.stdin)
        stdin.write(text + "\n")
        stdin.flush()

    def _heard(self) -> str:
        line = cast(IO[str], self._process.stdout).readline()
        if not line:
            raise RuntimeError("the process with PyTorch has ended; its message is above")
        return line


def main() -> None:
    """Serves epochs until the other side hangs up."""
    import numpy as np
    import PIL
    import torch
    from torch.utils.data import DataLoader

    from benches.training_loop import ChatDataset

    job = json.loads(sys.stdin.readline())
    files = {name: Path(path) for name, path in job["files"].items()}
    dataset = ChatDataset([Path(path) for path in job["sources"]], files, job["side"])

    def collate(rows: list[dict[str, Any]]) -> tuple[list[Any], torch.Tensor]:
        images = [image for row in rows for image in row["images"]]
        return [row["messages"] for row in rows], torch.from_numpy(np.stack(images))

    loader = DataLoader(
        dataset, job["batch"], sampler=job["rows"], num_workers=job["workers"], collate_fn=collate, persistent_workers=job["workers"] > 0
    )
    print(json.dumps(f"PyTorch {torch.__version__}, Pillow {PIL.__version__}"), flush=True)
    while sys.stdin.readline():
        first, began = None, time.perf_counter()
        for _, images in loader:
            first = images if first is None else first
        seconds = time.perf_counter() - began
        digest = "" if first is None else blake2b(first.numpy().tobytes()).hexdigest()
        print(json.dumps([seconds, digest]), flush=True)


if __name__ == "__main__":
    main()
