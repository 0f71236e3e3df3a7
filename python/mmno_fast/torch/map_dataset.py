"""A map-style data set for `torch.utils.data.DataLoader`: rows or pictures by index, a whole batch in one call."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
from torch.utils.data import Dataset, get_worker_info

from mmno_fast import _core
from mmno_fast.data.pictures import LabelledPictures
from mmno_fast.data.rows import Rows
from mmno_fast.data.values import plain_row
from mmno_fast.loading.batch import Batch as HostBatch
from mmno_fast.loading.samples import Source, contents_of
from mmno_fast.machine import threads_of
from mmno_fast.spec.output import Output
from mmno_fast.torch.batch import Batch
from mmno_fast.torch.samples import Sample

Transform = Callable[[Sample], Any]


class MapDataset(Dataset[Any]):
    """Rows, or pictures, by index, with tensors in them. For a `DataLoader`, and for everything that builds one itself.

    A `DataLoader` asks for whole batches (``__getitems__``): one call of the core reads the rows of a batch and puts its pictures into one
    piece of memory, by several threads, which end with the call. So it is safe to fork between calls; it pickles as the data set does, and
    each worker opens the files for itself.

    Args:
        source: A `Dataset` (shards or JSONL), rows of one (`where`, `split`), its `pictures`, or those with labels (`Pictures.labelled`).
        output: What becomes of the pixels; default ``Output()``: uint8, (H, W, 3).
        channels: ``"rgb"`` (default): always three; ``"stored"``: as stored, (H, W) or (H, W, 3).
        transform: Called with each sample; what it returns is the sample. Under spawn it has to be picklable: a function of a module.
        threads: How many fill a batch. Default: the CPUs of this process divided by ``LOCAL_WORLD_SIZE``, and in a worker of a
            `DataLoader` by the number of workers, too.

    >>> import tempfile
    >>> import mmno_fast as mf
    >>> from mmno_fast.demo import draw
    >>> from mmno_fast.torch import stack
    >>> from torch.utils.data import DataLoader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
    ...     rows = MapDataset(mf.open(report.path), output=mf.Output(dtype="float32", layout="nchw"))
    ...     sample = rows[0]
    ...     batch = next(iter(DataLoader(rows, batch_size=8, shuffle=True, collate_fn=stack)))
    >>> sample["source"], sample["images"][0].shape, sample["messages"][-1]["role"]
    ('train_open.jsonl', torch.Size([3, 32, 32]), 'assistant')
    >>> batch["images"].shape, len(batch["messages"])
    (torch.Size([8, 3, 32, 32]), 8)
    """

    def __init__(
        self,
        source: Source,
        *,
        output: Output | None = None,
        channels: Literal["rgb", "stored"] = "rgb",
        transform: Transform | None = None,
        threads: int | None = None,
    ) -> None:
        if channels not in {"rgb", "stored"}:
            raise ValueError(f'channels: expected "rgb" or "stored", found {channels!r}')
        if not isinstance(output, Output | None):
            raise TypeError(f"output: expected an Output, found {output!r}")
        if channels == "stored" and output not in {None, Output()}:
            raise ValueError('channels="stored" gives the bytes as they are stored: leave out output')
        contents_of(source)  # refuses what is no source
        self.source = source
        """What the samples are of."""
        self._output = None if channels == "stored" else output or Output()
        self._transform = transform
        self._threads = threads
        self._memory: tuple[int, _core.Stats, _core.SlotPool] | None = None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: SupportsIndex) -> Any:
        """One sample; negative numbers count from the end.

        Returns:
            A `Sample`. Of a row: ``row`` (its number in the data set), ``source``, ``line``, ``images`` (a list of tensors; with patches
            ``pixel_values`` and ``image_grid_thw`` instead), ``image_names``, ``messages``, ``variant``, ``options``, ``answer``,
            ``answer_text``, ``meta`` and ``extra``, as ``dataset[i]`` has them. Of a picture: ``image`` (or ``pixel_values`` and
            ``image_grid_thw``), and ``label`` where it has one. With a transform, what that returns.

        Raises:
            IndexError: No such sample.
            DataError: A picture of JSONL cannot be decoded; it says which row needs it.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Any]:
        """Several samples with one call of the core: what a `DataLoader` calls for each batch."""
        places = [self._place(index) for index in indices]
        if not places:
            return []
        batch = self._read(np.array(places))
        samples = self._rows(batch) if isinstance(self.source, Rows) else self._pictures(batch, places)
        return samples if self._transform is None else [self._transform(sample) for sample in samples]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_memory": None}

    def __repr__(self) -> str:
        return f"MapDataset({self.source!r})"

    def _place(self, index: SupportsIndex) -> int:
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"sample {place} of {len(self):,}")
        return place % len(self)

    def _read(self, places: np.ndarray[Any, np.dtype[np.int64]]) -> Batch:
        if isinstance(self.source, Rows):
            numbers = self.source.row_numbers
            samples = _core.Samples.of_rows(places.astype(np.uint32) if numbers is None else numbers[places])
        else:
            pictures = self.source.pictures if isinstance(self.source, LabelledPictures) else self.source
            samples = _core.Samples.of_pictures(pictures.ids[places])
        stats, pool = self._own_memory()
        assembler = _core.Assembler(
            contents_of(self.source).core,
            samples,
            stats,
            output=self._output.to_json() if self._output else None,
            skips=False,
            memory_bytes=0,
        )
        info = get_worker_info()
        feed = _core.Feed(
            assembler,
            pool,
            shuffle=False,
            seed=0,
            epoch=0,
            batch=len(places),
            rank=0,
            world=1,
            uneven="drop",
            start=0,
            threads=threads_of(self._threads, sharing=info.num_workers if info else 1),
            batches_ahead=1,
            bytes_ahead=1,
        )
        with feed:
            core = feed.next()
        if core is None:
            raise RuntimeError("the core made no batch of the samples that were asked for")
        return Batch(HostBatch(core, self._output, 0, None))

    def _own_memory(self) -> tuple[_core.Stats, _core.SlotPool]:
        """Memory of this process, used again once the samples that lie in it are gone."""
        if self._memory is None or self._memory[0] != os.getpid():
            stats = _core.Stats()
            self._memory = (os.getpid(), stats, _core.SlotPool(stats, []))
        return self._memory[1], self._memory[2]

    def _rows(self, batch: Batch) -> list[Sample]:
        columns = batch.rows.to_pylist()
        numbers, offsets = batch.row_numbers.tolist(), batch.image_offsets.tolist()
        grids = batch.image_grid_thw if batch.has_patches else None
        ends = [0, *grids.prod(dim=1).cumsum(0).tolist()] if grids is not None else []
        samples = []
        for i, (number, values) in enumerate(zip(numbers, columns, strict=True)):
            start, end = offsets[i], offsets[i + 1]
            sample = Sample(plain_row(number, values, list(batch.images[start:end])))
            if grids is not None:
                del sample["images"]
                sample["pixel_values"] = batch.pixel_values[ends[start] : ends[end]]
                sample["image_grid_thw"] = grids[start:end]
            samples.append(sample)
        return samples

    def _pictures(self, batch: Batch, places: list[int]) -> list[Sample]:
        if batch.has_patches:
            grids = batch.image_grid_thw
            values = batch.pixel_values.split(grids.prod(dim=1).tolist())
            samples = [Sample(pixel_values=each, image_grid_thw=grids[i : i + 1]) for i, each in enumerate(values)]
        else:
            samples = [Sample(image=image) for image in batch.images]
        if isinstance(self.source, LabelledPictures):
            for sample, label in zip(samples, self.source.labels[places].tolist(), strict=True):
                sample["label"] = label
        return samples
