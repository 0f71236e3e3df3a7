"""Pictures, labelled ones and those of selections pickle as how their data set was opened, so that workers can have them."""

import pickle
import shutil

import mmno_fast as mf
import numpy as np
import pytest
import torch
from mmno_fast.torch import IterableDataset, MapDataset, stack
from torch.utils.data import DataLoader

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:This DataLoader will create")]

SOURCES = {
    "pictures": lambda dataset: dataset.pictures,
    "labelled": lambda dataset: dataset.pictures.labelled(),
    "of a selection": lambda dataset: dataset.where(variant="closed").pictures.subset(np.array([5, 2, 11])),
}


@pytest.fixture(params=["shards", "raw"])
def dataset(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["pictures", "labelled", "of a selection"])
def source(request, dataset):
    return SOURCES[request.param](dataset)


def pixels_of(source):
    pictures = source.pictures if isinstance(source, mf.LabelledPictures) else source
    return [picture.rgb() for picture in pictures]


def test_they_pickle_and_open_when_they_are_used(source):
    again = pickle.loads(pickle.dumps(source))
    assert len(again) == len(source)
    twice = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(source))))  # one that nobody has opened
    for other in (again, twice):
        assert all(np.array_equal(one, two) for one, two in zip(pixels_of(other), pixels_of(source), strict=True))
    if isinstance(source, mf.LabelledPictures):
        assert again.labels.tolist() == source.labels.tolist()
        assert again.classes == source.classes
    else:
        assert again.labelled().labels.tolist() == source.labelled().labels.tolist()
        assert again.table.equals(source.table)
    with mf.Loader(again, 4, shuffle=True) as loader, mf.Loader(source, 4, shuffle=True) as other:
        assert loader.state_dict() == other.state_dict()


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_map_style_in_workers_however_they_start(source, context):
    loader = DataLoader(MapDataset(source), batch_size=8, collate_fn=stack, num_workers=1, multiprocessing_context=context)
    batches = list(loader)
    assert np.array_equal(torch.cat([batch["images"] for batch in batches]).numpy(), np.stack(pixels_of(source)))
    if isinstance(source, mf.LabelledPictures):
        assert torch.cat([batch["labels"] for batch in batches]).tolist() == source.labels.tolist()


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_batches_in_workers_however_they_start(dataset, context):
    source = dataset.pictures.labelled()
    batches = IterableDataset(source, 8, shuffle=False)
    found = list(DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context=context))
    assert np.array_equal(torch.cat([batch["images"] for batch in found]).numpy(), np.stack(pixels_of(source)))
    assert torch.cat([batch["labels"] for batch in found]).tolist() == source.labels.tolist()


def test_a_data_set_that_was_rebuilt_is_refused(drawn, tmp_path):
    shards = tmp_path / "shards"
    mf.build(drawn.sources, drawn.images, shards, mf.Resize(32, fit="stretch"))
    kept = pickle.dumps(mf.open(shards).pictures.labelled())
    shutil.rmtree(shards)
    mf.build(drawn.sources, drawn.images, shards, mf.Resize(48, fit="stretch"))
    changed = pickle.loads(kept)
    with pytest.raises(mf.ShardError, match="rebuilt since then"):
        changed.pictures[0]


def test_pictures_of_jsonl_that_have_changed_are_refused(drawn, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(drawn.images, images)
    dataset = mf.open(drawn.sources, images)
    kept = pickle.dumps(dataset.pictures)
    files = {path.relative_to(images).as_posix().lower(): path for path in images.rglob("*.*")}
    one, other = (files[dataset.pictures[i].names[0].lower()] for i in (3, 4))
    shutil.copyfile(other, one)  # the rows are the same; there is one picture less
    changed = pickle.loads(kept)
    with pytest.raises(mf.ShardError, match="pictures have changed"):
        changed[0]
