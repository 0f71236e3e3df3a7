"""One shard of a data set, mapped into memory when it is first touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmno_fast import _core
from mmno_fast.data.values import Pixels
from mmno_fast.errors import shard_error

if TYPE_CHECKING:
    import pyarrow as pa


class Shard:
    """The rows, pictures and pixels of one folder. Nothing is copied: tables and arrays are views of the mapped files."""

    def __init__(self, folder: Path, entry: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        self.folder = folder
        self._spec = spec
        self.rows: int = entry["rows"]
        self.pictures: int = entry["pictures"]

    @cached_property
    def row_table(self) -> pa.Table:
        """``rows.arrow``."""
        return self._table("rows.arrow", self.rows)

    @cached_property
    def picture_table(self) -> pa.Table:
        """``pictures.arrow``."""
        return self._table("pictures.arrow", self.pictures)

    @cached_property
    def places(self) -> list[tuple[str, int | None, int | None, int | None, tuple[int, int, int]]]:
        """Where each picture's pixels lie: store, index, offset, length, (height, width, channels)."""
        columns = self.picture_table.select(["store", "index", "offset", "length", "height", "width", "channels"]).to_pydict()
        shapes = zip(columns["height"], columns["width"], columns["channels"], strict=True)
        return list(zip(columns["store"], columns["index"], columns["offset"], columns["length"], shapes, strict=True))

    @cached_property
    def _stores(self) -> dict[str, Pixels]:
        return {}

    def pixels(self, picture: int) -> Pixels:
        """The pixels of a picture: uint8 (H, W) or (H, W, 3), a read-only view; decoded now where files are kept as they were."""
        store, index, offset, length, (height, width, channels) = self.places[picture]
        if self._spec["kind"] == "encoded":
            spec = json.dumps({**self._spec, "kind": "original"})
            return _core.read_pictures([self.file(picture)], spec, stored=True)[0][0]
        array = self._store(store)
        shape = (height, width) if channels == 1 else (height, width, channels)
        try:
            found = array[index] if index is not None else array[offset : offset + length].reshape(shape)  # type: ignore[operator]
        except (IndexError, TypeError, ValueError) as error:
            raise self._fault("pictures.arrow", f"picture {picture} lies outside {store}.npy") from error
        if found.shape != shape:
            raise self._fault(f"{store}.npy", f"picture {picture} should be {shape}, found {found.shape}")
        return found.view(np.ndarray)

    def file(self, picture: int) -> bytes:
        """The file of a picture, where files are kept as they were."""
        if self._spec["kind"] != "encoded":
            raise ValueError("this data set holds pixels, not files: it was not built with Encoded()")
        store, _, offset, length, _ = self.places[picture]
        array = self._store(store)
        if offset is None or length is None or offset + length > len(array):
            raise self._fault("pictures.arrow", f"picture {picture} lies outside {store}.npy")
        return array[offset : offset + length].tobytes()

    def _store(self, name: str) -> Pixels:
        if name not in self._stores:
            if name not in {"gray", "rgb", "pixels"}:
                raise self._fault("pictures.arrow", f"a store that this version does not know: {name!r}")
            try:
                array: Pixels = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            except ValueError as error:
                raise self._fault(f"{name}.npy", f"not a NumPy file ({error})") from error
            if array.dtype != np.uint8:
                raise self._fault(f"{name}.npy", f"expected uint8, found {array.dtype}")
            self._stores[name] = array
        return self._stores[name]

    def _table(self, name: str, rows: int) -> pa.Table:
        import pyarrow as pa  # imported when first used: it is large

        try:
            with pa.memory_map(str(self.folder / name)) as file:
                table = pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid as error:
            raise self._fault(name, f"not an Arrow file ({error})") from error
        if table.num_rows != rows:
            raise self._fault(name, f"expected {rows:,} rows, found {table.num_rows:,}")
        return table

    def _fault(self, name: str, message: str) -> _core.ShardError:
        return shard_error(self.folder / name, f"{message}; run mmno-fast verify")
