"""`Loader`: batches, ahead of the training loop, in an order that can be resumed exactly."""

from __future__ import annotations

import logging
import operator
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from mmno_fast import _core
from mmno_fast.data.pictures import LabelledPictures
from mmno_fast.errors import state_error
from mmno_fast.loading.batch import Batch
from mmno_fast.loading.ranks import rank_and_world, surroundings, warn_of_late_ranks
from mmno_fast.loading.samples import Source, contents_of, samples_of
from mmno_fast.loading.stats import WARN_SHARE, WINDOW, LoaderStats
from mmno_fast.machine import threads_of
from mmno_fast.spec.output import Output

Uneven: TypeAlias = Literal["drop", "wrap", "short", "raise"]
PREFETCH_BYTES: Final = 2**30
"""Bytes of batches that are made ahead, by default; one batch is always made, whatever it weighs."""
_VERSION: Final = 1  # of the state
_WORD: Final = 2**64  # the core counts below it
_LOG: Final = logging.getLogger("mmno_fast")


class Loader:
    """Hands out batches of a data set: `for batch in loader`.

    Each ``iter(loader)`` is one epoch, 0, 1, 2, …, each in an order of its own that follows from `seed` and the epoch alone: not from
    threads, prefetch or the number of ranks. One epoch runs at a time; a new ``iter`` ends the one before.

    Args:
        source: A `Dataset` (shards or JSONL), rows of one (`where`, `split`), its `pictures`, or those with labels (`Pictures.labelled`).
        batch_size: Samples of a batch of this rank: rows; pictures where the source is pictures, or with `group_by_picture`.
        shuffle: Whether each epoch has a random order.
        seed: Of the order.
        uneven: What happens to samples that do not fill a batch of all ranks: ``"drop"`` (default with `shuffle`; as PyTorch's
            ``drop_last=True``); ``"short"`` (default without): ranks may get fewer, none twice, none lost; ``"wrap"``: the epoch's first
            samples again; ``"raise"``: a `ValueError` now.
        rank: This rank; default: `torch.distributed` where it is initialised, else ``RANK``, else 0.
        world_size: How many ranks there are; likewise. `rank` and `world_size` go together.
        threads: How many make batches; default: the CPUs of this process divided by ``LOCAL_WORLD_SIZE``.
        prefetch: Batches that are made ahead of the consumer, at least 1.
        prefetch_bytes: Their bytes together; one batch is always made.
        output: What becomes of the pixels; default ``Output()``: uint8, NHWC.
        channels: ``"rgb"`` (default): always three; ``"stored"``: as stored, `Batch.images` is then a list of (H, W) or (H, W, 3).
        slots: Writable, contiguous uint8 arrays to write batches into (page-locked ones, say), used again and again; nobody else may use
            them. Where all are in use, more memory is taken.
        group_by_picture: The rows of a picture come together, and the picture once: `Batch.image_index` says which row has which.
        memory_bytes: Of JSONL: keep so many bytes of decoded pictures, so that one which many rows share is decoded once. Default: none.
        on_error: A picture of JSONL that cannot be decoded: ``"raise"`` (default) a `DataError` with its row, and the state stays before
            that batch; ``"skip"``: its rows are left out, named in `Batch.skipped`.

    Raises:
        ValueError: Arguments that make no sense.

    >>> import tempfile
    >>> import mmno_fast as mf
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
    ...     dataset = mf.open(report.path)
    ...     with Loader(dataset, batch_size=8, shuffle=True, seed=7, output=Output(dtype="float32", layout="nchw")) as loader:
    ...         for batch in loader:
    ...             state = loader.state_dict()
    ...             break
    >>> batch.images.shape, batch.images.dtype, batch.rows.num_rows, state["position"]
    ((8, 3, 32, 32), dtype('float32'), 8, 8)
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        uneven: Uneven | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        threads: int | None = None,
        prefetch: int = 2,
        prefetch_bytes: int = PREFETCH_BYTES,
        output: Output | None = None,
        channels: Literal["rgb", "stored"] = "rgb",
        slots: Sequence[Any] | None = None,
        group_by_picture: bool = False,
        memory_bytes: int = 0,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        if not isinstance(shuffle, bool | np.bool_):
            raise TypeError(f"shuffle: expected True or False, found {shuffle!r}")
        shuffle = bool(shuffle)
        _check("batch_size", batch_size, 1)
        _check("seed", seed, 0)
        _check("prefetch", prefetch, 1)
        _check("prefetch_bytes", prefetch_bytes, 1)
        _check("memory_bytes", memory_bytes, 0)
        _choose("on_error", on_error, ("raise", "skip"))
        _choose("channels", channels, ("rgb", "stored"))
        uneven = uneven or ("drop" if shuffle else "short")
        _choose("uneven", uneven, get_args(Uneven))
        if not isinstance(output, Output | None):
            raise TypeError(f"output: expected an Output(…), such as Output(dtype='bfloat16', layout='nchw'), found {output!r}")
        if channels == "stored" and output not in {None, Output()}:
            raise ValueError('channels="stored" gives the bytes as they are stored: leave out output')
        self._source = source
        self._output = None if channels == "stored" else output or Output()
        self.batch_size = batch_size
        """Samples of a batch of this rank."""
        self.shuffle = shuffle
        """Whether each epoch has a random order."""
        self._seed = int(seed)
        self.uneven: Uneven = uneven
        """What happens to samples that do not fill a batch of all ranks."""
        self.rank, self.world_size = rank_and_world(rank, world_size)
        self._ranks_known = surroundings()
        self.threads = threads_of(threads)
        """Threads that make batches."""
        self._prefetch, self._prefetch_bytes = prefetch, prefetch_bytes
        samples, self._fingerprint = samples_of(source, shuffle=shuffle, group_by_picture=group_by_picture)
        self._labels = source.labels if isinstance(source, LabelledPictures) else None
        self.sample_count = len(samples)
        """Samples that the data set has."""
        self._core_stats = _core.Stats()
        self._consumer = _core.Consumer(WINDOW, WARN_SHARE)
        self._pool = _core.SlotPool(self._core_stats, _memory_of(slots))
        self._assembler = _core.Assembler(
            contents_of(source).core,
            samples,
            self._core_stats,
            output=self._output.to_json() if self._output else None,
            skips=on_error == "skip",
            memory_bytes=memory_bytes,
        )
        self._closed = False
        self._running: weakref.ref[_core.Epoch] | None = None
        if not len(self) and self.sample_count:  # refuses what cannot be
            _LOG.warning(
                '%d samples give no batch of %d for each of %d ranks: choose uneven="short", or a smaller batch_size',
                self.sample_count,
                batch_size,
                self.world_size,
            )

    # iteration -----------------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Batch]:
        """Go on from a loaded state; else begin the next epoch. One of which no batch was handed out does not count."""
        self._check_open()
        warn_of_late_ranks(self.rank, self.world_size, self._ranks_known)
        self._end_running(superseded=True)
        running = self._epoch(self.feed(*self._consumer.begin()))
        self._running = weakref.ref(running)
        return running

    def __len__(self) -> int:
        """Batches that this rank gets in a whole epoch."""
        return self.batches_left(0)

    def batches_left(self, position: int) -> int:
        """Batches that this rank gets in an epoch from `position` on, counted in samples of all ranks."""
        return _core.count_batches(self.sample_count, self.batch_size, self.rank, self.world_size, self.uneven, position)

    def feed(
        self, epoch: int, start: int, *, rank: int | None = None, world_size: int | None = None, uneven: Uneven | None = None
    ) -> _core.Feed:
        """The batches of an epoch from a position on, made ahead. For `mmno_fast.torch`, whose workers are ranks."""
        return _core.Feed(
            self._assembler,
            self._pool,
            shuffle=self.shuffle,
            seed=self._seed,
            epoch=epoch,
            batch=self.batch_size,
            rank=self.rank if rank is None else rank,
            world=self.world_size if world_size is None else world_size,
            uneven=uneven or self.uneven,
            start=start,
            threads=self.threads,
            batches_ahead=self._prefetch,
            bytes_ahead=self._prefetch_bytes,
        )

    def fetch(self, feed: _core.Feed) -> Batch | None:
        """The next batch of `feed`, not counted as handed out; None at its end. For `mmno_fast.torch`, whose workers are ranks."""
        core = feed.next()
        return None if core is None else Batch(core, self._output, self.epoch, self._labels)

    def _epoch(self, feed: _core.Feed) -> _core.Epoch:
        """An iteration over the batches of `feed`, which owns all that happens to them."""
        return _core.Epoch(feed, self._consumer, (Batch, self._output, self._labels), self.warn)

    def warn(self, share: float) -> None:
        """Tell the consumer that it waited for too much of the last minute, 0 to 1."""
        _LOG.warning("the training loop waited %.0f %% of the last minute for data: %s", 100 * share, self.stats().advice)

    def replay(self) -> Iterator[Batch]:
        """Hand out the same few ready batches for ever: the upper bound of any loop. Does not change the state."""
        self._check_open()
        epoch = self.epoch
        kept: list[_core.Batch] = []
        with self.feed(epoch, 0) as feed:
            while len(kept) < self._prefetch and sum(core.bytes for core in kept) < self._prefetch_bytes:
                core = feed.next()
                if core is None:
                    break
                kept.append(core)
        batches = [Batch(core, self._output, epoch, self._labels) for core in kept]
        while batches:
            yield from batches

    # state ---------------------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch is: `version`, `fingerprint`, `seed`, `epoch`, `position` (samples of all ranks that came before it).

        Counts batches that were handed out, not those made ahead. Any number of ranks can go on from it, as
        long as ``batch_size * world_size`` is the same.
        """
        epoch, position, _ = self._consumer.cursor
        return {"version": _VERSION, "fingerprint": self._fingerprint, "seed": self._seed, "epoch": epoch, "position": position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state` with the next ``iter``, with its seed.

        Raises:
            StateError: The state belongs to other rows, another selection or order, or to a newer version.
        """
        try:
            version, fingerprint = state["version"], state["fingerprint"]
            seed, epoch, position = (operator.index(state[key]) for key in ("seed", "epoch", "position"))
        except (KeyError, TypeError, ValueError) as error:
            raise state_error(f"not the state of a loader: {error!r}") from error
        if version != _VERSION:
            raise state_error(f"a state of version {version}; this version reads {_VERSION}: install the mmno_fast that wrote it")
        if fingerprint != self._fingerprint:
            raise state_error(
                "this state belongs to other data: other rows, another selection, or another shuffle or group_by_picture "
                f"(its fingerprint is {fingerprint}, this loader's {self._fingerprint})"
            )
        if min(seed, epoch, position) < 0 or max(seed, epoch) >= _WORD or position > self.sample_count:
            raise state_error(f"a state at position {position} of {self.sample_count}, epoch {epoch}, seed {seed}")
        self._check_open()
        self._end_running()
        self._seed = seed
        self._consumer.go_to(epoch, position)

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``iter`` be this epoch, from its beginning: what trainers call. Without effect where that is so already.

        Some call it behind ``iter``: as long as no batch was handed out, that iteration becomes one of this epoch. Later, it ends.
        """
        _check("epoch", epoch, 0)
        now, _, begun = self._consumer.cursor
        if (epoch, False) == (now, begun):
            return
        running = None if begun or self._running is None else self._running()
        if running is not None and not running.ended:
            self.check_process()
            if running.begin_again(self.feed(epoch, 0), epoch):
                return
        self._end_running()
        self._consumer.go_to(epoch, 0)

    @property
    def epoch(self) -> int:
        """The epoch of the next batch."""
        return self._consumer.cursor[0]

    # waiting -------------------------------------------------------------------------------------------------------------------

    def stats(self) -> LoaderStats:
        """What was handed out, where the time went, how long the consumer waited, what limits."""
        return LoaderStats(threads=self.threads, **(self._core_stats.snapshot() | self._consumer.snapshot()))

    def explain(self) -> str:
        """`stats` for people: how long the consumer waited, which stage limits, and the next thing to turn."""
        return str(self.stats())

    # life ----------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End all threads. Batches that were handed out stay valid."""
        self._closed = True
        self._end_running()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Loader cannot be pickled: it has threads. Give the other process the data set, and make a Loader there")

    def __repr__(self) -> str:
        order = f"shuffled by {self._seed}" if self.shuffle else "in order"
        return f"<Loader of {self.sample_count:,} samples, batches of {self.batch_size}, {order}, rank {self.rank} of {self.world_size}>"

    def _end_running(self, *, superseded: bool = False) -> None:
        running = self._running() if self._running else None
        if running is not None:
            running.close(superseded=superseded)
        self._running = None

    def _check_open(self) -> None:
        if self._closed:
            raise _core.ClosedError("this loader was closed; make another one")
        self.check_process()

    @property
    def is_of_this_process(self) -> bool:
        """Whether it was made here, and not before a fork."""
        try:
            self._consumer.check_process()
        except RuntimeError:
            return False
        return True

    def check_process(self) -> None:
        """Refuse to be used in a forked child."""
        self._consumer.check_process()


def _check(name: str, value: int, least: int) -> None:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number < _WORD:
        raise ValueError(f"{name}: expected a number of at least {least} and below 2**64, found {value!r}")


def _memory_of(slots: Sequence[Any] | None) -> list[Any]:
    """The caller's slots, checked: writable, contiguous, uint8, each given once."""
    if slots is None:
        return []
    if not isinstance(slots, list | tuple):
        raise TypeError("slots: expected a list of writable, contiguous arrays of uint8")
    memory = list(slots)
    plain = [
        isinstance(slot, np.ndarray) and slot.dtype == np.uint8 and slot.flags.c_contiguous and slot.flags.writeable for slot in memory
    ]
    if not all(plain):
        raise TypeError("slots: expected a list of writable, contiguous arrays of uint8")
    if len({slot.__array_interface__["data"][0] for slot in memory}) < len(memory):
        raise ValueError("slots: expected different arrays, found one twice")
    return memory


def _choose(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, found {value!r}")
