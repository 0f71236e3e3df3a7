"""`Collator`: from rows and pictures to the inputs of a vision-language model, with a Hugging Face processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mmno_fast.torch.batch import Batch
from mmno_fast.torch.conversations import Span, conversation_of, labels_of, pieces, shifted, text_and_answers
from mmno_fast.torch.samples import stack

Collated: TypeAlias = "Sequence[Mapping[str, Any]] | Mapping[str, Any] | Batch"


class Collator:
    """Makes a model's inputs of rows: chat template, tokens, labels, pictures.

    Give it to a `DataLoader` over a `MapDataset` as ``collate_fn``, to the Hugging Face `Trainer` as ``data_collator``, to
    `IterableDataset` or `Loader` as `collate`.

    **Labels** are the tokens of the assistant's answers, and -100 everywhere else. An answer goes from behind what the template writes to
    prompt for it up to the token that ends the turn; that is learnt, too, and blanks behind it are not.

    **Pictures** have their size already, so the processor is told not to resize them (`resize` says otherwise). From bytes it makes numbers
    and normalises them; floats are taken to be normalised by `Output` already. With ``Output(layout="patches", …)``, as
    ``Profile(…).output()`` gives it, the image processor has nothing to do at all: the core's patches are the model's `pixel_values`.

    Args:
        processor: With a fast tokenizer, of transformers 5.23 or later.
        resize: Whether the processor resizes the pictures, by its own rule. Default: no.
        max_length: Cut longer rows off at so many tokens. A row whose pictures do not fit raises. Default: rows stay whole.
        pad_to_multiple_of: Round the length of a batch up to a multiple of this.
        chat_template: Instead of the processor's own.
        template_options: For the template, as ``{"enable_thinking": False}``.

    Returns:
        Of each call, a dict of tensors: ``input_ids``, ``attention_mask`` and ``labels``, int64 (rows, tokens), padded on the right;
        ``pixel_values`` and whatever else the processor makes of pictures, such as ``image_grid_thw``, where the batch has some; and
        ``mm_token_type_ids`` where the processor has them. All are where the pictures are.

    A whole example is ``examples/train_vlm.py``.
    """

    def __init__(
        self,
        processor: Any,
        *,
        resize: bool = False,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        chat_template: str | None = None,
        template_options: Mapping[str, Any] | None = None,
    ) -> None:
        if not getattr(processor.tokenizer, "is_fast", False):
            raise ValueError("processor: expected one with a fast tokenizer, which can say where in the text a token comes from")
        self.processor = processor
        """The processor."""
        self._resize = resize
        self._text_options: dict[str, Any] = {"padding": True, "padding_side": "right", "return_offsets_mapping": True}
        if max_length is not None:
            self._text_options |= {"truncation": True, "max_length": max_length}
        if pad_to_multiple_of is not None:
            self._text_options["pad_to_multiple_of"] = pad_to_multiple_of
        self._template_options = dict(template_options or {})
        if chat_template is not None:
            self._template_options["chat_template"] = chat_template

    def __call__(self, rows: Collated) -> dict[str, Any]:
        """The model's inputs.

        Args:
            rows: Samples of a `MapDataset`, what `stack` makes of them, or a `Batch`.

        Raises:
            ValueError: Not rows; pictures whose sides the processor cannot cut into patches; a row too long for `max_length`.
        """
        batch = _as_batch(rows)
        texts, answers = [], []
        counts = batch["image_offsets"].diff().tolist()
        for messages, count in zip(batch["messages"], counts, strict=True):
            text, spans = text_and_answers(self.processor, conversation_of(messages, count), self._template_options)
            texts.append(text)
            answers.append(spans)
        options = dict(self._text_options)
        bos = self.processor.tokenizer.bos_token
        if bos is not None and texts and texts[0].startswith(bos):
            options["add_special_tokens"] = False  # the template has put it there
        if "pixel_values" in batch:
            inputs, replacements = self._from_patches(batch, texts, options)
        else:
            inputs, replacements = self._from_pictures(batch, counts, texts, options)
        inputs = self._labelled(inputs, answers, replacements)
        pixels = inputs.get("pixel_values")
        if isinstance(pixels, Tensor) and pixels.device.type != "cpu":  # the pictures are on their device: the rest follows
            inputs = {
                name: value.to(pixels.device, non_blocking=True) if isinstance(value, Tensor) else value for name, value in inputs.items()
            }
        return inputs

    def _labelled(self, inputs: dict[str, Any], answers: list[list[Span]], replacements: Sequence[Any]) -> dict[str, Any]:
        offsets = inputs.pop("offset_mapping")
        found = [shifted(spans, replaced) for spans, replaced in zip(answers, replacements or [[]] * len(answers), strict=True)]
        inputs["labels"] = labels_of(inputs["input_ids"], offsets, found)
        return inputs

    def _from_pictures(
        self, batch: Mapping[str, Any], counts: list[int], texts: list[str], options: dict[str, Any]
    ) -> tuple[dict[str, Any], Sequence[Any]]:
        images = list(batch["images"])
        if "image_index" in batch:
            images = [images[i] for i in batch["image_index"].tolist()]
        images = [_channels_first(image) for image in images]
        of_images: dict[str, Any] = {}
        if images:
            of_images["do_resize"] = self._resize
            if images[0].is_floating_point():
                of_images |= {"do_rescale": False, "do_normalize": False}
            if not self._resize:
                self._check_sides(images)
            # Some processors want to know which text a picture belongs to, others cannot do with texts that have none.
            nested = [images[start:end] for start, end in pieces(counts)]
            of_images["images"] = nested if all(counts) else images
        made = self.processor(text=texts, return_tensors="pt", return_text_replacement_offsets=True, **of_images, **options)
        inputs = dict(made)
        return inputs, inputs.pop("text_replacement_offsets", [])

    def _from_patches(self, batch: Mapping[str, Any], texts: list[str], options: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any]]:
        values, grid = batch["pixel_values"], batch["image_grid_thw"]
        if "image_index" in batch:  # the model wants the pictures of each row, however many rows share one
            index = batch["image_index"]
            each = values.split(grid.prod(dim=1).tolist())
            values, grid = torch.cat([each[i] for i in index.tolist()]), grid[index]
        names = {"image_grid_thw": grid}
        tokens = [self.processor.replace_image_token(names, i) for i in range(len(grid))]
        texts, replacements = self.processor.get_text_with_replacements(list(texts), tokens)
        inputs = dict(self.processor.tokenizer(texts, return_tensors="pt", **options))
        image = getattr(self.processor, "image_token_id", None)
        if image is not None and int((inputs["input_ids"] == image).sum()) != sum(text.count(self.processor.image_token) for text in texts):
            raise ValueError("max_length: it cuts a picture's tokens off; allow for more, or leave such rows out")
        if getattr(self.processor, "return_mm_token_type_ids", False):
            types = self.processor.create_mm_token_type_ids(inputs["input_ids"])
            inputs["mm_token_type_ids"] = torch.as_tensor(types)
        if len(grid):
            inputs |= {"pixel_values": values, "image_grid_thw": grid}
        return inputs, replacements

    def _check_sides(self, images: Sequence[Tensor]) -> None:
        of_images = self.processor.image_processor
        patch, merge = getattr(of_images, "patch_size", None), getattr(of_images, "merge_size", None)
        if not isinstance(patch, int) or not isinstance(merge, int):
            return
        for image in images:
            height, width = image.shape[-2:]
            if height % (patch * merge) or width % (patch * merge):
                raise ValueError(
                    f"a picture of {height} x {width} pixels cannot be cut into patches of {patch}, {merge} x {merge} a token: resize to "
                    f"multiples of {patch * merge} when shards are built (a Profile does), or let the processor do it: resize=True"
                )


def _as_batch(rows: Collated) -> Mapping[str, Any]:
    if isinstance(rows, Batch):
        batch: Mapping[str, Any] = rows.to_dict()
    elif isinstance(rows, Mapping):
        batch = rows
    else:
        if not rows or "messages" not in rows[0]:
            keys = ", ".join(sorted(rows[0])) if rows else "nothing"
            raise ValueError(f"expected rows of a MapDataset, found {keys}; what a transform makes has to keep its keys")
        batch = stack(rows)
    if "messages" not in batch:
        raise ValueError("expected rows, with messages; pictures alone have no text")
    return batch


def _channels_first(image: Tensor) -> Tensor:
    return image.permute(2, 0, 1) if image.shape[-1] == 3 and image.shape[0] != 3 else image
