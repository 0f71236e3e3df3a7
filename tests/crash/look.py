"""What a user sees of a folder: its rows with their pixels, or an error; and what `verify` says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mmno_fast as mf
import numpy as np
import numpy.typing as npt

from tests.ways import digest

NOT_FINISHED = (mf.ShardError, FileNotFoundError)
"""What may be raised where there is no whole data set."""


@dataclass(frozen=True)
class Look:
    """What one look at a folder has shown."""

    rows: str = ""
    """A digest of all rows in their order, with their pixels; empty where they cannot be read."""
    error: str = ""
    """Why not."""
    odd: bool = False
    """Whether that is an error that nobody expects."""
    problems: tuple[str, ...] | None = None
    """What `verify` finds; None where it refuses the folder."""


def look(out: Path) -> Look:
    """Open the data set, read all of it in two ways, and verify it."""
    rows = error = ""
    odd = False
    problems: tuple[str, ...] | None = None
    try:
        dataset = mf.open(out)
        rows = _by_number(dataset)
        if rows != _by_table(dataset):
            error, odd, rows = "its rows by number and by table disagree", True, ""
    except NOT_FINISHED as raised:
        error = _said(raised, out)
    except Exception as raised:  # noqa: BLE001 - whatever it is, it is told
        error, odd = _said(raised, out), True
    try:
        found = mf.verify(out, threads=1).problems
        problems = tuple(f"{each['path']}: {each['message']}".replace(str(out), "OUT") for each in found)
    except NOT_FINISHED:
        pass
    except Exception as raised:  # noqa: BLE001 - as above
        error, odd = f"verify: {_said(raised, out)}", True
    return Look(rows, error, odd, problems)


def _said(error: Exception, out: Path) -> str:
    return f"{type(error).__name__}: {error}".replace(str(out), "OUT")


_PLAIN: Final = ("source", "line", "variant", "answer", "answer_text")


def _row(values: dict[str, Any], names: list[str], pixels: list[str]) -> str:
    messages = [(turn["role"], turn["content"]) for turn in values["messages"]]
    # By number, they are values; in a table, their text.
    free = [json.loads(value) if isinstance(value, str) else value for value in (values["meta"], values["extra"])]
    return digest([values[name] for name in _PLAIN], names, messages, free, pixels)


def _pixels(picture: npt.NDArray[np.uint8]) -> str:
    return digest(picture if picture.ndim == 3 else picture[:, :, None].repeat(3, 2))


def _by_number(dataset: mf.Dataset) -> str:
    rows = [dataset[number] for number in range(len(dataset))]
    return digest([_row(row, row["image_names"], [_pixels(each) for each in row["images"]]) for row in rows])


def _by_table(dataset: mf.Dataset) -> str:
    pictures = [_pixels(np.asarray(each.pixels)) for each in dataset.pictures]
    rows = dataset.rows.to_pylist()
    return digest([_row(row, row["images"], [pictures[number] for number in row["pictures"]]) for row in rows])
