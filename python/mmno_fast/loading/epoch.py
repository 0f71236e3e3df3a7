"""One iteration over one epoch of a `Loader`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.spec.output import Output

if TYPE_CHECKING:
    from mmno_fast.loading.batch import Batch
    from mmno_fast.loading.loader import Loader

Make: TypeAlias = tuple[Callable[..., Any], Output | None, npt.NDArray[np.int64] | None]
"""What is called with a batch of the core and `output`, epoch, `labels` (the other two here); what it returns is handed out."""


@contextmanager
def ending(feed: _core.Feed) -> Iterator[_core.Feed]:
    """End the threads of `feed` behind this, and wait for them; where something is raised, without waiting.

    Nobody who presses Ctrl-C waits for a picture that is being decoded.
    """
    try:
        yield feed
    except GeneratorExit:  # a generator that is left where it hands out a batch
        feed.close()
        raise
    except BaseException:
        feed.stop()
        raise
    feed.close()


class Epoch(_core.Epoch):
    """The batches of one epoch. It holds on to its loader, and the loader not to it: when it goes, its threads end.

    The core hands over what is ready; here is all else: waiting, the end, errors, and what `torch.Loader` makes of batches.
    """

    def __init__(self, _feed: _core.Feed, _consumer: _core.Consumer, _make: Make | None, loader: Loader) -> None:
        self._loader = loader  # the rest is the core's
        self.superseded = False
        """Whether a newer iteration has ended it before its time."""
        self._handing_over = RLock()  # threads may share it; a signal's handler may use it while it waits

    def take(self) -> tuple[Any, _core.Feed, Batch, float]:
        """Wait for the next batch.

        Returns:
            What to hand out; the feed that it comes from; its batch; how many seconds were spent on it besides waiting.
        """
        self._loader.check_process()
        with self._handing_over:
            while True:
                if self.superseded:
                    raise RuntimeError("a newer iteration of this loader has ended this one: one epoch runs at a time. Make another Loader")
                feed = self.feed
                if feed is None:
                    raise StopIteration
                taken = self._loader.take(feed)
                if taken is not None:
                    what, batch, besides = taken
                    return what, feed, batch, besides
                if self.finish(feed):  # else another epoch was begun meanwhile, or somebody has closed this one
                    feed.close()
                    raise StopIteration

    def warn(self, share: float) -> None:
        """Tell the consumer that it waited for too much of the last minute, 0 to 1. The core calls it."""
        self._loader.warn(share)

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self.feed is None

    def stop(self) -> None:
        """Tell its threads to end, without waiting for them."""
        feed = self._end_here()
        if feed is not None:
            feed.stop()

    def close(self) -> None:
        """End its threads."""
        feed = self._end_here()
        if feed is not None:
            feed.close()

    def _end_here(self) -> _core.Feed | None:
        feed = self.end()
        return feed if self._loader.is_of_this_process else None  # there are no threads, and one that is gone may hold its lock
