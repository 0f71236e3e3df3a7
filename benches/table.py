"""Lines of a table: what was wanted and what was found, measured in turns."""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmno_fast.report.looks import listing
from rich.console import Console


@dataclass(frozen=True)
class Line:
    """One line of the table; `ratio` is None where nothing stands beside."""

    what: str
    unit: str
    ours: float
    beside: str = ""
    theirs: float | None = None
    ratio: float | None = None
    wanted: str = ""
    met: bool | None = None
    spread: tuple[float, float] | None = None
    """The quartiles over the rounds: of the ratio where there is one, else of the figure."""


class Rounds:
    """Several ways to do one thing, each returning its seconds, measured in turns: many short ones.

    What else the machine does only adds time, so what is judged is the fastest turn of each way. Beside it stand the quartiles of the
    ratios turn by turn, which show how much was going on.
    """

    def __init__(self, count: int, **ways: Callable[[], float]) -> None:
        self.times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(count):
            gc.collect()
            # Forth and back, so that no way always follows the same other one.
            for name in sorted(ways, reverse=bool(turn % 2)):
                self.times[name].append(ways[name]())

    def rate(self, name: str, amount: float) -> float:
        """What is got through in a second, in the fastest turn."""
        return amount / min(self.times[name])

    def line(self, what: str, unit: str, amount: float, name: str, beside: tuple[str, str], least: float | None = None) -> Line:
        """The way `name` beside another, (its name, what it is called); `least` is the ratio that is wanted."""
        ours, theirs = self.rate(name, amount), self.rate(beside[0], amount)
        low, _, high = quartiles(b / a for a, b in zip(self.times[name], self.times[beside[0]], strict=True))
        wanted, met = (f">= {least:g} x", ours >= least * theirs) if least else ("", None)
        return Line(what, unit, ours, beside[1], theirs, ours / theirs, wanted, met, (low, high))


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """The lower one, the median, the upper one."""
    numbers = list(values)
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return low, middle, high


def figure(value: float | None) -> str:
    """Three digits of a number, or nothing."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(lines: Iterable[Line]) -> None:
    """Prints the table."""
    headers = [("what", "left"), ("unit", "left"), ("ours", "right"), ("beside", "left"), ("its", "right"), ("ratio", "right")]
    cells = [
        [line.what, line.unit, figure(line.ours), line.beside, figure(line.theirs), f"{line.ratio:.2f} x" if line.ratio else "",
         " to ".join(map(figure, line.spread)) if line.spread else "", line.wanted, {None: "", True: "met", False: "NOT MET"}[line.met]]
        for line in lines
    ]  # fmt: skip
    table = listing([*headers, ("quartiles", "right"), ("wanted", "left"), ("", "left")], cells)
    Console(width=None if os.isatty(1) else 180).print(table)
