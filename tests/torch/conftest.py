"""What the tests of the PyTorch side share: drawn data, as shards and as JSONL."""

from __future__ import annotations

import mmno_fast as mf
import pytest
import torch
from mmno_fast.demo import Drawn, draw

torch.set_num_threads(1)  # the machine has other work; nothing here is large

FORKS = r"ignore:os\.fork\(\) was called:RuntimeWarning"
"""JAX warns of every fork, once a test of it was imported in the same process."""
SIDE = 64
"""Of every picture [pixels]: four tokens of Qwen3-VL."""


def pytest_collection_modifyitems(items) -> None:
    """Forks are what some tests are about."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(FORKS))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Drawn:
    """30 pictures, and 210 rows about them."""
    return draw(tmp_path_factory.mktemp("drawn"), pictures=30, faults=False)


@pytest.fixture(scope="session")
def shards(drawn, tmp_path_factory) -> mf.Dataset:
    """The drawn data as shards."""
    out = tmp_path_factory.mktemp("shards") / "shards"
    mf.build(drawn.sources, drawn.images, out, mf.Resize(SIDE, fit="stretch"))
    return mf.open(out)


@pytest.fixture(scope="session")
def raw(drawn) -> mf.Dataset:
    """The drawn data as JSONL."""
    return mf.open(drawn.sources, drawn.images, image=mf.Resize(SIDE, fit="stretch"))
