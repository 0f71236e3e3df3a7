"""One iteration over one epoch of a `Loader`."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.output import Output

if TYPE_CHECKING:
    from mmno_fast.loader import Loader

Make: TypeAlias = tuple[Callable[..., Any], Output | None, npt.NDArray[np.int64] | None]
"""What is called with a batch of the core and `output`, epoch, `labels` (the other two here); what it returns is handed out."""


class Epoch(_core.Epoch):
    """The batches of one epoch. It holds on to its loader, and the loader not to it: when it goes, its threads end.

    The core hands over what is ready; here is all else: waiting, the end, errors, and what `torch.Loader` makes of batches.
    """

    def __init__(self, _feed: _core.Feed, _consumer: _core.Consumer, _make: Make | None, loader: Loader) -> None:
        self._loader = loader  # the rest is the core's
        self.superseded = False
        """Whether a newer iteration has ended it before its time."""
        self._handing_over = RLock()  # threads may share it; a signal's handler may use it while it waits

    def take(self, since: float) -> Any:
        """Wait for the next batch, which was asked for `since` seconds ago."""
        asked = time.perf_counter() - since
        self._loader.check_process()
        with self._handing_over:
            if self.superseded:
                raise RuntimeError("a newer iteration of this loader has ended this one: one epoch runs at a time. Make another Loader")
            if self.feed is None:
                raise StopIteration
            try:
                batch = self._loader.take(self.feed, asked)
            except BaseException:
                self.stop()  # nobody who presses Ctrl-C waits for a picture that is being decoded
                raise
            if batch is None:
                ended = self.feed is not None  # else another thread has closed it, and more was to come
                self.close()
                if ended:
                    self._loader.finish()
                raise StopIteration
            return batch

    def warn(self) -> None:
        """Tell the consumer that it waits too much."""
        self._loader.warn()

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self.feed is None

    def stop(self) -> None:
        """Tell its threads to end, without waiting for them."""
        feed, self.feed = self.feed, None
        if feed is not None:
            feed.stop()

    def begin_again(self, feed: _core.Feed) -> None:
        """Hand out other batches instead; nothing where it has ended."""
        before, self.feed = self.feed, None if self.feed is None else feed
        (before or feed).close()

    def close(self) -> None:
        """End its threads."""
        feed, self.feed = self.feed, None
        if feed is not None and self._loader.is_of_this_process:  # else it has no threads, and one that is gone may hold its lock
            feed.close()
