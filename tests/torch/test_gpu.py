"""On a CUDA device: the batches of the host, page-locked slots, and the bench that shows the overlap."""

import subprocess
import sys
from pathlib import Path

import mmno_fast as mf
import pytest
import torch
from mmno_fast.torch import Collator, Loader

pytestmark = [pytest.mark.torch, pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]

ROOT = Path(__file__).resolve().parents[2]
FLOATS = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)


@pytest.mark.parametrize("output", [mf.Output(), FLOATS], ids=["bytes", "floats"])
def test_the_batches_of_the_host(shards, output):
    with Loader(shards, 16, shuffle=True, output=output, device="cuda") as loader, Loader(shards, 16, shuffle=True, output=output) as host:
        for _ in range(3):
            for batch, expected in zip(loader, host, strict=True):
                assert batch.device.type == "cuda"
                assert torch.equal(batch.images.cpu(), expected.images)
                assert loader.state_dict() == host.state_dict()


def test_slots_are_locked_and_enough(shards):
    with Loader(shards, 16, shuffle=True, device="cuda") as loader:
        made = loader.stats().slots
        for _ in range(5):
            for batch in loader:
                batch.images.float().mean()
        assert loader.stats().slots <= made + 1


def test_pictures_of_different_sizes_and_labels(drawn):
    dataset = mf.open(drawn.sources, drawn.images)
    with Loader(dataset, 8, shuffle=True, device="cuda") as loader, Loader(dataset, 8, shuffle=True) as host:
        for batch, expected in zip(loader, host, strict=True):
            assert all(torch.equal(one.cpu(), other) for one, other in zip(batch.images, expected.images, strict=True))
    with Loader(dataset.pictures.labelled(), 8, shuffle=False, device="cuda") as loader:
        assert next(iter(loader)).labels.device.type == "cuda"


def test_a_collator_on_the_device(shards):
    from examples.train_vlm import make_processor

    collator = Collator(make_processor(shards))
    with Loader(shards, 4, shuffle=False, device="cuda") as loader:
        inputs = collator(next(iter(loader)))
    assert inputs["pixel_values"].shape == (64, 1536)
    assert {value.device.type for value in inputs.values()} == {"cuda"}


def test_the_bench():
    done = subprocess.run([sys.executable, "-m", "benches.gpu_overlap", "--pictures", "60"], cwd=ROOT, check=False)
    assert done.returncode == 0
