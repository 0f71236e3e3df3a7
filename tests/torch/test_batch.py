"""A `Batch` in other hands: pickled, sent by a worker, as a dict."""

import copy
import pickle
import shutil

import mmno_fast as mf
import numpy as np
import pytest
import torch
from mmno_fast.torch import IterableDataset, Loader
from torch.utils.data import DataLoader

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:This DataLoader will create")]

OPTIONS = {
    "bytes": {},
    "bfloat16": {"output": mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)},
    "patches": {"output": mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2)},
    "as stored": {"channels": "stored"},
    "shared": {"group_by_picture": True},
}


@pytest.fixture(scope="module")
def broken(drawn, raw, tmp_path_factory):
    """JSONL of which one picture cannot be decoded."""
    images = tmp_path_factory.mktemp("broken") / "images"
    shutil.copytree(drawn.images, images)
    victim = images / raw[100]["image_names"][0]
    victim.write_bytes(victim.read_bytes()[:-1000])
    return mf.open(drawn.sources, images, image=mf.Resize(64, fit="stretch"))


def itself(batch):
    return batch


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_pickles_by_value(shards, options):
    with Loader(shards, 8, shuffle=True, **options) as loader, mf.Loader(shards, 8, shuffle=True, **options) as plain:
        tensors, arrays = next(iter(loader)), next(iter(plain))
    found = pickle.loads(pickle.dumps(tensors))
    assert found.images[0].dtype == tensors.images[0].dtype
    assert all(torch.equal(one, other) for one, other in zip(found.images, tensors.images, strict=True))
    host = pickle.loads(pickle.dumps(arrays))
    assert all(np.array_equal(one, other) for one, other in zip(host.images, arrays.images, strict=True))
    for again, batch in ((found, tensors), (host, arrays), (copy.deepcopy(arrays), arrays)):
        assert repr(again) == repr(batch)
        assert again.rows.equals(batch.rows)
        assert (again.epoch, again.position, again.nbytes, len(again)) == (batch.epoch, batch.position, batch.nbytes, len(batch))
        for name in ("row_numbers", "image_offsets", "image_index", "samples"):
            assert getattr(again, name).tolist() == getattr(batch, name).tolist()
    assert list(found.to_dict()) == list(tensors.to_dict())
    assert pickle.loads(pickle.dumps(found.to("meta"))).device.type == "meta"


def test_labels_pickle_and_only_those_of_the_batch(shards):
    with Loader(shards.pictures.labelled(), 8, shuffle=True) as loader:
        batch = next(iter(loader))
    again = pickle.loads(pickle.dumps(batch))
    assert again.labels.tolist() == batch.labels.tolist()
    assert list(again.to_dict()) == ["images", "labels"]
    assert again._host._labels.size == 0


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_worker_sends_it(shards, context):
    batches = IterableDataset(shards, 32, shuffle=True, collate=itself)
    loader = DataLoader(batches, batch_size=None, num_workers=1, multiprocessing_context=context, timeout=60)
    with Loader(shards, 32, shuffle=True) as expected:
        for batch, other in zip(loader, expected, strict=True):
            assert torch.equal(batch.images, other.images)
            assert batch.rows.equals(other.rows)


def test_what_was_left_out_is_in_the_dict(broken):
    with Loader(broken, 16, shuffle=False, on_error="skip") as loader:
        expected = [each for batch in loader for each in batch.skipped]
    assert len(expected) == 7
    for workers in (0, 2):
        batches = IterableDataset(broken, 16, shuffle=False, on_error="skip")
        dicts = list(DataLoader(batches, batch_size=None, num_workers=workers))
        assert [tuple(each) for batch in dicts for each in batch.get("skipped", ())] == [tuple(each) for each in expected]
        assert all(batch["skipped"] for batch in dicts if "skipped" in batch)
        assert sum(len(batch["row"]) for batch in dicts) == len(broken) - len(expected)
    with Loader(broken, 16, shuffle=False, on_error="skip") as loader:
        found = [pickle.loads(pickle.dumps(batch)).skipped for batch in loader]
    assert [each for skipped in found for each in skipped] == expected
