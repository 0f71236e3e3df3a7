"""Hugging Face datasets: the rows as a `datasets.Dataset`, and pictures that are views of the shards until somebody changes them.

python examples/hf_datasets.py --out run
"""

import argparse
from pathlib import Path
from typing import Any

import mmno_fast as mf
import numpy as np
import torch
from mmno_fast.demo import draw
from torch import Tensor
from torch.utils.data import DataLoader


def collate(rows: list[dict[str, Any]]) -> tuple[Tensor, list[str]]:
    """Pictures and questions of a batch; here each row has one picture, and all have one size."""
    images = torch.from_numpy(np.stack([row["images"][0] for row in rows]))
    return images, [row["messages"][0]["content"] for row in rows]


def main() -> None:
    """Workers that are spawned import this file again, so nothing else may happen at its top."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the drawn data")
    out = parser.parse_args().out
    drawn = draw(out / "data", pictures=30, faults=False)
    report = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(112, fit="stretch"))

    dataset = mf.open(report.path)
    train, held_out = (part.to_hf() for part in dataset.split(0.9, seed=1))  # no picture is on both sides
    closed = train.filter(lambda variant: variant == "closed", input_columns="variant")  # looks at no picture
    loader = DataLoader(closed.shuffle(seed=7), batch_size=16, collate_fn=collate, num_workers=2)
    asked = 0
    for images, questions in loader:
        asked += len(questions)
        mean = images.float().mean()  # uint8 (16, 112, 112, 3)
    print(f"{asked} closed questions of {len(train)} rows; the last batch has a mean of {mean:.1f}; {len(held_out)} rows were held out")

    row = dataset.to_hf(channels="stored")[0]
    number = dataset.rows.column("pictures")[0].as_py()[0]
    same = np.shares_memory(row["images"][0], dataset.pictures[number].pixels)
    print(f"as they are stored, pixels are {'the very memory of the shard' if same else 'a copy'}")


if __name__ == "__main__":
    main()
