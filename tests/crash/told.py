"""What a harness prints: outcomes by number, and of each kind of fault the first that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Told:
    """Outcomes and faults."""

    def __init__(self, shown: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._shown = shown
        self._first: dict[str, list[list[str]]] = {}

    def fault(self, kind: str, lines: Iterable[str], count: int = 1) -> None:
        """One more fault of a kind, `count` times over."""
        self.faults[kind] += count
        first = self._first.setdefault(kind, [])
        if len(first) < self._shown:
            first.append(list(lines))

    def show(self) -> int:
        """Print all; 1 where there is a fault."""
        for words, count in self.outcomes.most_common():
            print(f"  {count:8,}  {words}")
        for kind, count in self.faults.most_common():
            print(f"  {count:8,}  FAULT  {kind}")
            for lines in self._first[kind]:
                print(*(f"              {line}" for line in lines), "", sep="\n")
        return int(bool(self.faults))
