"""PyTorch's own DataLoader, with workers, over a MapDataset: one call of the core for each batch.

python examples/torch_dataloader.py --out run
"""

import argparse
from pathlib import Path

import mmno_fast as mf
from mmno_fast.demo import draw
from mmno_fast.torch import MapDataset, stack
from torch.utils.data import DataLoader


def main() -> None:
    """Workers that are spawned import this file again, so nothing else may happen at its top."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the drawn data")
    out = parser.parse_args().out

    drawn = draw(out / "data", pictures=30, faults=False)
    # JSONL and pictures as they are: every picture is decoded when a batch needs it.
    dataset = mf.open(drawn.sources, drawn.images, image=mf.Resize(112, fit="stretch"))
    output = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    loader = DataLoader(MapDataset(dataset, output=output), batch_size=16, shuffle=True, collate_fn=stack, num_workers=2)
    for batch in loader:
        images = batch["images"]  # (16, 3, 112, 112)
        questions = [messages[0]["content"] for messages in batch["messages"]]
    print(f"{images.dtype} {tuple(images.shape)} of {len(questions)} rows, the first asks {questions[0]!r}")


if __name__ == "__main__":
    main()
