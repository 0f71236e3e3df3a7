"""One picture beside Pillow, one thread, in turns: ``python -m benches.beside_pillow [--rounds 15]``.

Results are compared before anything is timed. JPEG: from the file's bytes to an array, both in Python. Those drawn here have grain: a
gray one is nearly all Huffman codes, which libjpeg-turbo reads for both (`benches/kernels.rs` has us beside it alone). Resizing: Pillow's
``Image.resize`` on a decoded picture, beside our kernel as ``benches/floor.rs`` times it, which leaves out the decoding. The fastest
round of each counts: whatever else runs only ever adds time.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mmno_fast as mf
import numpy as np
import numpy.typing as npt
import PIL
from mmno_fast import _core
from PIL import Image

from benches.compare import Turns, floor_program, seconds

SIDE = 512
EACH = 30
"""Pictures of one round."""


def picture(channels: int) -> Image.Image:
    """Rings with some grain and another phase in each channel, as in ``benches/kernels.rs``."""
    y, x, channel = np.mgrid[:SIDE, :SIDE, :channels]
    wave = np.sin(np.hypot(x - SIDE / 2, 1.3 * (y - SIDE / 2)) / 17 + channel)
    grain = np.random.default_rng(1).integers(0, 16, wave.shape)
    return Image.fromarray((120 + 90 * wave + grain).astype(np.uint8).squeeze())


def show(what: str, turns: Turns, wanted: float, pictures: int = EACH) -> None:
    """One line: both rates and how many times Pillow's ours is."""
    ours, pillow = (min(turns.times[name]) / pictures for name in ("ours", "pillow"))
    met = f" (>= {wanted:g} x: {'met' if pillow / ours >= wanted else 'NOT MET'})" if wanted else ""
    print(f"{what:32} {1 / ours:7,.0f}/s   Pillow {1 / pillow:6,.0f}/s   {pillow / ours:5.2f} x{met}")


def jpeg(image: Image.Image, rounds: int) -> None:
    """Decoding a drawn picture, to the mode of the file."""
    file = io.BytesIO()
    image.save(file, "jpeg", quality=90)
    compared(f"JPEG {image.mode}, drawn", [file.getvalue()] * EACH, rounds, 0, gray=image.mode == "L")


def compared(what: str, contents: list[bytes], rounds: int, wanted: float, *, gray: bool) -> None:
    """Decoding the same files, all gray or all RGB (which are kept as gray where they show nothing else, but not here)."""
    spec = mf.Original().to_json()

    def ours(content: bytes) -> npt.NDArray[np.uint8]:
        return _core.read_pictures([content], spec, stored=gray)[0][0]

    def by_pillow(content: bytes) -> npt.NDArray[np.uint8]:
        return np.asarray(Image.open(io.BytesIO(content)))

    for content in contents:
        assert np.array_equal(ours(content), by_pillow(content))
    show(what, Turns(rounds, ours=partial(seconds, ours, contents), pillow=partial(seconds, by_pillow, contents)), wanted, len(contents))


def real_jpegs(folder: Path, rounds: int) -> None:
    """The same for all JPEGs of a folder, gray ones and RGB ones."""
    files: dict[str, list[bytes]] = {"L": [], "RGB": []}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        if content.startswith(b"\xff\xd8\xff"):
            files.setdefault(Image.open(io.BytesIO(content)).mode, []).append(content)
    for mode in ("L", "RGB"):
        if files[mode]:
            compared(f"JPEG {mode}, {len(files[mode])} real pictures", files[mode], rounds, 1.3, gray=mode == "L")


def resize(image: Image.Image, side: int, rounds: int, program: str, work: Path) -> None:
    """Bicubic resizing alone."""
    image.save(work / "picture.bmp")
    (work / "list").write_text(f"pixels\t{work / 'picture.bmp'}\n" * EACH, encoding="utf-8")
    spec = mf.Resize(side, fit="stretch").to_json()
    command = [program, spec, str(work / "list"), str(work)]

    def ours() -> float:
        spent: float = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["resize"]
        return spent

    by_pillow: Callable[[Image.Image], Image.Image] = lambda image: image.resize((side, side), Image.Resampling.BICUBIC)  # noqa: E731
    ours()
    assert (work / "pixels").read_bytes() == by_pillow(image).tobytes() * EACH
    turns = Turns(rounds, ours=ours, pillow=lambda: seconds(by_pillow, [image] * EACH))
    show(f"bicubic {image.mode} {SIDE} -> {side}", turns, 8 if image.mode == "RGB" and side == 448 else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    data = os.environ.get("MMNO_TEST_DATA", "../shared")
    parser.add_argument(
        "--pictures", type=Path, default=Path(data) / "data" / "pictures", help="a folder of real JPEGs (default: %(default)s)"
    )
    arguments = parser.parse_args()
    rounds = arguments.rounds
    program = floor_program()
    print(f"Pillow {PIL.__version__}; resampling here: {_core.build_info()['resample']}")
    images = [picture(3), picture(1)]
    real_jpegs(arguments.pictures, rounds)
    for image in images:
        jpeg(image, rounds)
    with tempfile.TemporaryDirectory() as work:
        for image in images:
            for side in (448, 224):
                resize(image, side, rounds, program, Path(work))


if __name__ == "__main__":
    main()
