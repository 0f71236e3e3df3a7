"""`to_hf`: rows as a `datasets.Dataset`, whose pixels stay where they are."""

import pickle

import datasets
import mmno_fast as mf
import numpy as np
import pyarrow as pa
import pytest
from mmno_fast.demo import draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"), pictures=12, faults=False)


@pytest.fixture(scope="module")
def shards(drawn, tmp_path_factory):
    image = mf.Resize(64, fit="stretch")
    return mf.open(mf.build(drawn.sources, drawn.images, tmp_path_factory.mktemp("shards") / "shards", image).path)


def test_rows_are_the_data_sets(shards, drawn):
    raw = mf.open(drawn.sources, drawn.images, image=mf.Resize(64, fit="stretch"))
    for dataset in (shards, raw, shards.where(variant="closed")):
        table = dataset.to_hf()
        assert isinstance(table, datasets.Dataset)
        assert len(table) == len(dataset)
        for index in (0, 11, len(dataset) - 1):
            row, expected = table[index], dataset[index]
            assert np.array_equal(row.pop("images"), expected.pop("images"))
            del expected["row"]
            assert row == expected


def test_no_pixel_is_copied(shards):
    table = shards.to_hf(channels="stored")
    of_rows = shards.rows.column("pictures")
    for index in (0, 40, 83):
        stored = shards.pictures[of_rows[index].as_py()[0]].pixels
        image = table[index]["images"][0]
        assert np.shares_memory(image, stored)
        assert not image.flags.writeable
    # Neither into the table, whatever becomes of it.
    chosen = table.shuffle(seed=1).select(range(20)).filter(lambda variant: variant == "closed", input_columns="variant")
    assert all(row["variant"] == "closed" and row["images"][0].shape[:2] == (64, 64) for row in chosen)
    assert table.data.nbytes < shards.rows.nbytes + 64 * len(shards)
    assert len(pickle.dumps(table)) < shards.rows.nbytes + 50_000


def test_no_text_is_copied(shards):
    before = pa.total_allocated_bytes()
    rows = shards.rows
    texts = rows.nbytes
    made = pa.total_allocated_bytes() - before
    table = shards.to_hf()
    assert pa.total_allocated_bytes() - before - made < texts / 2
    assert table[:3]["messages"] == rows.column("messages")[:3].to_pylist()


def test_columns_and_batches(shards):
    table = shards.to_hf()
    assert table[2:4]["source"] == [shards[2]["source"], shards[3]["source"]]
    assert list(table["line"])[:5] == [row["line"] for row in shards.take(range(5))]
    assert np.array_equal(table["images"][7][0], shards[7]["images"][0])
    assert "pixel" not in str(table.features)


def test_channels_are_checked(shards):
    with pytest.raises(ValueError, match="channels"):
        shards.to_hf(channels="gray")
