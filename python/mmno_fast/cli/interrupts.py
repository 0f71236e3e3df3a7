"""Ctrl-C within 100 ms, whatever the core has in hand.

Python runs the handler of a signal in the main thread alone, and only between pieces of work. A large picture may be one piece for
seconds. So a second thread reads the number of the signal, waits for the usual way to end, and ends the process if it does not come.
Every command may end at any moment: a build that was killed goes on where it stopped.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

INTERRUPTED: Final = 130
"""The exit code, as of a shell."""
AGAIN: Final = "interrupted: the same command goes on where it stopped"
"""What a build says."""
_GRACE_SECONDS: Final = 0.04
"""How long the usual way may take. The core looks for signals every 40 ms; the system needs the rest of 100 ms to take memory back."""
_SHOW_CURSOR: Final = "\x1b[?25h"
_over = threading.Event()
_words = "interrupted"


def answer_at_once() -> None:
    """Watch for Ctrl-C from here on. For a process of our own only: it may be ended."""
    with suppress(OSError, ValueError):  # without descriptors, or in another thread than the main one: as Python does it
        heard, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(heard,), name="ctrl-c", daemon=True).start()


def say(words: str) -> None:
    """What to tell from here on, should the process have to be ended."""
    global _words  # noqa: PLW0603 - one process runs one command
    _words = words


def work_is_over() -> None:
    """The core has nothing in hand any more: the rest ends by itself."""
    _over.set()


def _watch(heard: int) -> None:
    while os.read(heard, 1) != bytes([signal.SIGINT]):
        pass
    if not _over.wait(_GRACE_SECONDS):
        _say_last(_words)
        os._exit(INTERRUPTED)


def _say_last(words: str) -> None:
    """Write to stderr if that is possible at once; rich may have hidden the cursor, and bars end without a line end."""
    with suppress(OSError, ValueError, AttributeError):
        number = sys.__stderr__.fileno()  # type: ignore[union-attr]
        text = f"{_SHOW_CURSOR}\n{words}\n" if os.isatty(number) else f"{words}\n"
        if select.select([], [number], [], 0)[1]:
            os.write(number, text.encode())
