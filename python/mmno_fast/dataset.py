"""`open` and `Dataset`: rows, pictures and pixels of a folder of shards."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from mmno_fast import _core, manifest, specs
from mmno_fast.errors import shard_error
from mmno_fast.pictures import Pictures
from mmno_fast.row_table import rows_in_order
from mmno_fast.schemas import rows_schema
from mmno_fast.shard import Shard, widened

if TYPE_CHECKING:
    import pyarrow as pa

    from mmno_fast.sources import AnyPath

_ROW_BITS: Final = 32  # rows.index.npy holds shard << 32 | row in shard


def open(path: AnyPath) -> Dataset:  # noqa: A001 - `mf.open` is the name that users expect
    """Open a folder of shards.

    Reads the manifest and the lengths of the files; everything else is mapped into memory when it is first touched.

    Args:
        path: The folder that holds ``manifest.json``.

    Raises:
        FileNotFoundError: No such folder.
        ShardError: Not a data set, a damaged one, or one of a newer format.

    >>> import tempfile
    >>> from mmno_fast import Resize, build
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = build(drawn.sources, drawn.images, f"{folder}/shards", Resize(64, fit="stretch"))
    ...     with open(report.path) as dataset:
    ...         row = dataset[-1]
    ...         sizes = [picture.pixels.shape[:2] for picture in dataset.pictures]
    >>> row["source"], row["variant"], row["images"][0].shape
    ('train_cot.jsonl', 'closed_cot', (64, 64, 3))
    >>> sizes
    [(64, 64), (64, 64), (64, 64), (64, 64)]
    """
    return Dataset(path)


class Dataset:
    """A folder of shards: `len`, ``[i]``, `take`, `rows`, `pictures`.

    Rows are numbered by (source in the order given, line) among the accepted ones. Safe to use from threads, after a fork, and in
    spawned processes: it pickles as its path and fingerprint, and opens again when it is first used there.
    """

    def __init__(self, path: AnyPath) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - `Path.absolute` keeps `..`, `resolve` follows links
        self._fingerprint: str | None = None
        self._closed = False
        self._opened: _Contents | None = None
        self._contents()

    # what it is ----------------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return self._path

    @property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json`` as a dict."""
        return self._contents().manifest

    @property
    def fingerprint(self) -> str:
        """`manifest_blake3`: two data sets with the same fingerprint are the same to the last byte."""
        return str(self.manifest["manifest_blake3"])

    @property
    def spec(self) -> specs.ImageSpec:
        """What became of the pictures: the spec that the data set was built with.

        Raises:
            ValueError: A kind of spec that this version does not know.
        """
        return specs.from_dict(self.manifest["spec"])

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of `rows`."""
        shards = self._contents().shards
        return shards[0].row_table.schema if shards else rows_schema()

    def __len__(self) -> int:
        return int(self.manifest["totals"]["rows"])

    def __repr__(self) -> str:
        if self._closed:
            return f"Dataset({str(self._path)!r}, closed)"
        totals, spec = self.manifest["totals"], self.manifest["spec"]
        size = f"{spec['height']}x{spec['width']} {spec['fit']}" if spec["kind"] == "resize" else spec["kind"]
        return f"Dataset({str(self._path)!r}, {totals['rows']:,} rows, {totals['distinct_pictures']:,} pictures, {size})"

    # rows ----------------------------------------------------------------------------------------------------------------------

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Row number `index` as a plain dict; negative numbers count from the end.

        Returns:
            ``row`` (its number), ``source``, ``line``, ``images`` (a list of uint8 (H, W, 3), the caller's own), ``image_names``,
            ``messages`` (a list of ``{"role", "content"}``), ``variant``, ``options`` (a list of ``{"letter", "text"}`` or None),
            ``answer``, ``answer_text``, ``meta`` and ``extra`` (parsed, None where absent).

        Raises:
            IndexError: No such row.
        """
        number = self._number(index)
        contents = self._contents()
        shard, row = contents.place(number)
        values = shard.row_table.slice(row, 1).to_pylist()[0]
        return _row(number, shard, values)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[number] for number in range(len(self)))

    def take(self, indices: Iterable[int]) -> list[dict[str, Any]]:
        """Several rows as ``[i]`` gives them, in the order asked for."""
        return [self[index] for index in indices]

    @property
    def rows(self) -> pa.Table:
        """Every row in the order of row numbers, as an Arrow table; column `pictures` counts in `Dataset.pictures`.

        Made when first asked for, and kept. No text is copied where shards hold the rows in that order already (one source, say, whose
        rows of one picture stand together); else all text is copied once, into memory.
        """
        return self._contents().rows

    @property
    def pictures(self) -> Pictures:
        """Every distinct picture once, with its names and pixels; pixels are views, read when asked for."""
        return self._contents().pictures

    # life ----------------------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Let go of the files. Arrays and tables that were handed out stay valid."""
        self._closed = True
        self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": str(self._path), "fingerprint": self._fingerprint, "closed": self._closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._path = Path(state["path"])
        self._fingerprint = state["fingerprint"]
        self._closed = state["closed"]
        self._opened = None

    def _contents(self) -> _Contents:
        if self._closed:
            raise _core.ClosedError(f"{self._path}: the data set was closed; open it again")
        if self._opened is None:
            opened = _Contents(self._path)
            found = str(opened.manifest["manifest_blake3"])
            if self._fingerprint not in {None, found}:
                raise shard_error(self._path, f"expected the data set {self._fingerprint}, found {found}: it was rebuilt since then")
            self._fingerprint = found
            self._opened = opened
        return self._opened

    def _number(self, index: int) -> int:
        try:
            number = operator.index(index)
        except TypeError:
            raise TypeError(f"expected a row number, found {type(index).__name__}; take(…) gives several rows") from None
        if not -len(self) <= number < len(self):
            raise IndexError(f"row {number} of {len(self):,}")
        return number % len(self)


class _Contents:
    """What an open data set holds; everything in it is made when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = manifest.read(path)
        self.shards = tuple(Shard(path / entry["folder"], entry, self.manifest["spec"]) for entry in self.manifest["shards"])

    @cached_property
    def index(self) -> npt.NDArray[np.uint64]:
        """Row number -> shard << 32 | row in shard; mapped."""
        path = self.path / "rows.index.npy"
        rows = self.manifest["totals"]["rows"]
        try:
            index: npt.NDArray[np.uint64] = np.load(path, mmap_mode="r" if rows else None, allow_pickle=False)
        except ValueError as error:
            raise shard_error(path, f"not a NumPy file ({error}); run mmno-fast verify") from error
        if index.dtype != np.uint64 or index.shape != (rows,):
            raise shard_error(path, f"expected uint64 ({rows},), found {index.dtype} {index.shape}; run mmno-fast verify")
        return index

    def place(self, number: int) -> tuple[Shard, int]:
        """The shard that holds row `number`, and the row in it."""
        place = int(self.index[number])
        shard, row = place >> _ROW_BITS, place & (2**_ROW_BITS - 1)
        if shard >= len(self.shards) or row >= self.shards[shard].rows:
            raise shard_error(self.path / "rows.index.npy", f"row {number} points outside the shards; run mmno-fast verify")
        return self.shards[shard], row

    @cached_property
    def pictures(self) -> Pictures:
        return Pictures(self.shards)

    @cached_property
    def rows(self) -> pa.Table:
        return rows_in_order(self.shards, self.index, self.pictures)


def _row(number: int, shard: Shard, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "row": number,
        "source": values["source"],
        "line": values["line"],
        "images": [widened(shard.pixels(picture)) for picture in values["pictures"]],
        "image_names": values["images"],
        "messages": values["messages"],
        "variant": values["variant"],
        "options": values["options"],
        "answer": values["answer"],
        "answer_text": values["answer_text"],
        "meta": _parsed(values["meta"]),
        "extra": _parsed(values["extra"]),
    }


def _parsed(text: str | None) -> Any:
    """JSON as Python values; a whole number too long for `int` (over 4,300 digits) becomes a `Decimal`, which holds it exactly."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)
