"""One of several processes under Accelerate, for `test_trainers`: what it sees of a prepared DataLoader, and of a Loader.

Started with RANK, WORLD_SIZE and the rest in the environment, as torchrun does it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mmno_fast as mf
from accelerate import Accelerator
from mmno_fast.torch import Loader, MapDataset, stack
from torch.utils.data import DataLoader


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    accelerator = Accelerator(cpu=True)
    dataset = mf.open(options.shards)
    mapped = accelerator.prepare(DataLoader(MapDataset(dataset), batch_size=8, collate_fn=stack))
    loader = Loader(dataset, 8, shuffle=True, uneven="short")
    assert accelerator.prepare(loader) is loader
    seen = {
        "processes": accelerator.num_processes,
        "mapped": [batch["row"].tolist() for batch in mapped],
        "loader": [batch.row_numbers.tolist() for batch in loader],
        "gathered": accelerator.gather(next(iter(mapped))["row"]).tolist(),
    }
    (options.out / f"{accelerator.process_index}.json").write_text(json.dumps(seen))
    accelerator.end_training()


if __name__ == "__main__":
    main()
