"""`mmno_fast.Loader` with tensors, on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Self, Unpack

import numpy as np
import numpy.typing as npt
import torch

from mmno_fast import _core
from mmno_fast.loading import loader
from mmno_fast.loading.batch import Batch as HostBatch
from mmno_fast.loading.loader import PREFETCH_BYTES
from mmno_fast.loading.samples import Source
from mmno_fast.spec.output import Output
from mmno_fast.torch.batch import Batch
from mmno_fast.torch.options import LoaderOptions
from mmno_fast.torch.slots import pinned_slots
from mmno_fast.torch.transfer import AHEAD, Copier, CudaCopier, Transfer

_SLOTS_BESIDES: Final = AHEAD + 3  # one in the making, and those that are copied, handed out, or just about to come back


class Loader(loader.Loader):
    """Batches as tensors, made ahead of the training loop by threads, in an order that can be resumed exactly.

    Everything that `mmno_fast.Loader` says holds here, too: order, ranks, state, `stats`, life. `Batch` has tensors in place of arrays, of
    a real bfloat16 where that was asked for.

    On the CPU, nothing is copied: tensors are views of the core's slots, and a slot is used again when the last view of it is gone.

    On a CUDA device, the core writes into page-locked slots; each batch is copied in a stream of its own while the one before it is worked
    on, and the consumer's stream waits for that copy, not the CPU. A slot goes back to the core only when an event behind its copy has been
    reached.

    **Trainers.** It is an iterable with a length, `set_epoch`, `state_dict` and `load_state_dict`: Lightning's ``Trainer.fit`` takes it as
    a data loader, saves its state in checkpoints and sets its epoch; Accelerate's ``prepare`` leaves it as it is (it knows its rank
    already), and ``register_for_checkpointing`` saves its state; the Hugging Face `Trainer` takes it from `get_train_dataloader`, with a
    `Collator` as `collate`; but to resume in the middle of an epoch it skips batches of a `DataLoader`, so there a `MapDataset` is right.

    Args:
        source: As of `mmno_fast.Loader`, like `batch_size` and `shuffle`.
        batch_size: Samples of a batch of this rank.
        shuffle: Whether each epoch has a random order.
        device: Where the pictures go: ``"cpu"`` (default), or a CUDA device.
        collate: Called with each `Batch`; what it returns is handed out, as the inputs that a `Collator` makes. Where it raises, the state
            stays before that batch. Default: the batch itself.
        **options: As of `mmno_fast.Loader`.

    >>> import tempfile
    >>> import mmno_fast as mf
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
    ...     output = mf.Output(dtype="bfloat16", layout="nchw", mean=mf.CLIP_MEAN, std=mf.CLIP_STD)
    ...     with Loader(mf.open(report.path), batch_size=8, shuffle=True, output=output) as loader:
    ...         for batch in loader:
    ...             state = loader.state_dict()
    ...             break
    >>> batch.images.shape, batch.images.dtype, state["position"]
    (torch.Size([8, 3, 32, 32]), torch.bfloat16, 8)
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        *,
        shuffle: bool,
        device: torch.device | str = "cpu",
        collate: Callable[[Batch], Any] | None = None,
        **options: Unpack[LoaderOptions],
    ) -> None:
        if "slots" in options:
            raise TypeError("slots: this loader makes its own, in page-locked memory; mmno_fast.Loader takes yours")
        self.device = _checked_device(device)
        """Where the pictures go."""
        self.dataset = source
        """What the batches are of: trainers ask for its length."""
        self._collate = collate
        self._copier: Copier | None = None
        self._transfer: Transfer | None = None
        slots = []
        if self.device.type == "cuda":
            self._copier = CudaCopier(self.device)
            output = None if options.get("channels") == "stored" else options.get("output") or Output()
            slots = pinned_slots(
                source,
                batch_size,
                output,
                options.get("prefetch", 2) + _SLOTS_BESIDES,
                options.get("prefetch_bytes", PREFETCH_BYTES),
                grouped=options.get("group_by_picture", False),
            )
        super().__init__(source, batch_size, shuffle=shuffle, slots=slots, **options)

    @property
    def sampler(self) -> Self:
        """Itself: Lightning calls `set_epoch` on a data loader's sampler."""
        return self

    def __iter__(self) -> Iterator[Any]:
        """Go on from a loaded state; else begin the next epoch. Hands out `Batch`, or what `collate` makes of it."""
        return super().__iter__()

    def _epoch(self, feed: _core.Feed) -> _core.Epoch:
        collate = None if self._collate is None else self._collated
        if self._copier is None:
            return _core.Epoch(feed, self._consumer, (_tensors, self._output, self._labels), self.warn, collate=collate)
        self._end_transfer()
        transfer = self._transfer = Transfer(self._copier)
        make = (transfer.start, self._output, self._labels)
        return _core.Epoch(feed, self._consumer, make, self.warn, arrive=transfer.arrive, collate=collate, ahead=AHEAD)

    def _collated(self, batch: Batch) -> Any:
        """What `collate` makes of a batch. Where it raises, the batch was not handed out."""
        collated = self._collate(batch) if self._collate is not None else batch
        if collated is None:
            raise TypeError("collate: expected something to hand out, found None: does it lack a return?")
        return collated

    def replay(self) -> Iterator[Any]:
        """Hand out the same few ready batches for ever: the upper bound of any loop. Does not change the state."""
        made = {}
        for host in super().replay():
            if host.position not in made:
                batch = Batch(host).to(self.device)
                made[host.position] = batch if self._collate is None else self._collate(batch)
            yield made[host.position]

    def close(self) -> None:
        """End all threads. Batches that were handed out stay valid."""
        super().close()
        self._end_transfer()

    def _end_transfer(self) -> None:
        if self._transfer is not None:
            self._transfer.close()
            self._transfer = None


def _tensors(core: _core.Batch, output: Output | None, epoch: int, labels: npt.NDArray[np.int64] | None) -> Batch:
    return Batch(HostBatch(core, output, epoch, labels))


def _checked_device(device: torch.device | str) -> torch.device:
    try:
        checked = torch.device(device)
    except (RuntimeError, TypeError):
        checked = torch.device("meta")  # refused below
    if checked.type not in {"cpu", "cuda"}:
        raise ValueError(f'device: expected "cpu" or a CUDA device, found {str(device)!r}; move batches with batch.to(…)')
    count = torch.cuda.device_count() if checked.type == "cuda" else 1
    if (checked.index or 0) >= count:
        raise ValueError(f"device: {str(device)!r} is not there: PyTorch finds {count or 'no'} CUDA device{'s' if count > 1 else ''}")
    return checked
