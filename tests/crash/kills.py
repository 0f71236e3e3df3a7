"""Kills at system calls: ``python -m tests.crash.kills --count 1000 --seed 0``.

A command is killed by strace where it makes a system call, at any of them. No data set opens and is wrong; the same command then ends with
the same bytes. Some are killed once more, while they go on.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests import reliability
from tests.crash.commands import WRITERS, Command, Place
from tests.crash.oracle import judge
from tests.crash.told import Told
from tests.crash.worker import alone, scratch
from tests.watched import Calls

AGAIN = 0.25
"""How often what goes on after a kill is killed, too."""


def main() -> int:
    """Print outcomes; 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="of all commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=("all", *WRITERS), default="all")
    parser.add_argument("--shown", type=int, default=3, help="kills shown of each kind of fault")
    given = parser.parse_args()
    with alone():
        return run(given)


def run(given: argparse.Namespace) -> int:
    """All commands; 1 where there is a fault."""
    names = [name for name in WRITERS if given.command in {"all", name}]
    failed = 0
    for turn, name in enumerate(names):
        began = time.monotonic()
        command, told = Command(name, scratch() / name), Told(given.shown)
        rng = random.Random(f"{given.seed} {name}")
        count = given.count // len(names) + (turn < given.count % len(names))
        for place in spread(command.places, count, rng):
            kill(command, place, rng, told)
        print(f"{name}: {count:,} kills at {len(command.places):,} calls, seed {given.seed}, {time.monotonic() - began:.1f} s")
        reliability.add(f"`{name}` killed at a system call", count, told.outcomes, told.faults, time.monotonic() - began)
        failed = max(failed, told.show())
    return failed


def spread(places: list[Place], count: int, rng: random.Random) -> list[Place]:
    """So many places, as far from each other as can be, each moved a little by chance."""
    return [places[int((number + rng.random()) * len(places) / count)] for number in range(count)]


def kill(command: Command, place: Place, rng: random.Random, told: Told) -> None:
    """Kill it there, perhaps once more, and judge what is left."""
    head, outcome = [], ""
    places = [place]
    if rng.random() < AGAIN:
        places.append(rng.choice(command.places))
    for each in places:
        ended = command.under(["-e", f"trace={each.call}", "-e", f"inject={each.call}:signal=KILL:when={each.number}"])
        lines = [line for line in ended.trace.splitlines() if f"{each.call}(" in line]
        head.append(f"{command.name}, killed at {each.call} {each.number}: {lines[-1] if lines else ''}".replace(str(command.base), "BASE"))
        outcome = ended.died or f"ended before, exit {ended.code}"
    calls: Calls[bool] = Calls(lambda done: judge(command.job, command.base / "out", done=done), 60)
    verdict = calls(outcome == f"ended before, exit {command.code}")
    calls.close()
    if verdict.died:
        told.fault("the process that looks dies", (*head, verdict.died, verdict.said))
    else:
        told.outcomes[f"{outcome}; {verdict.value.outcome}"] += 1
        for fault in verdict.value.faults:
            told.fault(fault, (*head, *verdict.value.details))
    for name in command.touched():
        told.fault("it changes what is not its own", (*head, name))
    command.restore()


if __name__ == "__main__":
    sys.exit(main())
