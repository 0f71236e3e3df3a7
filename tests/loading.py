"""What the tests of the loader share: small data sets of every kind, and what a loader should make of them, by Pillow and NumPy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import numpy.typing as npt
from mmno_fast.reference import pictures as pillow

from tests import reference_order
from tests.building import about, chat, encoded, noise, write_files, write_rows

Array = npt.NDArray[Any]
SIZES = ((16, 16), (24, 32), (16, 40), (56, 24))


def forty_rows(folder: Path) -> Path:
    """Ten pictures of 40 x 40, gray and coloured in turn, and forty rows about one each; `folder` again."""
    write_files(folder / "images", {f"{i}.png": encoded(noise(i, 40, 40, *((3,) if i % 2 else ()))) for i in range(10)})
    write_rows(folder / "a.jsonl", [about(f"{i % 10}.png") for i in range(40)])
    return folder


@dataclass
class Case:
    """A data set, as shards and as JSONL."""

    folder: Path
    spec: mf.ImageSpec

    @cached_property
    def shards(self) -> mf.Dataset:
        """Built when first asked for, in several shards; with it come the rejects."""
        out = self.folder / re.sub(r"\W+", "-", f"shards {self.spec}")
        mf.build(self.sources, self.images, out, self.spec, shard_bytes=1 << 13)
        return mf.open(out)

    @cached_property
    def raw(self) -> mf.Dataset:
        """The same rows."""
        return mf.open(self.sources, self.images, image=self.spec, rejects=self.shards.path / "rejects.jsonl")

    def dataset(self, kind: str) -> mf.Dataset:
        """`shards` or `raw`."""
        return self.raw if kind == "raw" else self.shards

    @property
    def sources(self) -> list[Path]:
        """In their order."""
        return sorted(self.folder.glob("*.jsonl"))

    @property
    def images(self) -> Path:
        """The folder of pictures."""
        return self.folder / "images"

    def pixels(self, name: str, *, stored: bool = False) -> Array:
        """Pillow's pixels of a picture: (H, W, 3), or as they are stored."""
        spec = json.loads(self.spec.to_json())
        made, _ = pillow.decode((self.images / name).read_bytes(), spec if spec["kind"] != "encoded" else {**spec, "kind": "original"})
        return made if stored or made.ndim == 3 else np.repeat(made[..., None], 3, axis=2)


def mixed(folder: Path, pictures: int = 9) -> Path:
    """Two sources: rows without pictures, of one and of several, faulty ones, pictures that many rows share, one that cannot be decoded."""
    files = {}
    for i in range(pictures):
        height, width = SIZES[i % len(SIZES)]
        pixels = noise(i, height, width, *((3,) if i % 3 else ()))
        files[f"class {i % 3}/{i}.png"] = encoded(pixels, "PNG")
    files["class 1/copy.png"] = files["class 1/1.png"]
    files["broken.png"] = encoded(noise(99, 40, 40, 3))[:-300]
    write_files(folder / "images", files)
    names = [name for name in files if name != "broken.png"]
    first = [about(names[i * 5 % len(names)], meta={"i": i, "even": i % 2 == 0}) for i in range(17)]
    first[3] = chat("No picture here?", "None.")
    first[5] = about("broken.png")
    first[8] = about(names[2], "broken.png")
    second: list[Any] = [about(*(names[(i + k) % len(names)] for k in range(i % 4)), meta={"i": 100 + i}) for i in range(19)]
    second[4:4] = [b'{"messages": ', b"", b"[]"]
    write_rows(folder / "a.jsonl", first)
    write_rows(folder / "b.jsonl", second)
    return folder


# outputs


def table(output: mf.Output) -> Array:
    """The value of every byte in every channel: float32 (256, 3)."""
    byte = np.arange(256)[:, None]
    if output.mean is None:
        return np.repeat(byte, 3, axis=1).astype(np.float32)
    mean, std = np.array(output.mean, np.float32), np.array(output.std, np.float32)
    fused: Array = (byte.astype(np.float32) - mean * np.float32(255)) / (std * np.float32(255))
    two_step: Array = ((byte * (1 / 255)).astype(np.float32) - mean) / std
    return fused if output.normalisation == "fused" else two_step


def bits_of_bfloat16(numbers: Array) -> Array:
    """The upper half of a float32, rounded to the nearest, halves to even."""
    bits = numbers.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def as_output(pixels: Array, output: mf.Output) -> Array:
    """What becomes of uint8 (H, W, 3)."""
    if output.dtype == "uint8":
        numbers: Array = pixels
    else:
        numbers = table(output)[pixels, np.arange(3)]
        numbers = bits_of_bfloat16(numbers) if output.dtype == "bfloat16" else numbers.astype(output.dtype)
    if output.layout == "nhwc":
        return numbers
    numbers = numbers.transpose(2, 0, 1)
    if output.layout == "nchw":
        return numbers
    side, merge, temporal = output.patch or 1, output.merge or 1, output.temporal or 1
    _, height, width = numbers.shape
    cut = numbers.reshape(3, height // side // merge, merge, side, width // side // merge, merge, side)
    cut = cut.transpose(1, 4, 2, 5, 0, 3, 6)  # rows and columns of tokens, those within a token, channel, rows and columns within a patch
    cut = np.repeat(cut[:, :, :, :, :, None], temporal, axis=5)
    return cut.reshape(-1, output.numbers_of_a_patch)


# batches


@dataclass
class Expected:
    """What one batch should hold."""

    samples: list[int]
    rows: list[int]
    position: int


def expected(length: int, batch_size: int, *, shuffle: bool, groups: Sequence[Sequence[int]] | None = None, **how: Any) -> list[Expected]:
    """The batches of one rank: the whole of a loader's order, by the twin."""
    seed, epoch, start = how.get("seed", 0), how.get("epoch", 0), how.get("start", 0)
    samples = reference_order.order(length, seed, epoch) if shuffle else list(range(length))
    uneven = how.get("uneven") or ("drop" if shuffle else "short")
    dealt = reference_order.batches(samples, batch_size, how.get("rank", 0), how.get("world_size", 1), uneven, start)
    return [Expected(own, [row for sample in own for row in (groups[sample] if groups else [sample])], after) for own, after in dealt]


def whole(batch: mf.Batch) -> Array:
    """The pictures of a batch, which are one array."""
    assert isinstance(batch.images, np.ndarray)
    return batch.images


def rows_with_pictures(batch: mf.Batch) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Each row of a batch, and the places of its pictures."""
    for i, row in enumerate(batch.rows.to_pylist()):
        yield row, batch.image_index[batch.image_offsets[i] : batch.image_offsets[i + 1]].tolist()


def one_by_one(batch: mf.Batch, output: mf.Output) -> list[Array]:
    """The pictures of a batch, each by itself."""
    if output.layout != "patches":
        return list(batch.images)
    ends = np.cumsum(batch.image_grid_thw.prod(axis=1))
    return np.split(batch.pixel_values, ends[:-1])


def identities(batches: Sequence[mf.Batch]) -> list[tuple[str, int]]:
    """(source, line) of every row, in order."""
    return [(row["source"], row["line"]) for batch in batches for row in batch.rows.select(["source", "line"]).to_pylist()]


# processes


def run(code: str, *arguments: object, timeout: float = 60) -> list[str]:
    """A Python program in a process of its own: what it printed."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()
