"""Lines of a table: what was wanted and what was found, measured in turns."""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmno_fast.tables import listing
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
    """The quartiles of what is judged, over the rounds."""


class Rounds:
    """Several ways to do one thing, each returning its seconds, measured in turns so short that what else the machine does hits all."""

    def __init__(self, count: int, **ways: Callable[[], float]) -> None:
        self.times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(count):
            gc.collect()
            # Forth and back, so that no way always follows the same other one.
            for name in sorted(ways, reverse=bool(turn % 2)):
                self.times[name].append(ways[name]())

    def rate(self, name: str, amount: float) -> float:
        """What is got through in a second: the median."""
        return amount / statistics.median(self.times[name])

    def quartiles(self, name: str, other: str) -> tuple[float, float, float]:
        """How many times as long `other` takes as `name`, turn by turn: the lower quartile, the median, the upper quartile."""
        return quartiles(b / a for a, b in zip(self.times[name], self.times[other], strict=True))

    def line(self, what: str, unit: str, amount: float, name: str, beside: tuple[str, str], least: float | None = None) -> Line:
        """The way `name` beside another, (its name, what it is called); `least` is the ratio that is wanted."""
        low, ratio, high = self.quartiles(name, beside[0])
        wanted, met = (f">= {least:g} x", ratio >= least) if least else ("", None)
        return Line(what, unit, self.rate(name, amount), beside[1], self.rate(beside[0], amount), ratio, wanted, met, (low, high))


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
         "–".join(map(figure, line.spread)) if line.spread else "", line.wanted, {None: "", True: "met", False: "NOT MET"}[line.met]]
        for line in lines
    ]  # fmt: skip
    table = listing([*headers, ("quartiles", "right"), ("wanted", "left"), ("", "left")], cells)
    Console(width=None if os.isatty(1) else 180).print(table)
