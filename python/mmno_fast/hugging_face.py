"""A table of rows as a `datasets.Dataset`. The only module of mmno_fast that imports datasets; `Rows.to_hf` calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import pyarrow as pa


def dataset_of(table: pa.Table, look: Callable[[dict[str, list[Any]]], dict[str, list[Any]]]) -> datasets.Dataset:
    """`table` as a `datasets.Dataset`, nothing copied; `look` is applied to a batch when it is looked at. `Rows.to_hf` says more."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column  # datasets knows no dictionaries
        columns[{"images": "image_names", "pictures": "images"}.get(name, name)] = plain
    dataset = datasets.Dataset(datasets.table.InMemoryTable(pa.table(columns)))
    return dataset.with_transform(look)
