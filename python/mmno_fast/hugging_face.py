"""Rows as a `datasets.Dataset`: the table of their texts, and pictures that are read when a row is looked at."""

from __future__ import annotations

from typing import Any, Literal

import datasets
import pyarrow as pa

from mmno_fast.data.rows import Rows, parsed
from mmno_fast.data.shard import widened


class _Looked:
    """The transform: numbers of pictures to pixels, JSON to values. It pickles as the rows do."""

    def __init__(self, rows: Rows, channels: Literal["rgb", "stored"]) -> None:
        self._rows = rows
        self._channels = channels

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        looked = dict(batch)
        if "images" in batch:
            pictures = self._rows.open_contents().pictures
            pixels = [[pictures.pixels(number) for number in numbers] for numbers in batch["images"]]
            if self._channels == "rgb":
                pixels = [[each if each.ndim == 3 else widened(each) for each in own] for own in pixels]
            looked["images"] = pixels
        for name in ("meta", "extra"):
            if name in batch:
                looked[name] = [parsed(text) for text in batch[name]]
        return looked


def dataset_of(rows: Rows, channels: Literal["rgb", "stored"]) -> datasets.Dataset:
    """See `Rows.to_hf`."""
    if channels not in {"rgb", "stored"}:
        raise ValueError(f'channels: expected "rgb" or "stored", found {channels!r}')
    table = rows.rows
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column  # datasets knows no dictionaries
        columns[{"images": "image_names", "pictures": "images"}.get(name, name)] = plain
    dataset = datasets.Dataset(datasets.table.InMemoryTable(pa.table(columns)))
    return dataset.with_transform(_Looked(rows, channels))
