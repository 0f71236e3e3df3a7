"""`mmno_fast.torch.Loader`: the core's batches as tensors, and slots that no copy to a device finds overwritten."""

import ctypes
import gc
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import pytest
import torch
from mmno_fast.torch import Batch, Loader
from mmno_fast.torch.slots import largest_batch

pytestmark = pytest.mark.torch

FLOATS = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)


@pytest.mark.parametrize("output", [mf.Output(), FLOATS, mf.Output(dtype="float16"), mf.Output(dtype="float32", layout="nchw")], ids=str)
def test_the_batches_of_the_core_as_tensors(shards, output):
    with mf.Loader(shards, 16, shuffle=True, output=output) as plain, Loader(shards, 16, shuffle=True, output=output) as loader:
        assert len(loader) == len(plain) == 13
        for expected, batch in zip(plain, loader, strict=True):
            assert isinstance(batch, Batch)
            assert len(batch) == 16
            images: Any = batch.images
            assert images.dtype == getattr(torch, output.dtype)
            bits = images.view(torch.uint16).numpy() if output.dtype == "bfloat16" else images.numpy()
            assert np.array_equal(bits, expected.images)
            assert batch.row_numbers.tolist() == expected.row_numbers.tolist()
            assert batch.image_offsets.tolist() == expected.image_offsets.tolist()
            assert batch.rows.equals(expected.rows)
            assert loader.state_dict() == plain.state_dict()


def test_tensors_keep_their_slot(shards):
    expected = np.stack([row["images"][0] for row in shards])
    with Loader(shards, 16, shuffle=False) as loader:
        kept = [batch.images[3:5] for batch in loader]
        assert loader.stats().slots >= 14
        addresses = {images.untyped_storage().data_ptr() for images in kept}
        assert len(addresses) == 14
    gc.collect()
    for i, images in enumerate(kept):
        assert np.array_equal(images.numpy(), expected[16 * i + 3 : 16 * i + 5])


def test_slots_are_used_again(shards):
    with Loader(shards, 16, shuffle=False) as loader:
        for _ in range(5):
            for batch in loader:
                assert batch.images.shape[1:] == (64, 64, 3)
        assert loader.stats().slots <= 5


def test_patches_labels_and_lists(shards, drawn):
    output = mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2)
    with Loader(shards, 8, shuffle=False, output=output) as loader:
        batch = next(iter(loader))
        assert batch.pixel_values.shape == (8 * 16, 1536)
        assert batch.image_grid_thw.tolist() == [[1, 4, 4]] * 8
        with pytest.raises(AttributeError, match="labels"):
            batch.labels  # noqa: B018
    with Loader(shards.pictures.labelled(), 8, shuffle=False) as loader:
        batch = next(iter(loader))
        assert batch.labels.tolist() == shards.pictures.labelled().labels[:8].tolist()
        assert set(batch.to_dict()) == {"images", "labels"}
        with pytest.raises(AttributeError, match="pixel_values"):
            batch.pixel_values  # noqa: B018
    dataset = mf.open(drawn.sources, drawn.images)
    with Loader(dataset, 8, shuffle=True, channels="stored") as loader:
        batch = next(iter(loader))
        row = dataset[int(batch.row_numbers[0])]
        assert {image.dim() for image in batch.images} <= {2, 3}
        first = batch.images[0]
        assert np.array_equal((first if first.dim() == 3 else first[..., None].expand(-1, -1, 3)).numpy(), row["images"][0])


def test_a_shared_picture_comes_once(shards):
    with Loader(shards, 4, shuffle=True, group_by_picture=True) as loader:
        batch = next(iter(loader))
        columns = batch.to_dict()
        assert len(batch.images) == 4
        assert len(batch) == 28
        assert columns["image_index"].tolist() == [i for i in range(4) for _ in range(7)]


def test_a_batch_moves(shards):
    with Loader(shards, 4, shuffle=False, output=FLOATS) as loader:
        batch = next(iter(loader))
    assert batch.to("cpu") is batch
    moved = batch.to("meta")
    assert moved.device == moved.images.device == torch.device("meta")
    assert moved.rows.equals(batch.rows)
    assert "bfloat16 on cpu" in repr(batch)


def test_replay_and_collate(shards):
    with Loader(shards, 4, shuffle=False, collate=lambda batch: batch.row_numbers.tolist()) as loader:
        endless = loader.replay()
        assert [next(endless) for _ in range(5)] == [[0, 1, 2, 3], [4, 5, 6, 7]] * 2 + [[0, 1, 2, 3]]
        del endless
        assert next(iter(loader)) == [0, 1, 2, 3]


def test_trainers_call_iter_twice_and_set_the_epoch_behind_it(shards):
    def numbers(batches):
        return [batch.row_numbers.tolist() for batch in batches]

    with mf.Loader(shards, 16, shuffle=True) as plain:
        first, second, third = (numbers(plain) for _ in range(3))
    with Loader(shards, 16, shuffle=True) as loader:
        iter(loader)
        running = iter(loader)  # of the first no batch was taken
        loader.set_epoch(0)
        assert numbers(running) == first
        running = iter(loader)
        loader.set_epoch(2)
        batch = next(running)
        assert (batch.epoch, batch.row_numbers.tolist()) == (2, third[0])
        loader.set_epoch(1)  # in the middle: ends it
        assert list(running) == []
        running = iter(loader)
        assert [next(running).row_numbers.tolist() for _ in range(len(second))] == second
        loader.set_epoch(2)  # no trainer asks for a batch behind the last
        assert numbers(loader) == third


def test_devices_that_are_not_there(shards):
    with pytest.raises(ValueError, match='expected "cpu" or a CUDA device'):
        Loader(shards, 4, shuffle=False, device="meta")
    with pytest.raises(ValueError, match="found 'gpu'"):
        Loader(shards, 4, shuffle=False, device="gpu")
    with pytest.raises(ValueError, match=r"device: 'cuda:99' is not there: PyTorch finds \w+ CUDA device"):
        Loader(shards, 4, shuffle=False, device="cuda:99")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device: 'cuda' is not there: PyTorch finds no CUDA device"):
            Loader(shards, 4, shuffle=False, device="cuda")


def test_slots_are_its_own(shards):
    with pytest.raises(TypeError, match=r"slots: .* mmno_fast\.Loader takes yours"):
        Loader(shards, 4, shuffle=False, slots=[np.empty(1000, np.uint8)])  # type: ignore[call-arg]


@pytest.mark.parametrize("copier", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_batch_whose_collate_raises_was_not_handed_out(shards, error, copier):
    calls = []

    def collate(batch):
        calls.append(batch.position)
        if len(calls) == 3:
            raise error("in the third")
        return batch.row_numbers.tolist()

    with mf.Loader(shards, 16, shuffle=True) as plain:
        expected = [batch.row_numbers.tolist() for batch in plain]
    with Loader(shards, 16, shuffle=True, collate=collate) as loader:
        loader._copier = LateCopier(1) if copier else None
        seen: list[list[int]] = []
        with pytest.raises(error, match="third"):
            seen.extend(loader)
        state = loader.state_dict()
        assert (state["epoch"], state["position"], loader.stats().batches) == (0, 32, 2)
        loader.load_state_dict(state)
        assert list(loader) == expected[2:]


def test_a_collate_without_a_return_does_not_end_the_epoch_unseen(shards):
    with Loader(shards, 16, shuffle=False, collate=lambda _: None) as loader, pytest.raises(TypeError, match="does it lack a return"):
        next(iter(loader))


def test_the_time_in_collate_is_no_waiting(shards):
    def slow(batch):
        time.sleep(0.05)
        return batch

    with Loader(shards, 16, shuffle=False, collate=slow) as loader:
        list(loader)
        stats = loader.stats()
        assert stats.elapsed > 0.6
        assert stats.waited < 0.5 * stats.elapsed


# slots and copies --------------------------------------------------------------------------------------------------------------------


class LateCopy:
    """A copy that reads its source as late as it may: when it is waited for, or the clock has come."""

    def __init__(self, numbers, clock, delay):
        self.tensor = torch.full_like(numbers, 77)
        self._numbers, self._clock, self._due = numbers, clock, clock[0] + delay

    def is_done(self):
        if self._numbers is not None and self._clock[0] >= self._due:
            self.wait()
        return self._numbers is None

    def wait(self):
        if self._numbers is not None:
            self.tensor.copy_(self._numbers)
            self._numbers = None

    def hand_over(self):
        """The device would wait here."""


class LateCopier:
    def __init__(self, delay):
        self.clock, self.delay, self.started = [0], delay, 0

    def start(self, numbers):
        self.started += 1
        # Not the tensor, but its address: nothing of the copy keeps the slot, as nothing of a copy to a device does.
        array = numbers.numpy()
        memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        return LateCopy(torch.from_numpy(np.frombuffer(memory, array.dtype)), self.clock, self.delay)


@pytest.mark.parametrize("delay", [0, 1, 3, 8])
def test_no_slot_is_used_again_before_its_copy_is_done(shards, delay):
    loader = Loader(shards, 16, shuffle=True, prefetch=2)
    copier = LateCopier(delay)
    loader._copier = copier
    with loader, mf.Loader(shards, 16, shuffle=True) as plain:
        arrived = []
        for expected, batch in zip(plain, loader, strict=True):
            copier.clock[0] += 1
            arrived.append((batch.images, expected.images))
            assert loader.state_dict()["position"] in {expected.position, 0}
            assert not batch._host.numbers.size  # the batch itself keeps no slot
            if delay == 0:  # the core had time: it may have written over any slot that is free
                copier.clock[0] += 1
        assert copier.started == 13
        assert loader.stats().slots <= 3 + delay + 3
    for found, wanted in arrived:
        assert np.array_equal(found.numpy(), wanted)


def test_an_interrupted_transfer_waits_for_its_copies(shards):
    loader = Loader(shards, 16, shuffle=False)
    copier = LateCopier(1000)
    loader._copier = copier
    first = next(iter(loader))
    assert first.images.eq(77).all()
    loader.close()
    assert np.array_equal(first.images.numpy(), np.stack([shards[i]["images"][0] for i in range(16)]))


def test_the_state_counts_what_was_handed_out_not_what_was_copied(shards):
    with Loader(shards, 16, shuffle=True) as loader:
        copier = LateCopier(0)
        loader._copier = copier
        running = iter(loader)
        next(running)
        second = next(running)
        assert loader.state_dict()["position"] == second.position == 32
        rest = [batch.row_numbers.tolist() for batch in running]
        with Loader(shards, 16, shuffle=True) as again:
            again.load_state_dict(loader.state_dict() | {"epoch": 0, "position": 32})
            assert [batch.row_numbers.tolist() for batch in again] == rest


def test_an_error_comes_behind_the_batches_before_it(raw, drawn, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(drawn.images, images)
    victim = images / raw[100]["image_names"][0]
    victim.write_bytes(victim.read_bytes()[:-1000])
    dataset = mf.open(drawn.sources, images, image=mf.Resize(64, fit="stretch"))
    counts = []
    for copier in (None, LateCopier(1)):
        with Loader(dataset, 4, shuffle=False) as loader:
            loader._copier = copier
            seen: list[int] = []
            with pytest.raises(mf.DataError, match=r"train_\w+\.jsonl"):
                seen.extend(batch.position for batch in loader)
            assert loader.state_dict()["position"] == 4 * len(seen)
            counts.append(len(seen))
    assert counts[0] == counts[1] > 0


def test_the_largest_batch(shards, drawn):
    assert largest_batch(shards, 16, None) == 16 * 64 * 64 * 3
    assert largest_batch(shards, 16, FLOATS) == 16 * 64 * 64 * 3 * 2
    assert largest_batch(shards.pictures.labelled(), 4, None) == 4 * 64 * 64 * 3
    assert largest_batch(shards.where(variant="open"), 1000, None) == 1000 * 64 * 64 * 3
    dataset = mf.open(drawn.sources, drawn.images)
    limit = largest_batch(dataset, 8, mf.Output())
    with mf.Loader(dataset, 8, shuffle=True) as loader:
        assert 0 < max(batch.nbytes for batch in loader) <= limit
    grouped = largest_batch(dataset, 8, mf.Output(), grouped=True)
    with mf.Loader(dataset, 8, shuffle=True, group_by_picture=True) as loader:
        assert max(batch.nbytes for batch in loader) <= grouped


def test_a_consumer_that_waits_is_told(shards, caplog, monkeypatch):
    monkeypatch.setattr("mmno_fast.loading.loader.WINDOW", 0.0)
    loader = Loader(shards, 16, shuffle=False, threads=1)
    with loader, caplog.at_level(logging.WARNING, "mmno_fast"):
        list(loader)
    assert "waited" in caplog.text


def test_without_cuda_the_bench_says_so():
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root / "python"), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "benches.gpu_overlap"], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "skipped: there is no CUDA device here\n"
