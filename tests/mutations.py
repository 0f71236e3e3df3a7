"""Structural mutations of small data sets, drawn by seed, and what every way to read makes of each.

``python -m tests.mutations --count 20000`` prints a table of outcomes, and ends with 1 where there is a fault.

A mutant is one of three data sets (`tests.damage`) with one to three changes: a member of the manifest or of a record, a word of Arrow
metadata, a number in a buffer, a field of a `.npy` header, an entry of the index, a file that is cut, swapped or gone. It is sealed or not:
lengths and hashes agree, lengths alone, or nothing was made to agree. What must not come of it: a crash, more than 5 s, more than 1 GiB, an
exception that is no `ShardError`, a word on stderr, readers that disagree, and, above all, other data behind a `verify` that passed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from tests import damage, mutators, reliability, watched, ways
from tests.damage import SPECS, Seal
from tests.judged import Verdict
from tests.ways import ROW_WAYS, Looks

FAULTS: Final = (
    "crash",
    "late",
    "memory",
    "odd error",
    "words on stderr",
    "readers disagree",
    "OTHER DATA AFTER A PASSED VERIFY",
    "verify passes, a reader refuses (not sealed)",
)
"""Outcomes that must not be."""
OUTCOMES: Final = (
    "refused at open",
    "refused at read",
    "found by verify only, same data",
    "found by verify only, other data",
    "harmless: same data",
    "another valid data set (sealed)",
    "verify passes, a reader refuses (sealed)",
    *FAULTS,
)
"""All outcomes, as the table lists them."""


@dataclass(frozen=True)
class Outcome:
    """What came of one mutant."""

    seed: int
    """It is drawn from this."""
    kind: str
    """One of `OUTCOMES`."""
    what: str
    """The mutant: its layout, how it is sealed, its changes."""
    detail: str = ""
    """Of a fault, the first thing that shows it."""
    seconds: float = 0.0
    """How long all ways together took."""
    peak: int = 0
    """Bytes that they took at most."""


def drawn(seed: int, whole: Path, folder: Path) -> tuple[str, bool, str]:
    """The mutant of a seed, in `folder`: its layout, whether all hashes agree, and what it is. `whole` holds the data sets by layout."""
    rng = random.Random(seed)
    layout = rng.choice(list(SPECS))
    how: Seal = rng.choice(["no", "lengths", "all", "all"])
    out = damage.copy(whole / layout / "shards", folder)
    changes, sealed = mutators.mutate(rng, out, whole, how)
    return layout, sealed, f"{layout}, sealed: {how}; {'; '.join(changes)}"


def judged(seed: int, sealed: bool, what: str, verdict: Verdict) -> Outcome:
    """The outcome, of what the ways made of it."""

    def outcome(kind: str, detail: str = "") -> Outcome:
        return Outcome(seed, kind, what, detail[:400], verdict.ended.seconds, verdict.ended.peak)

    if verdict.ended.died:
        kind = "late" if verdict.ended.died == "late" else "crash"
        return outcome(kind, f"{verdict.ended.died} at {verdict.ended.step!r}: {verdict.ended.said[-200:]}")
    if verdict.ended.too_much:
        return outcome("memory", f"{verdict.ended.peak >> 20} MiB")
    looks = verdict.looks
    for way, seen in looks.items():
        if seen.kind == "odd":
            return outcome("odd error", f"{way}: {seen.error}")
    if verdict.ended.said:
        return outcome("words on stderr", verdict.ended.said)
    disagreed = [fault for fault in verdict.agreed().faults if "DISAGREE" in fault]
    if disagreed:
        return outcome("readers disagree", disagreed[0])
    return outcome(*_of_data(sealed, verdict))


def _of_data(sealed: bool, verdict: Verdict) -> tuple[str, str]:
    looks, found = verdict.looks, verdict.found_by_verify
    refusing = [f"{way}: {seen.error}" for way, seen in looks.items() if seen.kind == "refused" and way != "verify"]
    other = any(fault.endswith("OTHER DATA") for fault in verdict.never_other().faults)
    if other and not found and not sealed:
        return "OTHER DATA AFTER A PASSED VERIFY", "; ".join(verdict.faults[:3])
    if refusing and not found:
        return f"verify passes, a reader refuses ({'sealed' if sealed else 'not sealed'})", refusing[0]
    if refusing:
        return "refused at open" if looks["open"].kind == "refused" else "refused at read", ""
    if found:
        return f"found by verify only, {'other' if other else 'same'} data", ""
    return ("another valid data set (sealed)" if other else "harmless: same data"), ""


# many of them


@cache
def _whole(root: Path) -> dict[str, Looks]:
    """What the ways make of the data sets below `root`, by layout; asked of a child, too."""
    found = {}
    for layout in SPECS:
        (ended,) = watched.each(ways.look, [root / layout / "shards"])
        assert not ended.died, ended
        assert not any(seen.kind != "read" or seen.problems for seen in ended.value.values()), ended.value
        found[layout] = ended.value
    return found


def outcomes(seeds: range, root: Path) -> Iterator[Outcome]:
    """What comes of the mutant of each seed. `root` holds the whole data sets; copies go below it, too."""
    whole = _whole(root)
    scratch = root / f"mutant-{os.getpid()}"

    def draw(seed: int) -> tuple[str, bool, str]:
        return drawn(seed, root, scratch)

    def tried(seed: int) -> tuple[str, bool, str, Looks]:
        watched.note("draw")
        made = draw(seed)
        return *made, ways.look(scratch)

    for ended in watched.each(tried, seeds):
        if ended.value is None:
            if ended.step == "draw":
                raise AssertionError(f"seed {ended.item} cannot be drawn: {ended.died} {ended.said}")
            (again,) = watched.each(draw, [ended.item], seconds=60)
            layout, sealed, what = again.value
        else:
            layout, sealed, what, ended.value = ended.value
        verdict = Verdict("", whole[layout], ended)
        yield judged(ended.item, sealed, what, verdict)
    shutil.rmtree(scratch, ignore_errors=True)


def prepared(root: Path) -> Path:
    """The whole data sets, by layout, below `root`."""
    for layout in SPECS:
        (root / layout).mkdir()
        damage.build(root / layout, layout)
    return root


def _part(root: Path, seeds: range, sender: Connection) -> None:
    """A process of its own: the outcomes of some seeds."""
    try:
        for outcome in outcomes(seeds, root):
            sender.send(outcome)
        sender.send(None)
    except BaseException:  # noqa: BLE001 - nobody above would show it
        traceback.print_exc()
    finally:
        sender.close()
        os._exit(0)


def run(first: int, count: int, processes: int, tell: Callable[[Outcome], object]) -> float:
    """All outcomes of `count` seeds, each told as it comes; the seconds that it took. This process must have no threads."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutations-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        root = Path(folder)
        # The program that builds has threads afterwards, so a child builds.
        (built,) = watched.each(prepared, [root], seconds=60)
        assert not built.died, built
        ways.prepare()
        assert watched.threads() == 1, f"{watched.threads()} threads: a fork of this process may hang"
        parts: dict[Connection, int] = {}
        try:
            for number in range(processes):
                receiver, sender = multiprocessing.Pipe(duplex=False)
                part = os.fork()
                if part == 0:
                    receiver.close()
                    _part(root, range(first + number, first + count, processes), sender)
                sender.close()
                parts[receiver] = part
            while parts:
                for receiver in [receiver for receiver in parts if receiver in multiprocessing.connection.wait(list(parts))]:
                    try:
                        outcome = receiver.recv()
                    except EOFError:
                        raise SystemExit("a process of its own ended before its mutants did; see above") from None
                    if outcome is None:
                        os.waitpid(parts.pop(receiver), 0)
                    else:
                        tell(outcome)
        finally:
            for part in parts.values():
                os.kill(part, signal.SIGKILL)
                os.waitpid(part, 0)
    return time.monotonic() - began


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="how many mutants")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    parser.add_argument("--json", type=Path, help="write every outcome there, one a line")
    parser.add_argument("--show", type=int, default=5, help="so many mutants of each fault")
    args = parser.parse_args()
    if any(name not in os.environ for name in watched.QUIET):  # some are read once, when a process begins
        os.execve(sys.executable, [sys.executable, "-m", "tests.mutations", *sys.argv[1:]], {**watched.QUIET, **os.environ})
    found: list[Outcome] = []
    seconds = run(args.first, args.count, args.processes, found.append)
    found.sort(key=lambda outcome: outcome.seed)
    print(table(found, seconds))
    counts = Counter(outcome.kind for outcome in found)
    reliability.add("mutants of a data set", len(found), counts, {kind: counts[kind] for kind in FAULTS if counts[kind]}, seconds)
    for kind in FAULTS:
        for outcome in [outcome for outcome in found if outcome.kind == kind][: args.show]:
            print(f"\n{kind}: seed {outcome.seed}\n  {outcome.what}\n  {outcome.detail}")
    if args.json:
        args.json.write_text("".join(json.dumps(vars(outcome)) + "\n" for outcome in found))
    assert len(found) == args.count
    sys.exit(any(outcome.kind in FAULTS for outcome in found))


def table(found: list[Outcome], seconds: float) -> str:
    """How many of each outcome."""
    counts: Counter[str] = Counter(outcome.kind for outcome in found)
    lines = [f"{counts[kind]:7,}  {kind}{'  <- FAULT' if kind in FAULTS and counts[kind] else ''}" for kind in OUTCOMES]
    slowest = max((outcome.seconds for outcome in found), default=0)
    peak = max((outcome.peak for outcome in found), default=0) >> 20
    return "\n".join([*lines, f"{len(found):7,}  mutants in {seconds:.0f} s; the slowest took {slowest:.2f} s, the largest {peak} MiB"])


def rows_shown(looks: Looks) -> dict[str, Any]:
    """For whoever looks at one seed: which way read how many rows, or what it said."""
    return {way: len(seen.rows) if way in ROW_WAYS and seen.kind == "read" else seen.error or seen.kind for way, seen in looks.items()}


if __name__ == "__main__":
    main()
