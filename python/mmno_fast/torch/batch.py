"""A batch as tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmno_fast.data.values import parsed
from mmno_fast.loading.batch import Batch as HostBatch
from mmno_fast.loading.batch import Skipped
from mmno_fast.torch.samples import ROW_KEYS

if TYPE_CHECKING:
    import pyarrow as pa

DTYPES: Final = {"uint8": torch.uint8, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def tensor_of(numbers: npt.NDArray[Any], dtype: str) -> Tensor:
    """An array as a tensor over the same memory, which lives as long as the tensor does; of bfloat16's bits, a real bfloat16."""
    return torch.from_numpy(numbers).view(DTYPES[dtype])


class Batch:
    """Rows and their pictures. On the CPU, `images` are views of the core's memory: it is used again only when the last of them is gone.

    It pickles by value, so that a worker of a `DataLoader` can send it: there, tensors go through shared memory.

    The pictures of row ``i`` are ``images[j] for j in image_index[image_offsets[i]:image_offsets[i + 1]]``.
    """

    def __init__(self, host: HostBatch, flat: Tensor | None = None) -> None:
        self._host = host
        self._flat = tensor_of(host.numbers, host.dtype) if flat is None else flat
        self.epoch = host.epoch
        """The epoch, from 0."""
        self.position = host.position
        """Samples of the epoch that all ranks have seen after this batch."""

    def __len__(self) -> int:
        """Rows; pictures where they come alone."""
        return len(self._host)

    def __repr__(self) -> str:
        return f"{repr(self._host)[:-1]}, {self._flat.dtype} on {self._flat.device}>"

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self._flat.device

    @cached_property
    def images(self) -> Tensor | list[Tensor]:
        """The pictures.

        - Of one size: one tensor, (pictures, H, W, 3) or (pictures, 3, H, W), of the dtype that was asked for.
        - Of different sizes: a list of tensors.
        - As patches: one tensor, (patches of all pictures, 3 * temporal * patch * patch); see `image_grid_thw`.
        - With ``channels="stored"``: a list of uint8 (H, W) or (H, W, 3).
        """
        images: Tensor | list[Tensor] = self._host.views(self._flat)
        return images

    @property
    def has_patches(self) -> bool:
        """Whether the pictures come as patches."""
        return self._host.has_patches

    @cached_property
    def pixel_values(self) -> Tensor:
        """The patches of all pictures, as Qwen's models take them; the same tensor as `images`. Needs ``layout="patches"``."""
        if not self.has_patches:
            raise AttributeError('pixel_values are there with Output(layout="patches"); this batch has images')
        values: Tensor = self._host.views(self._flat)
        return values

    @cached_property
    def image_grid_thw(self) -> Tensor:
        """1, rows and columns of patches of each picture: int64 (pictures, 3). Needs ``layout="patches"``."""
        return self._moved(self._host.image_grid_thw)

    @cached_property
    def labels(self) -> Tensor:
        """The class of each picture, int64 (pictures,). Needs a source with labels (`Pictures.labelled`)."""
        return self._moved(self._host.labels)

    @cached_property
    def image_offsets(self) -> Tensor:
        """Where the pictures of each row begin in `image_index`, and the end of the last: int64 (rows + 1,), on the CPU."""
        return torch.from_numpy(self._host.image_offsets)

    @cached_property
    def image_index(self) -> Tensor:
        """Of each picture of each row its place in `images`, int64, on the CPU: 0, 1, 2, … but where rows share pictures."""
        return torch.from_numpy(self._host.image_index)

    @cached_property
    def row_numbers(self) -> Tensor:
        """The number of each row in its data set, int64, on the CPU. Empty where pictures come alone."""
        return torch.from_numpy(self._host.row_numbers.astype(np.int64))

    @cached_property
    def samples(self) -> Tensor:
        """The number of each sample in the loader's source, int64, on the CPU."""
        return torch.from_numpy(self._host.samples.astype(np.int64))

    @property
    def rows(self) -> pa.RecordBatch:
        """The rows as Arrow: source, line, images (names), messages, variant, options, answer, answer_text, meta, extra."""
        return self._host.rows

    @property
    def skipped(self) -> list[Skipped]:
        """Rows that were left out because a picture of theirs cannot be decoded."""
        return list(self._host.skipped)

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return self._host.nbytes

    def to_dict(self) -> dict[str, Any]:
        """The batch as `stack` gives it, for a `Collator`, or for whoever wants a dict.

        Also `image_index`, where rows share pictures; and `skipped`, where some were left out (``on_error="skip"``).

        On a device, `image_grid_thw` of the dict is on the CPU all the same: whoever makes tokens of it looks at each number.
        """
        batch = self._pictures_as_dict() if not self._host.has_rows else self._rows_as_dict()
        return batch | {"skipped": self.skipped} if self.skipped else batch

    def _pictures_as_dict(self) -> dict[str, Any]:
        if self.has_patches:
            grid = torch.from_numpy(self._host.image_grid_thw)
            pictures: dict[str, Any] = {"pixel_values": self.pixel_values, "image_grid_thw": grid}
        else:
            pictures = {"images": self.images}
        return pictures | {"labels": self.labels} if self._host.has_labels else pictures

    def _rows_as_dict(self) -> dict[str, Any]:
        columns = self._host.rows.to_pydict()
        columns["image_names"] = columns.pop("images")
        for key in ("meta", "extra"):
            columns[key] = [parsed(text, key) for text in columns[key]]
        batch = {"row": self.row_numbers, **self._pictures_as_dict(), "image_offsets": self.image_offsets}
        batch |= {key: columns[key] for key in ROW_KEYS}
        return batch | {"image_index": self.image_index} if self._host.shares_pictures else batch

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The batch with its pictures on `device`; this one where they are there already."""
        if self._flat.device == torch.device(device):
            return self
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self, device: torch.device | str | None = None) -> Batch:  # noqa: ARG002 - what a DataLoader calls, in either way
        """A copy in page-locked memory; what ``DataLoader(pin_memory=True)`` calls."""
        return self._with(Tensor.pin_memory)

    def __getstate__(self) -> dict[str, Any]:
        return {"_host": self._host.without_pixels(), "_flat": self._flat, "epoch": self.epoch, "position": self.position}

    def _with(self, move: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(self._host.without_pixels(), move(self._flat))

    def _moved(self, numbers: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(numbers).to(self._flat.device, non_blocking=True)
