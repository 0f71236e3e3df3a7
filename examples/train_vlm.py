"""Train a small vision-language model, be killed, and go on as if nothing had happened.

The model is a Qwen3-VL of transformers, tiny and randomly initialised; its processor is the real one, with a tokenizer that is trained on
the rows. So nothing is downloaded, and everything else is as in a real run: a checkpoint every few steps holds the model, the optimizer,
the generator and the loader's state. Start it again with the same ``--out``, and the losses go on bit for bit.

    python examples/train_vlm.py --out run --steps 50
    python examples/train_vlm.py --out run --steps 50 --shards shards/
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import mmno_fast as mf
import torch
from mmno_fast.demo import draw
from mmno_fast.torch import Collator, Loader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

PATCH, MERGE, TEMPORAL = 16, 2, 2
HALF = (0.5, 0.5, 0.5)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TEMPLATE = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% for part in message['content'] %}\
{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}\
{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""


def make_processor(dataset: mf.Dataset) -> Qwen3VLProcessor:
    """Qwen3-VL's own processor, with a tokenizer that is trained on the rows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    texts = (message["content"] for messages in dataset.rows.column("messages").to_pylist() for message in messages)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    return Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=PATCH, image_mean=HALF, image_std=HALF), fast, Qwen3VLVideoProcessor(), chat_template=TEMPLATE
    )


def make_model(processor: Qwen3VLProcessor) -> Qwen3VLForConditionalGeneration:
    """A model of some 100,000 numbers, by the generator of torch."""
    ids = {
        name: processor.tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start", "vision_end")
    }
    text = {
        "vocab_size": len(processor.tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 2, 2]},
        "bos_token_id": None,
        "eos_token_id": processor.tokenizer.eos_token_id,
        "pad_token_id": processor.tokenizer.pad_token_id,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": PATCH,
        "out_hidden_size": 48,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [1],
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
    )
    return Qwen3VLForConditionalGeneration(config)


def save(path: Path, **state: Any) -> None:
    """Write a checkpoint whole, or not at all."""
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)  # noqa: PTH105 - the name of what is meant


def train(shards: Path, out: Path, *, steps: int, batch_size: int, every: int) -> list[float]:
    """Train from the last checkpoint on, or from the beginning; the loss of every step."""
    torch.manual_seed(7)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # enough for so small a model, and sums are the same however many CPUs there are
    dataset = mf.open(shards)
    processor = make_processor(dataset)
    model = make_model(processor)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    output = mf.Output(  # the model's patches, straight from the core
        dtype="float32", layout="patches", patch=PATCH, merge=MERGE, temporal=TEMPORAL, mean=HALF, std=HALF
    )
    losses: list[float] = []
    checkpoint = out / "checkpoint.pt"
    with Loader(dataset, batch_size, shuffle=True, seed=7, output=output, collate=Collator(processor)) as loader:
        if checkpoint.exists():
            state = torch.load(checkpoint)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["generator"])
            loader.load_state_dict(state["loader"])
            losses = state["losses"]
            print(f"going on at step {len(losses)}", flush=True)
        while len(losses) < steps:
            for inputs in loader:  # the next epoch, or the rest of the one that was cut short
                loss = model(**inputs).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
                print(f"step {len(losses)} loss {losses[-1]:.4f}", flush=True)
                if len(losses) % every == 0 or len(losses) == steps:
                    save(
                        checkpoint,
                        model=model.state_dict(),
                        optimizer=optimizer.state_dict(),
                        generator=torch.get_rng_state(),
                        loader=loader.state_dict(),
                        losses=losses,
                    )
                if len(losses) == steps:
                    break
        print(loader.explain())
    return losses


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--shards", type=Path, help="folder of shards; without it, data are drawn")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--every", type=int, default=5, help="steps from one checkpoint to the next")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shards = options.shards or options.out / "shards"
    if options.shards is None:  # a second run finds them, and builds nothing
        drawn = draw(options.out / "data", pictures=12, faults=False)
        mf.build(drawn.sources, drawn.images, shards, mf.Resize(64, fit="stretch"))
    losses = train(shards, options.out, steps=options.steps, batch_size=options.batch_size, every=options.every)
    (options.out / "losses.json").write_text(json.dumps(losses))
    print(f"loss {losses[0]:.3f} at the first step, {losses[-1]:.3f} at the last")


if __name__ == "__main__":
    main()
