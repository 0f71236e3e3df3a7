"""One rank of a training run over several processes, for `test_distributed`: reads, agrees with the others on each step, writes down what.

Started with RANK, WORLD_SIZE and the rest in the environment, as torchrun does it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import mmno_fast as mf
import torch
import torch.distributed as dist
from mmno_fast.torch import Loader


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--open", required=True, help="arguments of open as JSON: a folder, or sources and images")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--global-batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    dist.init_process_group(
        "gloo", init_method=f"file://{options.out / 'rendezvous'}", rank=int(os.environ["RANK"]), world_size=int(os.environ["WORLD_SIZE"])
    )
    rank, world = dist.get_rank(), dist.get_world_size()
    where = json.loads(options.open)
    dataset = mf.open(where) if isinstance(where, str) else mf.open(*where, image=mf.Resize(64, fit="stretch"))
    state = options.out.parent / "state.json"
    with (
        Loader(dataset, options.global_batch // world, shuffle=True, seed=11, uneven="short") as loader,
        (options.out / f"rank{rank}.jsonl").open("w") as seen,
    ):
        assert (loader.rank, loader.world_size) == (rank, world)
        if state.exists():
            loader.load_state_dict(json.loads(state.read_text()))
        while loader.epoch < options.epochs:
            for batch in loader:
                rows = list(zip(batch.rows.column("source").to_pylist(), batch.rows.column("line").to_pylist(), strict=True))
                position = torch.tensor([batch.position, -batch.position])
                dist.all_reduce(position, dist.ReduceOp.MAX)
                assert position.tolist() == [batch.position, -batch.position]  # all ranks are at the same step
                print(json.dumps([batch.epoch, batch.position, rows]), file=seen, flush=True)
                dist.barrier()
                if rank == 0:
                    new = state.with_suffix(".new")
                    new.write_text(json.dumps(loader.state_dict()))
                    new.replace(state)
                time.sleep(options.pause)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
