"""Lays the demo's data set out in a folder: pictures, three sources, and the faults that `check` should find."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmno_fast.demo.phantom import Lesion, draw_slice, random_lesion
from mmno_fast.demo.questions import VARIANTS, rows_about

if TYPE_CHECKING:
    import os

MIN_PICTURES: Final = 4
"""Fewer have not enough rows for the faults."""
_FAULTS: Final = {
    "open": ("json.syntax", "images.missing", "picture.truncated", "placeholder.count", "messages.role"),
    "closed": ("mcq.answer_range", "json.duplicate_key", "picture.empty", "images.traversal"),
    "cot": ("cot.final", "cot.explanation"),
}
_QUALITY: Final = 90  # of the JPEG files, as in published sets


@dataclass(frozen=True)
class Fault:
    """A fault put in on purpose: what `check` should say, and where."""

    source: str
    line: int
    code: str


@dataclass(frozen=True)
class Drawn:
    """A data set that was drawn."""

    sources: tuple[Path, ...]
    """The JSONL files."""
    images: Path
    """The folder of pictures."""
    pictures: int
    """Pictures drawn."""
    rows: int
    """Lines written, faulty ones too."""
    faults: tuple[Fault, ...]
    """In the order of the lines."""


def draw(
    out: str | os.PathLike[str],
    pictures: int = 300,
    *,
    seed: int = 0,
    faults: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Drawn:
    """Draw a data set: seven rows a picture, in ``out/train_{open,closed,cot}.jsonl``; pictures below ``out/images``.

    Args:
        out: The folder to write into; it is made.
        pictures: How many slices, at least 4. A tenth of a second for three or four.
        seed: Another number gives another data set.
        faults: Whether to put faults in.
        progress: Called with ("draw", pictures drawn, pictures).

    Raises:
        ValueError: Fewer than 4 pictures.
        ModuleNotFoundError: No Pillow.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw(folder, pictures=4).rows
    28
    """
    if pictures < MIN_PICTURES:
        raise ValueError(f"pictures: expected at least {MIN_PICTURES}, found {pictures}")
    folder = Path(out)
    root = folder / "images"
    rows: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    for number in range(pictures):
        rng = np.random.default_rng([seed, number])
        lesion = random_lesion(rng)
        name = _save(root, lesion, number, rng)
        for variant, some in rows_about(lesion, name, number, rng).items():
            rows[variant] += some
        if progress:
            progress("draw", number + 1, pictures)
    rng = np.random.default_rng([seed, pictures, 1])
    sources, spoilt = [], []
    for variant in VARIANTS:
        path = folder / f"train_{variant}.jsonl"
        order = [rows[variant][int(place)] for place in rng.permutation(len(rows[variant]))]
        spoilt += _write(path, order, _FAULTS[variant] if faults else (), root, rng)
        sources.append(path)
    return Drawn(tuple(sources), root, pictures, sum(map(len, rows.values())), tuple(spoilt))


# pictures -----------------------------------------------------------------------------------------------------------------------


def _save(root: Path, lesion: Lesion, number: int, rng: np.random.Generator) -> str:
    """Draw and save slice `number`; the name under which rows know it."""
    from PIL import Image  # the extra's package, needed for nothing else here

    chance = rng.random(2)
    png = chance[0] < 0.25  # a quarter, as BraTS slices
    colour = 0.25 <= chance[0] < 0.40  # some with colour
    gray = png or chance[0] > 0.80  # others gray, but saved with three channels, as most are
    height, width = (240, 240) if png else (int(rng.choice([512, 512, 512, 464, 576])), 512)
    shades = draw_slice(lesion, height, width, rng, colour=colour)
    pixels = shades if colour or gray else np.repeat(shades[:, :, None], 3, axis=2)
    # One in twenty lies under the suffix of another format, and one in thirty is named by rows with another than it has on disk.
    suffix = ".png" if png != (chance[1] < 0.05) else ".jpg"
    stem = f"{lesion.kind}/{lesion.weighting}/{lesion.kind}_{lesion.weighting} ({number})"
    path = root / f"{stem}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if png:
        Image.fromarray(pixels).save(path, "PNG")
    else:
        Image.fromarray(pixels).save(path, "JPEG", quality=_QUALITY)
    return f"{stem}{suffix.upper()}" if chance[1] > 1 - 1 / 30 else f"{stem}{suffix}"


# rows ---------------------------------------------------------------------------------------------------------------------------


def _write(path: Path, rows: list[dict[str, Any]], codes: tuple[str, ...], root: Path, rng: np.random.Generator) -> list[Fault]:
    """Write `rows` as JSON Lines, with one fault of each code at places drawn at random."""
    places = sorted(int(place) for place in rng.permutation(len(rows))[: len(codes)])
    spoil = dict(zip(places, codes, strict=True))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(rows):
            text = _spoilt(row, spoil[number], root) if number in spoil else json.dumps(row, ensure_ascii=False)
            file.write(text + "\n")
    return [Fault(path.name, number + 1, code) for number, code in spoil.items()]


def _spoilt(row: dict[str, Any], code: str, root: Path) -> str:
    """The row's line with a fault in it."""
    user, answer = row["messages"]
    name = row["images"][0]
    if code == "json.syntax":
        return json.dumps(row, ensure_ascii=False)[:-20]
    if code == "json.duplicate_key":
        return '{"images": [], ' + json.dumps(row, ensure_ascii=False)[1:]
    if code.startswith("picture."):
        row["images"] = [_spoilt_file(name, code, root)]
    elif code == "images.missing":
        row["images"] = [f"not published/{name.rsplit('/', 1)[1]}"]
    elif code == "images.traversal":
        row["images"] = [f"../{name}"]
    elif code == "placeholder.count":
        user["content"] = "<image>" + user["content"]
    elif code == "messages.role":
        answer["role"] = "gpt"
    elif code == "mcq.answer_range":
        answer["content"] = "F"
    elif code == "cot.final":
        answer["content"] = answer["content"].split("\n", 1)[1]
    elif code == "cot.explanation":
        answer["content"] = answer["content"].split("\n", 1)[0]
    return json.dumps(row, ensure_ascii=False)


def _spoilt_file(name: str, code: str, root: Path) -> str:
    """A file that begins as some slice does and ends too early, or holds nothing."""
    source = root / name
    suffix = source.suffix if source.exists() else source.suffix.lower()
    whole = source.with_suffix(suffix).read_bytes()
    spoilt = f"spoilt/{code.rsplit('.', 1)[1]}{suffix}"
    (root / spoilt).parent.mkdir(exist_ok=True)
    (root / spoilt).write_bytes(b"" if code == "picture.empty" else whole[: len(whole) * 2 // 3])
    return spoilt
