"""Ctrl-C while a `DataLoader` waits for a batch, collates or iterates, with workers and without."""

from __future__ import annotations

import pytest

from tests.interrupting import BEGIN, SOON, slow_rows, soonest

pytestmark = pytest.mark.torch

IMPORTS = f"""{BEGIN}
import os
import torch
from mmno_fast.torch import Collator, IterableDataset, MapDataset, stack
from torch.utils.data import DataLoader, RandomSampler
torch.set_num_threads(1)
def quiet(_):  # what PyTorch's own threads in a worker say where nobody reads on
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
"""

ITERATING = """before = running()
print("ready", flush=True)
try:
    for batch in batches:
        pass
except KeyboardInterrupt:
    print(time.time(), "interrupted", flush=True)
del batches
print(ended())
"""
"""Until it is interrupted."""

WAITING = f"""{IMPORTS}
source, images, kind, workers = sys.argv[1:]
def collate(batch):
    return batch.to_dict()
dataset = mf.open(source, images, image=mf.Resize(64, fit="stretch"))
if kind == "map":
    batches = DataLoader(MapDataset(dataset), batch_size=2, collate_fn=stack, num_workers=int(workers), worker_init_fn=quiet)
else:
    made = IterableDataset(dataset, 2, shuffle=False, collate=collate)
    batches = DataLoader(made, batch_size=None, num_workers=int(workers), worker_init_fn=quiet)
{ITERATING}"""

COLLATING = f"""{IMPORTS}
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else it warns of forks
from examples.train_vlm import make_processor
dataset = mf.open(sys.argv[1])
collator = Collator(make_processor(dataset))
# An epoch that does not end.
sampler = RandomSampler(dataset, replacement=True, num_samples=10**6)
batches = DataLoader(MapDataset(dataset), batch_size=8, sampler=sampler, collate_fn=collator)
next(iter(batches))  # threads of the tokenizer and of torch begin
{ITERATING}"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return slow_rows(tmp_path_factory.mktemp("slow"))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["map", "iterable"])
def test_ctrl_c_works_soon_while_a_batch_is_waited_for(slow, kind, workers):
    assert soonest(WAITING, slow / "a.jsonl", slow / "images", kind, workers, delays=(0.25, 0.3, 0.4)) < SOON


def test_ctrl_c_works_soon_while_rows_are_collated(shards):
    """Without workers: how PyTorch ends workers that have much to hand over is its own affair."""
    assert soonest(COLLATING, shards.path, delays=(0.3, 0.2, 0.5)) < SOON
