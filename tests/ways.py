"""Every way to read a folder of shards, side by side, each in the same words: rows by number, pictures in order.

So that a test can ask of a damaged data set which ways refuse it, and whether those that do not agree with each other.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal

import mmno_fast as mf
import numpy as np
from mmno_fast import _core

from tests.watched import note

Kind = Literal["read", "refused", "odd"]
BATCH: Final = 3


@dataclass
class Seen:
    """What one way made of a data set."""

    kind: Kind
    """``read``; ``refused`` with an error that a user expects; ``odd`` with any other."""
    rows: dict[int, str] = field(default_factory=dict)
    """A digest of each row, its pictures' pixels in it, by number."""
    pictures: str = ""
    """A digest of the pictures, where the way shows them one by one."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What `verify` found: path and message."""
    error: str = ""
    """The error's class and message."""
    path: str = ""
    """The file that the error names."""


Looks = dict[str, Seen]
"""By way."""


def digest(*parts: Any) -> str:
    """Of plain values and arrays."""
    hasher = blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, np.ndarray):
            hasher.update(f"{part.shape}{part.dtype}".encode())
            hasher.update(np.ascontiguousarray(part).tobytes())
        else:
            hasher.update(repr(part).encode("utf-8", "backslashreplace"))
    return hasher.hexdigest()


class MalformedError(Exception):
    """What was read is not what the format promises: a null where there is none, say."""


def _row(values: dict[str, Any], names: list[str], pixels: list[Any]) -> str:
    plain = [values[name] for name in ("source", "line", "variant", "answer", "answer_text")]
    _promise(values, names, pixels)
    messages = [(turn["role"], turn["content"]) for turn in values["messages"]]
    options = values["options"] and [(option["letter"], option["text"]) for option in values["options"]]
    return digest(plain, names, messages, options, _json(values["meta"]), _json(values["extra"]), *(_rgb(each) for each in pixels))


def _promise(values: dict[str, Any], names: list[str], pixels: list[Any]) -> None:
    """The rules of the format that a reader of rows relies on."""
    texts = [values["source"], values["variant"], *names]
    for turn in values["messages"] or [None]:
        texts += [turn["role"], turn["content"]] if turn else [None]
    for option in values["options"] or []:
        texts += [option["letter"], option["text"]] if option else [None]
    if not all(isinstance(text, str) for text in texts) or not isinstance(values["line"], int) or len(names) != len(pixels):
        raise MalformedError(f"row {values['line']} of {values['source']}: a null, or other names than pictures")


def _json(value: Any) -> Any:
    """JSON that is still text as values, as ``dataset[i]`` gives it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return ("no JSON", value)


def _rgb(pixels: Any) -> Any:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


# the ways


def _open(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        assert len(dataset) >= 0
        return Seen("read")


def _each(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        return Seen("read", {row["row"]: _row(row, row["image_names"], row["images"]) for row in (dataset[i] for i in range(len(dataset)))})


def _take(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        rows = dataset.take(range(len(dataset) - 1, -1, -2))
        return Seen("read", {row["row"]: _row(row, row["image_names"], row["images"]) for row in rows})


def _rows(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        pictures = dataset.pictures
        rows = dataset.rows.to_pylist()
        return Seen("read", {i: _row(row, row["images"], [pictures.pixels(n) for n in row["pictures"]]) for i, row in enumerate(rows)})


def _pictures(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        pictures = dataset.pictures
        found: list[Any] = []
        for picture, values in zip(pictures, pictures.table.to_pylist(), strict=True):
            numbers = [picture.source_height, picture.source_width, picture.orientation, picture.height, picture.width, picture.channels]
            texts = [*picture.names, picture.hash, picture.format, picture.mode]
            if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
                raise MalformedError(f"picture {picture.hash}: a null in {texts} {numbers}")
            if values["hash"].hex() != picture.hash:
                raise MalformedError(f"picture {picture.hash}: its table has {values['hash'].hex()}")
            found += [*texts, *numbers, picture.pixels, picture.rgb()]
            if dataset.spec == mf.Encoded():
                found.append(picture.file)
        return Seen("read", pictures=digest(*found))


def _loader(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        return Seen("read", _loaded(dataset, shuffle=True))


def _grouped(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        return Seen("read", _loaded(dataset, shuffle=False, group_by_picture=True, channels="stored"))


def _loaded(dataset: mf.Dataset, **how: Any) -> dict[int, str]:
    found = {}
    with mf.Loader(dataset, BATCH, seed=1, uneven="short", threads=1, **how) as loader:
        for batch in loader:
            images, index, offsets = batch.images, batch.image_index, batch.image_offsets
            for i, (number, row) in enumerate(zip(batch.row_numbers.tolist(), batch.rows.to_pylist(), strict=True)):
                found[number] = _row(row, row["images"], [images[place] for place in index[offsets[i] : offsets[i + 1]]])
    return found


def _hf(folder: Path) -> Seen:
    with mf.open(folder) as dataset:
        table = dataset.to_hf(channels="stored")
        columns = table[:]
        rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return Seen("read", {i: _row(row, row["image_names"], row["images"]) for i, row in enumerate(rows)})


def _verify(folder: Path) -> Seen:
    report = mf.verify(folder, threads=1)
    return Seen("read", problems=[(problem["path"], problem["message"]) for problem in report.problems])


WAYS: Final[dict[str, Callable[[Path], Seen]]] = {
    "open": _open,
    "[i]": _each,
    "take": _take,
    "rows": _rows,
    "pictures": _pictures,
    "Loader": _loader,
    "Loader, grouped": _grouped,
    "to_hf": _hf,
    "verify": _verify,
}
"""Each opens the data set anew."""
ROW_WAYS: Final = ("[i]", "take", "rows", "Loader", "Loader, grouped", "to_hf")
"""Those that show rows with their pictures."""


def look(folder: Path) -> Looks:
    """What every way makes of the data set in `folder`. Run it where a crash is no harm (`tests.watched`)."""
    found = {}
    for name, way in WAYS.items():
        note(name)
        found[name] = _try(way, folder)
    return found


def _try(way: Callable[[Path], Seen], folder: Path) -> Seen:
    try:
        return way(folder)
    except (mf.ShardError, OSError) as error:
        text = f"{type(error).__name__}: {error}"
        kind: Kind = "refused" if isinstance(error, mf.ShardError) or _is_documented(error, folder) else "odd"
        return Seen(kind, error=text, path=str(getattr(error, "path", None) or ""))
    except Exception as error:  # noqa: BLE001 - the test judges
        return Seen("odd", error=f"{type(error).__name__}: {error}"[:500])


def _is_documented(error: OSError, folder: Path) -> bool:
    """Whether it is one of the two errors of the system that are no damage: there is no such data set, or a file may not be read."""
    is_one = isinstance(error, PermissionError) or (isinstance(error, FileNotFoundError) and not folder.exists())
    return is_one and str(folder) in str(error)


def prepare() -> None:
    """Import what the ways need, so that a forked process has it; nothing that starts a thread."""
    import datasets
    import pyarrow as pa
    import pyarrow.compute

    for name in dir(mf):
        getattr(mf, name)
    assert pyarrow.compute is not None
    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    gc.freeze()  # what was imported is not looked through again
    assert pa.array([1]).to_pylist() == [1]
    assert _core.__version__
