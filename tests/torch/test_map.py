"""`MapDataset` and `stack`: by index, in a `DataLoader`, in worker processes however they start."""

import pickle

import mmno_fast as mf
import numpy as np
import pytest
import torch
from mmno_fast.torch import MapDataset, Sample, stack
from torch.utils.data import DataLoader

pytestmark = pytest.mark.torch

PATCHES = mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2, mean=mf.CLIP_MEAN, std=mf.CLIP_STD)


@pytest.fixture(params=["shards", "raw"])
def dataset(request):
    return request.getfixturevalue(request.param)


def test_a_sample_is_the_row_with_tensors(dataset):
    rows = MapDataset(dataset)
    assert len(rows) == len(dataset)
    for index in (0, 17, -1):
        sample, row = rows[index], dataset[index]
        assert isinstance(sample, Sample)
        assert list(sample) == list(row)
        for image, expected in zip(sample.pop("images"), row.pop("images"), strict=True):
            assert image.dtype == torch.uint8
            assert np.array_equal(image.numpy(), expected)
        assert dict(sample) == row


def test_what_is_no_sample(shards):
    rows = MapDataset(shards)
    for index in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError, match=f"sample {index} of"):
            rows[index]
    with pytest.raises(TypeError):
        rows["first"]  # type: ignore[index]
    with pytest.raises(TypeError, match="expected a Dataset"):
        MapDataset([1, 2])  # type: ignore[arg-type]
    assert rows.__getitems__([]) == []


def test_options_that_make_no_sense_are_refused_when_it_is_made(shards):
    with pytest.raises(TypeError, match="output: expected an Output, found 'float32'"):
        MapDataset(shards, output="float32")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='channels: expected "rgb" or "stored", found \'gray\''):
        MapDataset(shards, channels="gray")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave out output"):
        MapDataset(shards, output=mf.Output(dtype="float32"), channels="stored")


def test_a_batch_needs_no_copy(dataset):
    rows = MapDataset(dataset)
    samples = rows.__getitems__([5, 3, 3, 100])
    batch = stack(samples)
    assert batch["images"].data_ptr() == samples[0]["images"][0].data_ptr()
    assert batch["row"].tolist() == [5, 3, 3, 100]
    assert batch["image_offsets"].tolist() == [0, 1, 2, 3, 4]
    for image, index in zip(batch["images"], [5, 3, 3, 100], strict=True):
        assert np.array_equal(image.numpy(), dataset[index]["images"][0])
    # Not side by side: copied.
    other = stack([samples[0], samples[2]])
    assert other["images"].data_ptr() != samples[0]["images"][0].data_ptr()
    assert torch.equal(other["images"], batch["images"][[0, 2]])


def test_a_sample_keeps_its_memory(shards):
    rows = MapDataset(shards)
    kept = [rows.__getitems__(range(i, i + 4)) for i in range(0, 40, 4)]
    for i, sample in enumerate(sample for samples in kept for sample in samples):
        assert np.array_equal(sample["images"][0].numpy(), shards[i]["images"][0])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_outputs(shards, dtype):
    output = mf.Output(dtype=dtype, layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    image = MapDataset(shards, output=output)[8]["images"][0]
    assert image.dtype == getattr(torch, dtype)
    pixels = torch.from_numpy(shards[8]["images"][0]).permute(2, 0, 1).to(torch.float64)
    mean, std = (torch.tensor(values, dtype=torch.float64).reshape(3, 1, 1) * 255 for values in (mf.CLIP_MEAN, mf.CLIP_STD))
    torch.testing.assert_close(image, ((pixels - mean) / std).to(image.dtype), rtol=0, atol=1e-6 if dtype == "float32" else 2e-2)


def test_patches(shards):
    rows = MapDataset(shards, output=PATCHES)
    samples = rows.__getitems__([3, 9])
    assert "images" not in samples[0]
    batch = stack(samples)
    assert batch["pixel_values"].shape == (2 * 16, 3 * 2 * 16 * 16)
    assert batch["image_grid_thw"].tolist() == [[1, 4, 4]] * 2
    assert batch["pixel_values"].data_ptr() == samples[0]["pixel_values"].data_ptr()
    with mf.Loader(shards.where(np.isin(np.arange(len(shards)), [3, 9])), 2, shuffle=False, output=PATCHES) as loader:
        assert np.array_equal(next(iter(loader)).pixel_values, batch["pixel_values"].numpy())


def test_pictures_with_labels(dataset):
    labelled = dataset.pictures.labelled()
    pictures = MapDataset(labelled)
    assert len(pictures) == 30
    sample = pictures[7]
    assert sample["label"] == labelled.labels[7]
    assert np.array_equal(sample["image"].numpy(), labelled.pictures[7].rgb())
    batch = next(iter(DataLoader(pictures, batch_size=30, collate_fn=stack)))
    assert batch["labels"].tolist() == labelled.labels.tolist()
    assert batch["images"].shape == (30, 64, 64, 3)
    assert "labels" not in next(iter(DataLoader(MapDataset(dataset.pictures), batch_size=3, collate_fn=stack)))
    patches = stack(MapDataset(labelled, output=PATCHES).__getitems__([1, 2]))
    assert (patches["pixel_values"].shape[0], patches["labels"].shape) == (32, (2,))


def test_selections_and_sizes_of_their_own(drawn):
    dataset = mf.open(drawn.sources, drawn.images)  # pictures as large as they are
    closed = dataset.where(variant="closed")
    rows = MapDataset(closed, channels="stored")
    assert {rows[i]["variant"] for i in range(len(rows))} == {"closed"}
    batch = stack(rows.__getitems__(range(21)))
    assert isinstance(batch["images"], list)
    assert {image.dim() for image in batch["images"]} <= {2, 3}


def length_of_answer(sample):
    return len(sample["messages"][-1]["content"])


@pytest.mark.parametrize("context", [None, "fork", "forkserver", "spawn"])
def test_in_a_dataloader(shards, context):
    rows = MapDataset(shards)
    workers = 0 if context is None else 2
    loader = DataLoader(rows, batch_size=32, collate_fn=stack, num_workers=workers, multiprocessing_context=context)
    batches = list(loader)
    assert torch.cat([batch["row"] for batch in batches]).tolist() == list(range(len(shards)))
    images = torch.cat([batch["images"] for batch in batches])
    expected = np.stack([shards[i]["images"][0] for i in range(len(shards))])
    assert np.array_equal(images.numpy(), expected)
    assert [messages for batch in batches for messages in batch["messages"]] == shards.rows.column("messages").to_pylist()


def test_workers_of_raw_data_with_a_transform(raw):
    rows = MapDataset(raw, transform=length_of_answer)
    loader = DataLoader(rows, batch_size=64, num_workers=2, multiprocessing_context="spawn")
    assert torch.cat(list(loader)).tolist() == [len(row["messages"][-1]["content"]) for row in raw]


def test_forks_do_not_hang(shards):
    """Threads end with each call: a fork right after one finds none of them, and no lock that is held."""
    rows = MapDataset(shards, threads=2)
    for _ in range(10):
        rows.__getitems__(range(16))
        loader = DataLoader(rows, batch_size=64, collate_fn=stack, num_workers=1, multiprocessing_context="fork", timeout=60)
        assert len(next(iter(loader))["row"]) == 64


def test_it_pickles_as_how_it_was_made(raw):
    rows = MapDataset(raw, output=mf.Output(dtype="float32"))
    rows[0]
    again = pickle.loads(pickle.dumps(rows))
    assert torch.equal(again[3]["images"][0], rows[3]["images"][0])
    assert len(pickle.dumps(rows)) < 4000


def test_stack_wants_samples():
    with pytest.raises(ValueError, match="at least one sample"):
        stack([])
