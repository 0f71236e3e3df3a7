"""DLPack: whoever takes arrays by it takes the very memory of a batch, and keeps its slot."""

import gc

import mmno_fast as mf
import numpy as np
import pytest
import torch
from mmno_fast.torch import Loader

pytestmark = pytest.mark.torch

TAKEN_BY = {"torch": torch.from_dlpack, "numpy": np.from_dlpack}
OUTPUTS = {
    "bytes": mf.Output(),
    "float32": mf.Output(dtype="float32", layout="nchw"),
    "float16": mf.Output(dtype="float16"),
    "patches": mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2),
}


def address(array):
    return array.data_ptr() if isinstance(array, torch.Tensor) else array.ctypes.data


@pytest.mark.parametrize("taken_by", TAKEN_BY)
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_nothing_is_copied(shards, taken_by, output):
    with mf.Loader(shards, 16, shuffle=True, output=output) as loader:
        batch = next(iter(loader))
    taken = TAKEN_BY[taken_by](batch.images)
    assert address(taken) == batch.images.ctypes.data == batch.numbers.ctypes.data
    assert tuple(taken.shape) == batch.images.shape
    taken[0] = 7  # written here, seen there
    assert (batch.images[0] == 7).all()


def test_bits_become_numbers_of_bfloat16(shards):
    output = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    with mf.Loader(shards, 16, shuffle=True, output=output) as loader, Loader(shards, 16, shuffle=True, output=output) as other:
        batch, expected = next(iter(loader)), next(iter(other))
    taken = torch.from_dlpack(batch.images).view(torch.bfloat16)
    assert address(taken) == address(batch.images)
    assert torch.equal(taken, expected.images)


def test_a_loader_of_tensors_gives_them_to_others_too(shards):
    with Loader(shards, 16, shuffle=True) as loader:
        batch = next(iter(loader))
    assert np.from_dlpack(batch.images).ctypes.data == batch.images.data_ptr()


def test_pictures_as_they_are_stored(drawn):
    with mf.Loader(mf.open(drawn.sources, drawn.images), 8, shuffle=True, channels="stored") as loader:
        batch = next(iter(loader))
    for image in batch.images:  # each begins somewhere in the slot
        assert address(torch.from_dlpack(image)) == image.ctypes.data


@pytest.mark.parametrize("taken_by", TAKEN_BY)
def test_what_is_kept_is_not_written_over(shards, taken_by):
    with mf.Loader(shards, 16, shuffle=False) as loader:
        kept = [TAKEN_BY[taken_by](batch.images) for batch in loader]  # the batches themselves are gone
        gc.collect()
        for _ in range(3):
            for batch in loader:
                assert address(batch.numbers) not in {address(array) for array in kept}
                batch.numbers[:] = 7
        assert loader.stats().slots > len(kept)
    del loader
    gc.collect()
    with mf.Loader(shards, 16, shuffle=False) as again:
        for expected, array in zip(again, kept, strict=True):
            assert np.array_equal(np.asarray(array), expected.images)


@pytest.mark.parametrize("taken_by", TAKEN_BY)
def test_a_slot_comes_back_when_what_was_taken_is_gone(shards, taken_by):
    with mf.Loader(shards, 16, shuffle=False) as loader:
        for _ in range(5):
            for batch in loader:
                taken = TAKEN_BY[taken_by](batch.images)
                assert taken.shape[0] == len(batch)
        assert loader.stats().slots <= 6
