"""Crash states by recording and replay: ``python -m tests.crash --states 1000 --seed 0 --job update``.

A command runs once under strace. What its system calls did is replayed up to any of them, and of what was not yet synced anything may be
lost. Each folder that comes of it is read, verified, and given to the same command. The same seed draws the same states.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass

from tests import reliability
from tests.crash.disk import Sync
from tests.crash.jobs import NAMES, Name, prepare
from tests.crash.oracle import Verdict
from tests.crash.recording import record
from tests.crash.states import State, States, signature
from tests.crash.told import Told
from tests.crash.worker import BATCH, Item, Judges, alone, scratch


@dataclass
class Drawn:
    """A folder that some states leave."""

    state: State
    """The first of them."""
    item: Item
    count: int = 0
    """How many of them were drawn."""


def main() -> int:
    """Print outcomes; 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--states", type=int, default=1000, help="of each job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", choices=("all", *NAMES), default="all")
    parser.add_argument("--shown", type=int, default=3, help="states shown of each kind of fault")
    parser.add_argument("--operations", action="store_true", help="print what was recorded, and stop")
    given = parser.parse_args()
    with alone():
        return max([run(name, given) for name in NAMES if given.job in {"all", name}])


def run(name: Name, given: argparse.Namespace) -> int:
    """One job; 1 where there is a fault."""
    began = time.monotonic()
    job = prepare(scratch() / name, name)
    states = States(record(job.base, job.run))
    operations = states.recording.operations
    if given.operations:
        print(*(f"{number:4}  {operation.words}" for number, operation in enumerate(operations, 1)), sep="\n")
        return 0
    told = Told(given.shown)
    for operation in operations:
        if " out" not in operation.words and not all(isinstance(change, Sync) for change in operation.changes):
            told.fault("it changes what is not its own", [operation.words])
    drawn = draw(states, random.Random(f"{given.seed} {name}"), given.states)
    judges = Judges(job)
    for at in range(0, len(drawn), BATCH):
        some = drawn[at : at + BATCH]
        for each, verdict in zip(some, judges([each.item for each in some]), strict=True):
            tell(told, states, each, verdict)
    judges.close()
    total = sum(each.count for each in drawn)
    seconds = time.monotonic() - began
    print(f"{name}: {total:,} states of {states.count():,}, seed {given.seed}; {len(operations)} operations,", end=" ")
    print(f"{len(drawn):,} different folders, {seconds:.1f} s", flush=True)
    reliability.add(f"states after a crash of `{name}`", total, told.outcomes, told.faults, seconds)
    return told.show()


def draw(states: States, rng: random.Random, count: int) -> list[Drawn]:
    """States, each once. Those that leave the same folder stand together: it is judged once, and counts for all of them."""
    found: dict[bytes, Drawn] = {}
    seen: set[State] = set()
    for _ in range(50 * count):
        if len(seen) == count:
            break
        state = states.draw(rng)
        if state in seen:
            continue
        seen.add(state)
        files, done = states.tree(state).files(), state.prefix == states.last
        found.setdefault(signature(files) + bytes([done]), Drawn(state, (files, done))).count += 1
    return list(found.values())


def tell(told: Told, states: States, drawn: Drawn, verdict: Verdict) -> None:
    """Count an outcome; keep what shows a fault."""
    told.outcomes[verdict.outcome] += drawn.count
    for fault in verdict.faults:
        told.fault(fault, (*states.words(drawn.state), *verdict.details), drawn.count)


if __name__ == "__main__":
    sys.exit(main())
