"""How far a job is: bars on a terminal, plain lines in a pipe; always on stderr.

The job runs in the main thread, where Ctrl-C reaches it, and lets go of the GIL; here a second thread reads its counters and draws.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from mmno_fast.cli.consoles import stderr
from mmno_fast.jobs.progress import Watched
from mmno_fast.report.looks import bytes_text, counted

LINE_SECONDS: Final = 5.0
"""Seconds between two lines of one stage in a pipe."""
_POLL_SECONDS: Final = 0.1
_TITLES: Final = {
    "rows": "read rows",
    "pictures": "look at pictures",
    "draw": "draw",
    "build": "build shards",
    "units": "build units",
    "commit": "commit",
    "verify": "verify",
}
_OF_PICTURES: Final = ("pictures", "draw", "build", "units")
"""Stages whose `done` counts pictures."""


@contextmanager
def shown(counters: Watched) -> Iterator[None]:
    """Show `counters` on stderr while the block runs."""
    console = stderr()
    if console.is_terminal:
        with _Bars(counters, console):
            yield
    else:
        with _lines(counters, console):
            yield


@dataclass(frozen=True)
class _Moment:
    """One look at the counters."""

    stage: str
    done: int
    total: int
    rows: int
    bytes: int
    rejects: int

    @classmethod
    def of(cls, counters: Watched) -> _Moment:
        now = counters.snapshot()
        numbers = [int(now[name]) for name in ("done", "total", "rows", "bytes", "rejects")]
        return cls(str(now["stage"]), *numbers)

    @property
    def title(self) -> str:
        return _TITLES.get(self.stage, self.stage)

    def text(self, start: _Moment, seconds: float) -> str:
        """What is counted so far; `start` of the stage was `seconds` ago."""
        words = []
        if self.rows:
            words.append(counted(self.rows, "row"))
        if self.stage in _OF_PICTURES and self.total:
            words.append(f"{self.done:,} of {counted(self.total, 'picture')}")
            if self.done and seconds > _POLL_SECONDS:
                words.append(f"{self.done / seconds:,.0f} pictures/s")
        if self.bytes > start.bytes:
            words.append(bytes_text(self.bytes - start.bytes))
        if self.rejects:
            words.append(counted(self.rejects, "reject"))
        return ", ".join(words)


class _Clock(ProgressColumn):
    """How long a stage will take yet, or took."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"{_clock_text(task.finished_time or 0.0)}     ")
        return Text("" if task.time_remaining is None else f"{_clock_text(task.time_remaining)} left")


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes:2}:{rest:02}"


class _Bars(Progress):
    """One bar for each stage; the thread that refreshes the screen looks at the counters first."""

    def __init__(self, counters: Watched, console: Console) -> None:
        self._counters = counters
        self._bar: TaskID | None = None
        self._stage = ""
        self._start = _Moment.of(counters)
        self._ready = False  # rich draws once while it is being made
        super().__init__(
            TextColumn("{task.description:<16}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            _Clock(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            refresh_per_second=10,
        )
        self._ready = True

    def get_renderable(self) -> RenderableType:
        self._look()
        return super().get_renderable()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._look()
        if error is None:
            self._finish()
        super().__exit__(kind, error, trace)

    def _look(self) -> None:
        now = _Moment.of(self._counters)
        if not (self._ready and now.stage):
            return
        if now.stage != self._stage:
            self._finish()
            self._stage, self._start = now.stage, now
            self._bar = self.add_task(now.title, total=None, text="")
        if self._bar is not None:
            task = self._task(self._bar)
            text = now.text(self._start, task.elapsed or 0.0)
            self.update(self._bar, completed=now.done, total=now.total or None, text=text)

    def _task(self, bar: TaskID) -> Task:
        return next(task for task in self.tasks if task.id == bar)

    def _finish(self) -> None:
        """The stage before is over, whatever it counted last."""
        bar, self._bar = self._bar, None  # the next call may come from within `add_task`, which draws
        if bar is not None:
            task = self._task(bar)
            total = task.total or max(task.completed, 1)
            self.update(bar, total=total, completed=total)
            self.stop_task(bar)


@contextmanager
def _lines(counters: Watched, console: Console) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=_print_lines, args=(counters, console, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _print_lines(counters: Watched, console: Console, over: threading.Event) -> None:
    """One line when a stage begins, and one every few seconds while it lasts."""
    start = _Moment.of(counters)
    began = told = 0.0
    named = last = False
    while not last:
        last = over.wait(_POLL_SECONDS)
        if last and not named:
            return  # over before there was anything to tell
        now, clock = _Moment.of(counters), time.monotonic()
        if now.stage and not (named and now.stage == start.stage):
            start, began, told, named = now, clock, clock, True
            console.print(f"{now.title} …", soft_wrap=True)
        elif now.stage and clock - told >= LINE_SECONDS:
            told = clock
            words = [f"{now.done / now.total:.0%}"] if now.total else []
            words.append(now.text(start, clock - began))
            if 0 < now.done < now.total:
                words.append(f"{(clock - began) * (now.total - now.done) / now.done:,.0f} s left")
            console.print(f"{now.title}: {', '.join(filter(None, words))}", soft_wrap=True)
