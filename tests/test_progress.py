"""Progress of the command line: what it counts, and its lines where there is no terminal."""

import io
import threading

from mmno_fast.cli import progress
from rich.console import Console

BUILD = {"stage": "build", "done": 0, "total": 4, "rows": 35, "bytes": 2000}


class Scripted:
    """Counters that tell one moment after the other, the last for ever; `over` is set with the last."""

    def __init__(self, *moments):
        self.moments = [{"decoded": 0, "pictures": 0, "rows": 0, "bytes": 0, "rejects": 0, **each} for each in moments]
        self.over = threading.Event()

    def snapshot(self):
        if len(self.moments) > 1:
            return self.moments.pop(0)
        self.over.set()
        return self.moments[0]


def test_progress_counts_what_the_stage_does():
    start = progress._Moment.of(Scripted(BUILD))
    now = progress._Moment.of(Scripted({**BUILD, "done": 1, "bytes": 5000, "rejects": 1}))
    assert now.text(start, 0.5) == "35 rows, 1 of 4 pictures, 2 pictures/s, 2.9 KiB, 1 reject"
    verify = progress._Moment.of(Scripted({"stage": "verify", "done": 10, "total": 20}))
    assert verify.text(verify, 1.0) == ""


def test_without_a_terminal_each_stage_is_a_line(monkeypatch):
    lines = io.StringIO()
    counters = Scripted(BUILD, BUILD, {**BUILD, "done": 3}, {"stage": "commit", "done": 0, "total": 0})
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)  # else one every few seconds
    progress._print_lines(counters, Console(file=lines, color_system=None), counters.over)
    first, second, third, *_ = lines.getvalue().splitlines()
    assert first == "build shards …"
    assert second.startswith("build shards: 75%, 35 rows, 3 of 4 pictures")
    assert third.endswith(" …")
    assert third != first


def test_what_is_over_at_once_says_nothing():
    lines = io.StringIO()
    counters = Scripted(BUILD)
    counters.over.set()
    progress._print_lines(counters, Console(file=lines, color_system=None), counters.over)
    assert lines.getvalue() == ""
