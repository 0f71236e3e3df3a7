"""Accelerate: its `prepare` leaves the loader as it is (it knows its rank), and its checkpoints hold the loader's place.

python examples/accelerate_loop.py --out run
accelerate launch --num_processes 2 --cpu examples/accelerate_loop.py --out run
"""

import argparse
from pathlib import Path

import mmno_fast as mf
import torch
from accelerate import Accelerator
from mmno_fast.demo import draw
from mmno_fast.torch import Loader
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, required=True, help="folder of the run")
out = parser.parse_args().out

accelerator = Accelerator(cpu=not torch.cuda.is_available())
if accelerator.is_main_process:
    drawn = draw(out / "data", pictures=30, faults=False)
    mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(32, fit="stretch"))
accelerator.wait_for_everyone()
# Which kind of lesion a picture shows: the name of the folder that it lies in.
pictures = mf.open(out / "shards").pictures.labelled()
output = mf.Output(dtype="float32", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)


def train(steps: int, *, save_at: int | None = None) -> list[float]:
    """The losses of some steps, over as many epochs as they need."""
    losses: list[float] = []
    while len(losses) < steps:
        for batch in loader:
            loss = nn.functional.cross_entropy(model(batch.images), batch.labels)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if len(losses) == save_at:
                accelerator.save_state(out / "checkpoint")
            if len(losses) == steps:
                break
    return losses


torch.manual_seed(0)
network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, len(pictures.classes)))
batches = Loader(pictures, batch_size=4, shuffle=True, seed=7, output=output, device=accelerator.device)
model, optimizer, loader = accelerator.prepare(network, torch.optim.AdamW(network.parameters(), lr=1e-3), batches)
accelerator.register_for_checkpointing(loader)

whole = train(20, save_at=10)  # in the middle of the second epoch
accelerator.load_state(out / "checkpoint")  # a process that starts anew does the same
resumed = train(10)
accelerator.print(f"went on from step 10: {'the same losses' if resumed == whole[10:] else 'other losses!'}")
accelerator.end_training()
