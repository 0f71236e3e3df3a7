"""Lightning: the loader goes to `Trainer.fit` as it is; its place is in every checkpoint, and an epoch goes on in its middle.

python examples/lightning_fit.py --out run
"""

import argparse
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - as its own documents write it
import mmno_fast as mf
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from mmno_fast.demo import draw
from mmno_fast.torch import Batch, Loader
from torch import Tensor, nn


class Classifier(L.LightningModule):
    """Which kind of lesion a picture shows."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))
        self.seen: list[list[int]] = []

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Lightning has moved the batch to the device."""
        self.seen.append(batch.samples.tolist())
        loss = nn.functional.cross_entropy(self.layers(batch.images), batch.labels)
        self.log("loss", loss, batch_size=len(batch))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The usual one."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def fit(shards: Path, out: Path, *, resume: Path | None = None, **options: Any) -> Classifier:
    """Train; the model knows what it saw."""
    L.seed_everything(0, verbose=False)
    pictures = mf.open(shards).pictures.labelled()
    model = Classifier(len(pictures.classes))
    output = mf.Output(dtype="float32", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    every_five = ModelCheckpoint(out / "checkpoints", filename="{step}", every_n_train_steps=5, save_top_k=-1)
    trainer = L.Trainer(
        accelerator="cpu", callbacks=[every_five], logger=False, enable_progress_bar=False, enable_model_summary=False, **options
    )
    with Loader(pictures, batch_size=4, shuffle=True, seed=7, output=output) as loader:
        trainer.fit(model, loader, ckpt_path=resume)
    return model


def main() -> None:
    """Train two epochs; then again from a checkpoint in the middle of the second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    out = parser.parse_args().out
    drawn = draw(out / "data", pictures=30, faults=False)
    shards = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(32, fit="stretch")).path

    whole = fit(shards, out / "whole", max_epochs=2)  # 7 batches an epoch
    resumed = fit(shards, out / "resumed", max_epochs=2, resume=out / "whole" / "checkpoints" / "step=10.ckpt")
    same = resumed.seen == whole.seen[10:] and all(map(torch.equal, resumed.state_dict().values(), whole.state_dict().values()))
    print(f"went on from step 10 of {len(whole.seen)}: {'the same pictures, and the same model' if same else 'something else!'}")


if __name__ == "__main__":
    main()
