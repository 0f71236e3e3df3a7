"""What the tests of Ctrl-C share. PyTorch's environment has no BLAKE3, so nothing here asks for the reference."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

SOON = 0.1
"""Seconds within which Ctrl-C is to work."""

BEGIN = """
import sys, time
from pathlib import Path
import numpy
import mmno_fast as mf
def running():
    return len(list(Path("/proc/self/task").glob("*")))
def ended():
    until = time.monotonic() + 30
    while running() > before and time.monotonic() < until:
        time.sleep(0.01)
    return running() <= before
before = running()
"""
"""Of a program to interrupt: whether the threads that it has started since are gone. Without `/proc`, there are none to be seen."""


def slow_rows(folder: Path, rows: int = 8) -> Path:
    """Rows about one picture that takes a good part of a second to decode; `folder` again."""
    pixels = np.zeros((6000, 6000, 3), np.uint8)
    pixels[::2] = np.random.default_rng(0).integers(0, 256, (6000, 3), np.uint8)
    (folder / "images").mkdir()
    Image.fromarray(pixels).save(folder / "images" / "large.png", compress_level=1)
    turns = [{"role": "user", "content": "<image>Which?"}, {"role": "assistant", "content": "That."}]
    row = json.dumps({"messages": turns, "images": ["large.png"]})
    (folder / "a.jsonl").write_text(f"{row}\n" * rows, "utf-8")
    return folder


def interrupt(code: str, *arguments: object, delay: float) -> tuple[float, list[str]]:
    """Ctrl-C for a Python program, `delay` seconds after it has said "ready".

    Returns:
        Seconds until it was interrupted there, which is the time that it prints first; what it printed then.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        time.sleep(delay)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), err
    caught, *rest = out.split()
    return float(caught) - sent, rest


def soonest(code: str, *arguments: object, delays: tuple[float, ...]) -> float:
    """The best of a few, as the machine has other work. Each time the program says that it was interrupted, and that no thread is left."""
    best = float("inf")
    for delay in delays:
        took, printed = interrupt(code, *arguments, delay=delay)
        assert printed == ["interrupted", "True"]
        best = min(best, took)
        if best < SOON:
            break
    return best
