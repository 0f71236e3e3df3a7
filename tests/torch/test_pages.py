"""The snippets of `docs/trainers.md` run, one behind the other."""

import mmno_fast as mf
import pytest
import torch
from mmno_fast.demo import draw

from examples.train_vlm import make_model, make_processor
from tests.pages import TRAINERS, fenced

# The trainers warn of many things of their own: workers, loggers, devices.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_the_snippets_run(tmp_path, monkeypatch, capsys):
    draw(tmp_path, pictures=8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # what one trainer has made of the process holds for the next
    torch.manual_seed(7)
    sources = ["train_open.jsonl", "train_closed.jsonl", "train_cot.jsonl"]
    processor = make_processor(mf.open(sources, "images"))
    names = {"__name__": "snippet", "processor": processor, "model": make_model(processor)}
    texts = [text for _, text in fenced(TRAINERS, "python")]
    assert len(texts) == 10
    for number, text in enumerate(texts):
        exec(compile(text, f"snippet {number}", "exec"), names)
    assert len(names["rest"]) == len(names["dataset"]) // 4 - 1
    assert names["batch"].images.shape[1:] == (64, 64, 3)
    assert (tmp_path / "checkpoint").is_dir()
    assert "bfloat16" in capsys.readouterr().out
