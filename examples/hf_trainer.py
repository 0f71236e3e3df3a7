"""The Hugging Face Trainer, over a MapDataset, with a Collator for the model's own processor. It resumes as it always does.

The model and its processor are those of ``train_vlm.py``: tiny, randomly initialised, nothing downloaded.

    python examples/hf_trainer.py --out run
"""

import argparse
from pathlib import Path

import mmno_fast as mf
import torch
from mmno_fast.demo import draw
from mmno_fast.torch import Collator, MapDataset
from train_vlm import make_model, make_processor
from transformers import Trainer, TrainingArguments


def make_trainer(shards: Path, out: Path) -> Trainer:
    """A trainer for 8 steps; the same one every time."""
    torch.manual_seed(7)
    dataset = mf.open(shards)
    processor = make_processor(dataset)
    arguments = TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=4,
        max_steps=8,
        save_steps=4,
        logging_steps=1,
        learning_rate=3e-3,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        seed=7,
    )
    return Trainer(make_model(processor), arguments, train_dataset=MapDataset(dataset), data_collator=Collator(processor))


def losses(trainer: Trainer) -> list[float]:
    """Of every step that was logged."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> None:
    """Train, then go on from the checkpoint in the middle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    out = parser.parse_args().out
    drawn = draw(out / "data", pictures=12, faults=False)
    shards = mf.build(drawn.sources, drawn.images, out / "shards", mf.Resize(64, fit="stretch")).path

    whole = make_trainer(shards, out / "run")
    whole.train()
    resumed = make_trainer(shards, out / "again")
    resumed.train(resume_from_checkpoint=str(out / "run" / "checkpoint-4"))
    same = losses(whole) == losses(resumed)
    print(f"went on from step 4 of {len(losses(whole))}: {'the same losses' if same else 'other losses!'}")


if __name__ == "__main__":
    main()
