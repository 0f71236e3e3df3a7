"""One iteration over one epoch of a `Loader`."""

from __future__ import annotations

from collections.abc import Iterator
from threading import RLock
from typing import TYPE_CHECKING

from mmno_fast import _core
from mmno_fast.batch import Batch

if TYPE_CHECKING:
    from mmno_fast.loader import Loader


class Epoch(Iterator[Batch]):
    """The batches of one epoch. It holds on to its loader, and the loader not to it: when it goes, its threads end."""

    def __init__(self, loader: Loader, feed: _core.Feed) -> None:
        self._feed: _core.Feed | None = feed
        self._loader = loader
        self.superseded = False
        """Whether a newer iteration has ended it before its time."""
        self._handing_over = RLock()  # threads may share it; a signal's handler may use it while it waits

    def __next__(self) -> Batch:
        self._loader.check_process()
        with self._handing_over:
            if self.superseded:
                raise RuntimeError("a newer iteration of this loader has ended this one: one epoch runs at a time. Make another Loader")
            if self._feed is None:
                raise StopIteration
            try:
                batch: Batch | None = self._loader.take(self._feed)
            except BaseException:
                self.stop()  # nobody who presses Ctrl-C waits for a picture that is being decoded
                raise
            if batch is None:
                ended = self._feed is not None  # else another thread has closed it, and more was to come
                self.close()
                if ended:
                    self._loader.finish()
                raise StopIteration
            return batch

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self._feed is None

    def stop(self) -> None:
        """Tell its threads to end, without waiting for them."""
        if self._feed is not None:
            self._feed.stop()
            self._feed = None

    def begin_again(self, feed: _core.Feed) -> None:
        """Hand out other batches instead; nothing where it has ended."""
        if self._feed is None:
            feed.close()
        else:
            self._feed.close()
            self._feed = feed

    def close(self) -> None:
        """End its threads."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            if self._loader.is_of_this_process:  # else it has no threads, and one that is gone may hold its lock
                feed.close()
