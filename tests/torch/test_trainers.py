"""Accelerate, Lightning and the Hugging Face Trainer, as they are, over a MapDataset and over a Loader."""

import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import lightning as L  # noqa: N812 - as its own documents write it
import mmno_fast as mf
import pytest
import torch
from accelerate import Accelerator
from mmno_fast.torch import Collator, IterableDataset, Loader, MapDataset, stack
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from examples.train_vlm import HALF, make_model, make_processor

# The trainers warn of many things of their own: workers, loggers, devices.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).resolve().parents[2]
PATCHES = mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2, mean=HALF, std=HALF)


def test_accelerate_in_one_process(shards):
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(MapDataset(shards), batch_size=32, collate_fn=stack))
    batches = list(loader)
    assert torch.cat([batch["row"] for batch in batches]).tolist() == list(range(len(shards)))
    assert batches[0]["images"].shape == (32, 64, 64, 3)
    own = Loader(shards, 32, shuffle=True)
    assert accelerator.prepare(own) is own


def test_accelerate_in_two_processes(shards, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(2):
        own = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = os.environ | {name: str(value) for name, value in own.items()} | {"PYTHONPATH": str(ROOT / "python")}
        command = [sys.executable, str(Path(__file__).with_name("two_processes.py")), "--shards", str(shards.path), "--out", str(tmp_path)]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        assert process.wait(120) == 0, process.communicate()[1]
        process.communicate()
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [each["processes"] for each in seen] == [2, 2]
    # Accelerate's own sharding: all rows, some of the first again so that all get as many.
    mapped = [row for each in seen for batch in each["mapped"] for row in batch]
    assert set(mapped) == set(range(len(shards)))
    assert seen[0]["gathered"] == seen[1]["gathered"] == list(range(16))
    # The loader's: all rows, once.
    loaded = [row for each in seen for batch in each["loader"] for row in batch]
    assert sorted(loaded) == list(range(len(shards)))


class Classifier(L.LightningModule):
    """Of batches that are dicts, or the loader's."""

    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, classes))
        self.seen = []

    def training_step(self, batch, _):
        images, labels = (batch["images"], batch["labels"]) if isinstance(batch, dict) else (batch.images, batch.labels)
        self.seen.append((self.trainer.current_epoch, labels.tolist()))
        return nn.functional.cross_entropy(self.layers(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-4)


@pytest.mark.parametrize("kind", ["map", "iterable", "loader"])
def test_lightning(shards, kind, tmp_path):
    pictures = shards.pictures.labelled()
    output = mf.Output(dtype="float32", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    model = Classifier(len(pictures.classes))
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(accelerator="cpu", max_epochs=2, default_root_dir=tmp_path, **options)
    if kind == "map":
        loader = DataLoader(MapDataset(pictures, output=output), batch_size=10, collate_fn=stack)
    elif kind == "iterable":
        loader = DataLoader(IterableDataset(pictures, 10, shuffle=True, output=output), batch_size=None)
    else:
        loader = Loader(pictures, 10, shuffle=True, output=output)
    trainer.fit(model, loader)
    assert [epoch for epoch, _ in model.seen] == [0] * 3 + [1] * 3
    epochs = [[label for own, labels in model.seen if own == epoch for label in labels] for epoch in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(pictures.labels.tolist())
    assert (epochs[0] == epochs[1]) == (kind == "map")  # that DataLoader does not shuffle
    if kind == "loader":
        with mf.Loader(pictures, 10, shuffle=True) as plain:
            assert epochs == [[label for batch in plain for label in batch.labels.tolist()] for _ in range(2)]


class Recording(Trainer):
    """Writes down what the model was given."""

    def compute_loss(self, model, inputs, *arguments, **options):
        self.__dict__.setdefault("seen", []).append(inputs["input_ids"].clone())
        return super().compute_loss(model, inputs, *arguments, **options)


class OverLoader(Recording):
    """With a loader in place of the DataLoader that it would build."""

    def get_train_dataloader(self):
        return self.accelerator.prepare(self.loader)


def arguments(out, **options):
    fixed = {"per_device_train_batch_size": 4, "report_to": [], "disable_tqdm": True, "use_cpu": True, "save_strategy": "no"}
    return TrainingArguments(output_dir=str(out), dataloader_pin_memory=False, learning_rate=1e-3, **fixed, **options)


def few(dataset):
    return dataset.where([i < 10 for i in range(len(dataset))])


def test_the_hugging_face_trainer_over_a_map_dataset(shards, tmp_path):
    torch.manual_seed(0)
    processor = make_processor(shards)
    settings = arguments(tmp_path, num_train_epochs=2, dataloader_num_workers=2)
    assert settings.remove_unused_columns  # its default: it would take messages and images from dicts
    dataset = MapDataset(few(shards), output=PATCHES)
    trainer = Recording(make_model(processor), settings, train_dataset=dataset, data_collator=Collator(processor))
    trainer.train()
    assert trainer.state.global_step == 6
    expected = Collator(processor)(dataset.__getitems__(range(10)))["input_ids"]
    assert rows_of(trainer.seen[:3]) == rows_of(trainer.seen[3:]) == rows_of([expected])
    assert trainer.seen[0].tolist() != trainer.seen[3].tolist()


def test_the_hugging_face_trainer_over_a_loader(shards, tmp_path):
    torch.manual_seed(0)
    processor = make_processor(shards)
    settings = arguments(tmp_path, num_train_epochs=2)
    with Loader(few(shards), 4, shuffle=True, output=PATCHES, uneven="short", collate=Collator(processor)) as loader:
        trainer = OverLoader(make_model(processor), settings)
        trainer.loader = loader
        trainer.train()
        assert trainer.state.global_step == 6
        assert loader.epoch == 1  # a trainer counts batches, and does not ask for one behind the last
        loader.set_epoch(0)
        again = [inputs["input_ids"] for inputs in itertools.chain(loader, loader)]
    assert [inputs.tolist() for inputs in trainer.seen] == [inputs.tolist() for inputs in again]


def rows_of(batches):
    """The texts of some batches, whatever they are padded to, sorted."""
    return sorted(tuple(token for token in row if token != 0) for batch in batches for row in batch.tolist())
