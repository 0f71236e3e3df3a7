"""Phantom slices: what a brain in a scanner roughly looks like, and compresses like, from a few random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

KINDS: Final = ("bright", "dark", "ringed", "none")
"""What a lesion looks like; "none" has none."""
WEIGHTINGS: Final = ("t1", "t2", "flair")
"""How tissue is shown."""
# white matter, gray matter, fluid: brightness in 0..1
_TISSUE: Final = {"t1": (0.62, 0.45, 0.12), "t2": (0.38, 0.52, 0.85), "flair": (0.45, 0.58, 0.15)}
_NOISE: Final = 0.011  # of full brightness: a 512x512 slice then takes about 40 kB as a JPEG of quality 90, as real ones do

Slice = npt.NDArray[np.uint8]
_Field = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Lesion:
    """What there is to ask about."""

    kind: str
    weighting: str
    x: float
    """Of the centre, from -1 (the picture's left) to 1."""
    y: float
    """Of the centre, from -1 (top) to 1."""
    radius: float

    @property
    def side(self) -> str:
        """Where it lies, as the picture shows it."""
        return "left" if self.x < 0 else "right"

    @property
    def depth(self) -> str:
        """Upper or lower half."""
        return "upper" if self.y < 0 else "lower"

    @property
    def extent(self) -> str:
        """Small, medium or large."""
        if self.radius < 0.12:
            return "small"
        return "medium" if self.radius < 0.18 else "large"


def random_lesion(rng: np.random.Generator) -> Lesion:
    """A lesion somewhere in the brain."""
    kind, weighting = KINDS[int(rng.integers(len(KINDS)))], WEIGHTINGS[int(rng.integers(len(WEIGHTINGS)))]
    x = float(rng.uniform(0.15, 0.4)) * (1 if rng.random() < 0.5 else -1)  # a coin
    return Lesion(kind, weighting, x, float(rng.uniform(-0.45, 0.4)), float(rng.uniform(0.06, 0.24)))


def draw_slice(lesion: Lesion, height: int, width: int, rng: np.random.Generator, *, colour: bool) -> Slice:
    """A slice with that lesion: uint8 (H, W), or (H, W, 3) in warm colours with the lesion tinted."""
    y, x = _grid(height, width)
    tilt = float(rng.uniform(-0.12, 0.12))
    x, y = x + tilt * y, y - tilt * x
    white, gray, fluid = _TISSUE[lesion.weighting]
    folds = _noise(height, width, 26, rng)
    head = _disc(x, y, 0.0, 0.0, 0.80, 0.94)
    brain = _disc(x, y, 0.0, 0.0, 0.70, 0.84)
    core = _edge(0.56 + 0.10 * folds - _distance(x / 0.92, y / 1.05), 0.03)
    light = head * (0.75 - 0.55 * _disc(x, y, 0.0, 0.0, 0.76, 0.90))
    light += brain * (gray + (white - gray) * core + 0.10 * folds - light)
    for side in (-1, 1):
        ventricle = _disc(x - side * 0.8 * (y + 0.05) * (y + 0.05), y, side * 0.09, -0.05, 0.05, 0.24)
        light += ventricle * (fluid - light)
    spot = _spot(lesion, x, y, folds)
    glow = {"bright": 0.93, "dark": 0.08, "ringed": 0.95, "none": 0.0}[lesion.kind]
    light += spot * (glow - light)
    light *= 1.0 + 0.15 * _noise(height, width, 3, rng)  # the coil's uneven field
    grain = rng.standard_normal((2, height, width), dtype=np.float32) * np.float32(_NOISE)
    light = _distance(np.maximum(light, 0.0) + grain[0], grain[1])
    shades = _bytes(light)
    if not colour:
        return shades
    cast, tint = np.array([[1.0, 0.96, 0.88], [1.0, 0.45, 0.25]], np.float32)
    return _bytes(light[:, :, None] * (cast + spot[:, :, None] * (tint - cast)))


def _spot(lesion: Lesion, x: _Field, y: _Field, folds: _Field) -> _Field:
    if lesion.kind == "none":
        return np.zeros_like(x)
    away = _distance(x - lesion.x, y - lesion.y) + 0.03 * folds
    whole = _edge(lesion.radius - away, 0.015)
    if lesion.kind != "ringed":
        return whole
    return whole - _edge(0.65 * lesion.radius - away, 0.015)


def _grid(height: int, width: int) -> tuple[_Field, _Field]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.broadcast_to(y, (height, width)), np.broadcast_to(x, (height, width))


def _edge(inside: _Field, softness: float) -> _Field:
    """0 outside, 1 inside, with a soft edge."""
    soft: _Field = np.clip(inside / np.float32(softness), 0.0, 1.0)
    return soft


def _disc(x: _Field, y: _Field, x0: float, y0: float, a: float, b: float) -> _Field:
    """An ellipse with half-axes `a` and `b`."""
    return _edge(1.0 - _distance((x - np.float32(x0)) / np.float32(a), (y - np.float32(y0)) / np.float32(b)), 0.04)


def _noise(height: int, width: int, cells: int, rng: np.random.Generator) -> _Field:
    """Smooth noise about 0, with `cells` bumps a side."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return _interpolated(_interpolated(coarse, height).T, width).T


def _interpolated(values: _Field, size: int) -> _Field:
    """The first axis stretched to `size`, linearly. No BLAS: its last bits depend on the machine."""
    place = np.linspace(0, len(values) - 1, size, dtype=np.float32)
    below = np.minimum(place.astype(np.intp), len(values) - 2)
    share = (place - below.astype(np.float32))[:, None]
    stretched: _Field = values[below] * (1 - share) + values[below + 1] * share
    return stretched


def _distance(x: _Field, y: _Field) -> _Field:
    return np.sqrt(x * x + y * y)  # several times as fast as `hypot`, whose care for huge numbers is not needed


def _bytes(light: _Field) -> Slice:
    return (np.clip(light, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
