"""`mmno_fast.jax.arrays`: the loader's numbers as JAX's, without a copy."""

import gc

import jax
import ml_dtypes
import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast.jax import arrays

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
def test_arrays_are_views_of_the_slot(shards, dtype):
    with mf.Loader(shards, 16, shuffle=True, output=mf.Output(dtype=dtype, layout="nchw")) as loader:
        batch = next(iter(loader))
    made = arrays(batch)
    assert made["images"].shape == (16, 3, 64, 64)
    assert made["images"].dtype == (ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    assert made["images"].unsafe_buffer_pointer() == batch.numbers.ctypes.data
    bits = np.asarray(made["images"])
    assert np.array_equal(bits.view(np.uint16) if dtype == "bfloat16" else bits, batch.images)
    assert made["image_offsets"].tolist() == batch.image_offsets.tolist()


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16"])
def test_an_array_keeps_its_slot(shards, dtype):
    output = mf.Output(dtype=dtype)
    with mf.Loader(shards, 16, shuffle=False, output=output) as loader:
        kept = [arrays(batch)["images"] for batch in loader]
        gc.collect()
        for _ in loader:
            pass
    with mf.Loader(shards, 16, shuffle=False, output=output) as again:
        for expected, images in zip(again, kept, strict=True):
            found = np.asarray(images)
            assert np.array_equal(found.view(np.uint16) if dtype == "bfloat16" else found, expected.images)


def test_slots_come_back_when_the_arrays_are_gone(shards):
    with mf.Loader(shards, 16, shuffle=False) as loader:
        for _ in range(5):
            for batch in loader:
                assert float(jax.numpy.mean(arrays(batch)["images"])) > 0
        assert loader.stats().slots <= 6


def test_patches_labels_and_sizes_of_their_own(shards, drawn):
    patches = mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2)
    with mf.Loader(shards.pictures.labelled(), 4, shuffle=False, output=patches) as loader:
        batch = next(iter(loader))
        made = arrays(batch)
    assert made["pixel_values"].shape == (64, 1536)
    assert made["image_grid_thw"].tolist() == [[1, 4, 4]] * 4
    assert made["labels"].tolist() == batch.labels.tolist()
    with mf.Loader(mf.open(drawn.sources, drawn.images), 8, shuffle=True, channels="stored") as loader:
        batch = next(iter(loader))
        for array, image in zip(arrays(batch)["images"], batch.images, strict=True):
            assert np.array_equal(np.asarray(array), image)
