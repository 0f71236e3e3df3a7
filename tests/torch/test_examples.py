"""The examples run as they stand; the training one, killed, goes on bit for bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SHOWN = {  # what each says once it went well
    "accelerate_loop.py": "went on",
    "hf_datasets.py": "the very memory",
    "hf_trainer.py": "went on",
    "jax_arrays.py": "bfloat16",
    "lightning_fit.py": "went on",
    "numpy_loop.py": "rows/s",
    "stateful.py": "went on",
    "torch_dataloader.py": "rows",
}


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT / "python"), "PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1"}


def command(name, *arguments):
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


def run(name, *arguments):
    done = subprocess.run(command(name, *arguments), capture_output=True, text=True, env=environment(), timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SHOWN, "train_vlm.py"}


@pytest.mark.parametrize("name", SHOWN)
def test_it_runs(name, tmp_path):
    assert SHOWN[name] in run(name, "--out", tmp_path)


def test_a_killed_training_goes_on_to_the_bit(tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    options = ["--batch-size", 2, "--steps", 50]
    run("train_vlm.py", "--out", undisturbed, *options)
    with subprocess.Popen(
        command("train_vlm.py", "--out", disturbed, *options), stdout=subprocess.PIPE, text=True, env=environment()
    ) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if line.startswith("step 28 "):  # behind the checkpoint of step 25
                first.send_signal(signal.SIGKILL)
                break
    assert first.returncode == -signal.SIGKILL
    assert not (disturbed / "losses.json").exists()
    assert "going on at step 25\n" in run("train_vlm.py", "--out", disturbed, *options)
    losses = [json.loads((out / "losses.json").read_text()) for out in (undisturbed, disturbed)]
    assert len(losses[0]) == 50
    assert losses[0] == losses[1]  # floats are written so that they read back to the bit
    assert losses[0][-1] < losses[0][0] - 1
