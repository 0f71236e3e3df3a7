"""JPEGs that no common writer makes: any sampling, progressive, with restart markers (ITU-T T.81, annexes F and G)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from math import ceil
from typing import TypeAlias

import numpy as np

LAYOUTS = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "440": (1, 2), "411": (4, 1), "410": (4, 2), "441": (1, 4)}
"""Luma samples for each one of chroma: across, down."""
ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))
BANDS = ((1, 5), (6, 63))
Block: TypeAlias = list[int]
"""64 quantised coefficients, in zigzag order."""


@dataclass
class Component:
    number: int
    sampling: tuple[int, int]
    shape: tuple[int, int]  # blocks that a scan of this component alone has: down, across
    blocks: dict[tuple[int, int], Block]  # also those that only fill up an interleaved scan


@dataclass
class Entropy:
    """The bits of a scan. Huffman codes are flat: four bits for a DC category, eight for an AC symbol, in the symbols' order."""

    out: bytearray = field(default_factory=bytearray)
    bits: list[str] = field(default_factory=list)

    def put(self, value: int, length: int) -> None:
        if length:
            self.bits.append(f"{value:0{length}b}")

    def number(self, value: int, size: int) -> None:
        """`value` in `size` bits, a negative one as T.81 has it (F.1.2.1)."""
        self.put(value if value >= 0 else value + (1 << size) - 1, size)

    def flush(self) -> None:
        text = "".join(self.bits)
        self.bits.clear()
        text += "1" * (-len(text) % 8)
        data = int(text, 2).to_bytes(len(text) // 8, "big") if text else b""
        self.out += data.replace(b"\xff", b"\xff\0")


def dc(entropy: Entropy, value: int, before: int) -> None:
    size = abs(value - before).bit_length()
    entropy.put(size, 4)
    entropy.number(value - before, size)


def ac(entropy: Entropy, values: Block, first: int, last: int) -> None:
    """The band `first..=last` of a block, sequential or the first scan of a progression."""
    run = 0
    for at in range(first, last + 1):
        if values[at] == 0:
            run += 1
            continue
        while run > 15:
            entropy.put(0xF0, 8)
            run -= 16
        size = abs(values[at]).bit_length()
        entropy.put(run << 4 | size, 8)
        entropy.number(values[at], size)
        run = 0
    if run:
        entropy.put(0, 8)


def refine(entropy: Entropy, values: Block, first: int, last: int, low: int) -> None:
    """The bit `low` of a band whose higher bits are sent (G.1.2.3)."""
    magnitudes = [abs(value) >> low for value in values]
    newest = max((at for at in range(first, last + 1) if magnitudes[at] == 1), default=-1)
    run, corrections = 0, ""
    for at in range(first, last + 1):
        if magnitudes[at] == 0:
            run += 1
            continue
        while run > 15 and at <= newest:
            entropy.put(0xF0, 8)
            entropy.bits.append(corrections)
            run, corrections = run - 16, ""
        if magnitudes[at] > 1:
            corrections += str(magnitudes[at] & 1)
            continue
        entropy.put(run << 4 | 1, 8)
        entropy.put(int(values[at] > 0), 1)
        entropy.bits.append(corrections)
        run, corrections = 0, ""
    if run or corrections:
        entropy.put(0, 8)
        entropy.bits.append(corrections)


def drawn(rng: np.random.Generator, quality: int) -> Block:
    """Noise that fades towards the high frequencies, as far as this quality leaves it."""
    scale = 900 / (1 + np.arange(64)) ** 0.8 * quality / 100
    values = np.rint(rng.normal(0, 1, 64) * scale / 8) * (rng.random(64) < 0.6)
    return [int(value) for value in values.clip(-500, 500)]


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def scan(
    chosen: list[Component], units: tuple[int, int], band: tuple[int, int], high: int, low: int, restart: int, *, progressive: bool
) -> bytes:
    """One scan: the header and the data. `units` are the MCUs of an interleaved one, down and across."""
    head = bytes([len(chosen)]) + b"".join(bytes([one.number, 0]) for one in chosen) + bytes([*band, high << 4 | low])
    entropy = Entropy()
    before = dict.fromkeys((one.number for one in chosen), 0)
    rows, columns = units if len(chosen) > 1 else chosen[0].shape
    for count in range(rows * columns):
        if restart and count and count % restart == 0:
            entropy.flush()
            entropy.out += bytes([0xFF, 0xD0 + (count // restart - 1) % 8])
            before = dict.fromkeys(before, 0)
        row, column = divmod(count, columns)
        for one in chosen:
            across, down = one.sampling if len(chosen) > 1 else (1, 1)
            for y, x in np.ndindex(down, across):
                values = one.blocks[row * down + y, column * across + x]
                if band[0] == 0 and high:
                    entropy.put(values[0] >> low & 1, 1)
                elif band[0] == 0:
                    dc(entropy, values[0] >> low, before[one.number])
                    before[one.number] = values[0] >> low
                if not progressive:
                    ac(entropy, values, 1, 63)
                elif band[0] and high:
                    refine(entropy, values, *band, low)
                elif band[0]:
                    ac(entropy, [(abs(value) >> low) * (1 if value > 0 else -1) for value in values], *band)
    entropy.flush()
    return segment(0xDA, head) + bytes(entropy.out)


def jpeg(size: tuple[int, int], layout: str, quality: int, *, progressive: bool = False, restart: int = 0, seed: int = 0) -> bytes:
    """A picture of noise, (width, height), in YCbCr: `quality` from 1 to 100, a restart marker every `restart` MCUs."""
    (width, height), (across, down), rng = size, LAYOUTS[layout], np.random.default_rng(seed)
    units = ceil(height / (8 * down)), ceil(width / (8 * across))
    components = []
    for number in (1, 2, 3):
        h, v = (across, down) if number == 1 else (1, 1)
        shape = ceil(ceil(height * v / down) / 8), ceil(ceil(width * h / across) / 8)
        blocks = {at: drawn(rng, quality) for at in np.ndindex(units[0] * v, units[1] * h)}
        components.append(Component(number, (h, v), shape, blocks))
    table = bytes(min(255, 1 + (at + 4) * (101 - quality) // 40) for at in range(64))
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(
        bytes([one.number, one.sampling[0] << 4 | one.sampling[1], 0]) for one in components
    )
    out = b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + segment(0xDB, b"\0" + table)
    out += segment(0xC2 if progressive else 0xC0, frame)
    out += segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    out += segment(0xC4, b"\x10" + bytes([0, 0, 0, 0, 0, 0, 0, 255] + [0] * 8) + bytes(range(255)))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    if not progressive:
        return out + scan(components, units, (0, 63), 0, 0, restart, progressive=False) + b"\xff\xd9"
    out += scan(components, units, (0, 0), 0, 1, restart, progressive=True)
    for band, high, low in [*((band, 0, 2) for band in BANDS), ((1, 63), 2, 1)]:
        for one in components:
            out += scan([one], units, band, high, low, restart, progressive=True)
    out += scan(components, units, (0, 0), 1, 0, restart, progressive=True)
    for one in components:
        out += scan([one], units, (1, 63), 1, 0, restart, progressive=True)
    return out + b"\xff\xd9"
