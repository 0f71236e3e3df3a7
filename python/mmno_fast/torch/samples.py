"""Samples of a `MapDataset`, and batches made of them: dicts of tensors and lists. The same keys as `Batch.to_dict`."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

ROW_KEYS: Final = ("source", "line", "image_names", "messages", "variant", "options", "answer", "answer_text", "meta", "extra")
"""What a row has besides its number and its pictures; in a batch, a list of each."""


class Sample(UserDict[str, Any]):
    """A row, or a picture, of a `MapDataset`, by key.

    It is a mapping and no `dict`, so that the Hugging Face `Trainer` leaves it alone: with ``remove_unused_columns=True`` (its default) it
    takes from every dict the keys that the model's `forward` does not name, ``messages`` and ``images`` among them, before a collator sees
    them.
    """


def stack(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A batch of samples of a `MapDataset`: what to give a `DataLoader` as ``collate_fn``.

    Args:
        samples: Of `MapDataset`: rows, or pictures.

    Returns:
        - ``images``: the pictures of all samples, one tensor (pictures, H, W, 3) or (pictures, 3, H, W); a list of tensors where their
          sizes differ. With patches instead: ``pixel_values`` (patches of all, numbers of a patch) and ``image_grid_thw``, int64
          (pictures, 3).
        - Of rows: ``row``, int64 (rows,); ``image_offsets``, int64 (rows + 1,): the pictures of row ``i`` are those from
          ``image_offsets[i]`` to ``image_offsets[i + 1]``; and lists of ``source``, ``line``, ``image_names``, ``messages``, ``variant``,
          ``options``, ``answer``, ``answer_text``, ``meta``, ``extra``.
        - Of pictures: ``labels``, int64 (pictures,), where they have some.

        Pictures that lie side by side in memory, as those of one ``__getitems__`` do, are not copied.

    >>> samples = [{"image": torch.full((2, 2, 3), i), "label": i} for i in range(3)]
    >>> batch = stack(samples)
    >>> batch["images"].shape, batch["labels"]
    (torch.Size([3, 2, 2, 3]), tensor([0, 1, 2]))
    """
    if not samples:
        raise ValueError("stack: expected at least one sample")
    first = samples[0]
    batch: dict[str, Any] = {}
    if "pixel_values" in first:
        batch["pixel_values"] = joined([sample["pixel_values"] for sample in samples])
        batch["image_grid_thw"] = torch.cat([sample["image_grid_thw"] for sample in samples])
        counts = [len(sample["image_grid_thw"]) for sample in samples]
    else:
        images = [sample["images"] if "images" in sample else [sample["image"]] for sample in samples]
        batch["images"] = together([image for own in images for image in own])
        counts = [len(own) for own in images]
    if "row" not in first:
        return batch | ({"labels": torch.tensor([sample["label"] for sample in samples])} if "label" in first else {})
    batch = {"row": torch.tensor([sample["row"] for sample in samples]), **batch}
    batch["image_offsets"] = torch.tensor([0, *counts]).cumsum(0)
    return batch | {key: [sample[key] for sample in samples] for key in ROW_KEYS}


def together(images: Sequence[Tensor]) -> Tensor | list[Tensor]:
    """Pictures of one size as one tensor, others as a list."""
    if not images or any(image.shape != images[0].shape for image in images):
        return list(images)
    return joined([image.unsqueeze(0) for image in images])


def joined(parts: Sequence[Tensor]) -> Tensor:
    """`torch.cat(parts)`, without a copy where they already lie one behind the other."""
    parts = [part for part in parts if part.shape[0]] or list(parts[:1])
    first, end = parts[0], 0
    side_by_side = True
    for part in parts:
        end = part.storage_offset() if part is first else end
        side_by_side &= (
            part.is_contiguous()
            and part.dtype == first.dtype
            and part.storage_offset() == end
            and part.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        )
        end += part.numel()
    if not side_by_side:
        return torch.cat(list(parts))
    rows = sum(part.shape[0] for part in parts)
    return first.as_strided((rows, *first.shape[1:]), first.stride(), first.storage_offset())
