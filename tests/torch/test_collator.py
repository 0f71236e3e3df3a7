"""`Collator`: the processor's own inputs, and labels on just the answers."""

import copy
import pickle

import mmno_fast as mf
import pytest
import torch
from mmno_fast.torch import Collator, IterableDataset, Loader, MapDataset, stack
from mmno_fast.torch.conversations import conversation_of
from torch.utils.data import DataLoader

from examples.train_vlm import HALF, TEMPLATE, make_model, make_processor

pytestmark = pytest.mark.torch

PATCHES = mf.Output(dtype="float32", layout="patches", patch=16, merge=2, temporal=2, mean=HALF, std=HALF)


@pytest.fixture(scope="module")
def processor(shards):
    return make_processor(shards)


def same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_what_the_processor_makes_by_itself(shards, processor):
    samples = MapDataset(shards).__getitems__([0, 100, 180, 209])
    inputs = Collator(processor)(samples)
    conversations = [
        [
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": row["messages"][0]["content"].removeprefix("<image>")}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": row["messages"][1]["content"]}]},
        ]
        for row in (shards[i] for i in (0, 100, 180, 209))
    ]
    assert [conversation_of(sample["messages"], 1) for sample in samples] == conversations
    texts = [processor.apply_chat_template(conversation, tokenize=False) for conversation in conversations]
    images = [shards[i]["images"][0] for i in (0, 100, 180, 209)]
    expected = processor(text=texts, images=images, do_resize=False, padding=True, return_tensors="pt")
    labels = inputs.pop("labels")
    same(dict(expected), inputs)
    assert labels.shape == inputs["input_ids"].shape


def test_labels_are_the_answers_and_the_end_of_the_turn(shards, processor):
    samples = MapDataset(shards).__getitems__(range(0, 210, 13))
    labels = Collator(processor)(samples)["labels"]
    for row, sample in zip(labels, samples, strict=True):
        assert processor.tokenizer.decode(row[row != -100]) == sample["messages"][-1]["content"] + "<|im_end|>"


def test_several_turns_and_a_system_turn(shards, processor):
    sample = MapDataset(shards)[0]
    sample["messages"] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First this: <image> What is it?"},
        {"role": "assistant", "content": "  A slice.\nOf a head. "},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "Still <image> a slice."},
    ]
    inputs = Collator(processor)([sample])
    labels = inputs["labels"][0]
    decode = processor.tokenizer.decode
    assert decode(labels[labels != -100]) == "  A slice.\nOf a head. <|im_end|>Still <image> a slice.<|im_end|>"
    learnt = (labels != -100).int()
    assert int((learnt.diff() == 1).sum()) == 2
    assert decode(inputs["input_ids"][0]).count("<|image_pad|>") == 4


def test_pictures_without_a_placeholder_come_first(processor, shards):
    sample = MapDataset(shards)[0]
    sample["messages"] = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "This."}]
    text = processor.tokenizer.decode(Collator(processor)([sample])["input_ids"][0])
    assert text.startswith("<|im_start|>user\n<|vision_start|><|image_pad|>")


def test_patches_are_the_processors_to_the_bit(shards, processor):
    collator = Collator(processor)
    indices = [7, 3, 150, 3]
    same(collator(MapDataset(shards).__getitems__(indices)), collator(MapDataset(shards, output=PATCHES).__getitems__(indices)))


def test_every_way_in_gives_the_same(shards, processor):
    collator = Collator(processor, pad_to_multiple_of=8)
    samples = MapDataset(shards).__getitems__(range(4))
    expected = collator(samples)
    assert expected["input_ids"].shape[1] % 8 == 0
    same(expected, collator(stack(samples)))
    with Loader(shards, 4, shuffle=False, collate=collator) as loader:
        same(expected, next(iter(loader)))
    batches = IterableDataset(shards, 4, shuffle=False, collate=collator)
    for context in ("fork", "spawn"):
        same(expected, next(iter(DataLoader(batches, batch_size=None, num_workers=1, multiprocessing_context=context))))
    same(expected, next(iter(DataLoader(MapDataset(shards), batch_size=4, collate_fn=collator))))
    floats = MapDataset(shards, output=mf.Output(dtype="float32", layout="nchw", mean=HALF, std=HALF))
    same(expected, collator(floats.__getitems__(range(4))))


@pytest.mark.parametrize("output", [None, PATCHES], ids=["pictures", "patches"])
def test_rows_that_share_a_picture(shards, processor, output):
    collator = Collator(processor)
    with Loader(shards, 2, shuffle=False, output=output, group_by_picture=True) as loader:
        batch = next(iter(loader))
    numbers = batch.row_numbers.tolist()
    assert len(numbers) == 14
    same(collator(batch), collator(MapDataset(shards, output=output).__getitems__(numbers)))


def test_a_row_without_pictures(shards, processor):
    samples = MapDataset(shards).__getitems__([0, 1])
    for sample in samples[:1]:
        sample["images"] = []
        sample["messages"] = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]
    collator = Collator(processor)
    mixed = collator(samples)
    assert mixed["image_grid_thw"].shape == (1, 3)
    alone = collator(samples[:1])
    assert "pixel_values" not in alone
    assert processor.tokenizer.decode(alone["labels"][0][alone["labels"][0] != -100]) == "Yes.<|im_end|>"


def test_what_is_refused(shards, processor, raw):
    collator = Collator(processor)
    with pytest.raises(ValueError, match="expected rows of a MapDataset, found images"):
        collator([{"images": []}])
    with pytest.raises(ValueError, match="pictures alone"):
        collator(MapDataset(shards.pictures).__getitems__([0])[0] | {"images": []})
    sample = MapDataset(shards)[0]
    sample["images"] = [sample["images"][0][:50]]
    with pytest.raises(ValueError, match="50 x 64 pixels cannot be cut into patches of 16"):
        collator([sample])
    assert Collator(processor, resize=True)([sample])["image_grid_thw"].shape == (1, 3)
    changing = TEMPLATE.replace("message['role']", "messages | length | string")
    with pytest.raises(ValueError, match="changes earlier turns"):
        Collator(processor, chat_template=changing)([MapDataset(shards)[0]])
    for output in (None, PATCHES):
        with pytest.raises(ValueError, match=r"[Mm]ismatch|max_length"):
            Collator(processor, max_length=5)([MapDataset(shards, output=output)[0]])
    slow = copy.copy(processor)
    slow.tokenizer = object()
    with pytest.raises(ValueError, match="fast tokenizer"):
        Collator(slow)


def test_rows_are_cut_off(shards, processor):
    inputs = Collator(processor, max_length=40)(MapDataset(shards).__getitems__(range(3)))
    assert inputs["input_ids"].shape == inputs["labels"].shape == (3, 40)


def test_it_pickles(shards, processor):
    collator = pickle.loads(pickle.dumps(Collator(processor)))
    samples = MapDataset(shards).__getitems__([4, 5])
    same(collator(samples), Collator(processor)(samples))


def test_a_model_takes_it(shards, processor):
    torch.manual_seed(0)
    model = make_model(processor)
    outcome = model(**Collator(processor)(MapDataset(shards).__getitems__([0, 50, 209])))
    assert torch.isfinite(outcome.loss)
