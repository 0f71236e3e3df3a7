"""Every system call fails once: ``python -m tests.crash.calls --count 100 --seed 0 --command update``.

A command runs under strace, which lets one system call on its sources, pictures or output fail. The command ends as if nothing had been, or
with an error that names the path. No data set opens and is wrong; the same command, undisturbed, then ends with the same bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
from errno import EACCES, EINTR, EIO, EMFILE, ENOSPC
from pathlib import Path
from typing import Final

from mmno_fast.cli.exits import FAILED, REJECTED

from tests import reliability
from tests.crash.commands import LEFT_OUT, READERS, WRITERS, Command, Place
from tests.crash.oracle import FEWER_ROWS, judge
from tests.crash.told import Told
from tests.crash.traced import Traced
from tests.crash.worker import alone, scratch
from tests.watched import Calls

ERRORS: Final = {"EIO": EIO, "ENOSPC": ENOSPC, "EMFILE": EMFILE, "EINTR": EINTR, "EACCES": EACCES}
MANY_THREADS: Final = ("epoch", "raw")
"""Commands that do not make the same calls each time."""
_BUG: Final = re.compile(r"this is a bug|panicked|InternalError|Traceback \(most recent")


def main() -> int:
    """Print outcomes; 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.calls", description=__doc__)
    parser.add_argument("--count", type=int, default=0, help="injections of all commands together, drawn; 0: every one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=("all", *WRITERS, *READERS), default="all")
    parser.add_argument("--call", default="", help="this system call alone")
    parser.add_argument("--error", choices=("", *ERRORS), default="", help="this error alone")
    parser.add_argument("--lasting", action="store_true", help="all later calls of the name fail, too")
    parser.add_argument("--shown", type=int, default=3, help="injections shown of each kind of fault")
    given = parser.parse_args()
    with alone():
        return run(given)


def run(given: argparse.Namespace) -> int:
    """All commands; 1 where there is a fault."""
    names = [name for name in (*WRITERS, *READERS) if given.command in {"all", name}]
    errors = [given.error] if given.error else list(ERRORS)
    failed = 0
    for turn, name in enumerate(names):
        began = time.monotonic()
        command = Command(name, scratch() / name)
        todo = [(place, error) for place in command.places for error in errors if given.call in ("", place.call)]
        if given.count:
            count = given.count // len(names) + (turn < given.count % len(names))
            todo = random.Random(f"{given.seed} {name}").sample(todo, min(count, len(todo)))
        told = Told(given.shown)
        for place, error in todo:
            attempt(command, place, error, told, lasting=given.lasting)
        print(f"{name}: {len(todo):,} injections into {len(command.places):,} calls, seed {given.seed}, {time.monotonic() - began:.1f} s")
        reliability.add(f"a system call of `{name}` fails", len(todo), told.outcomes, told.faults, time.monotonic() - began)
        failed = max(failed, told.show())
    return failed


def attempt(command: Command, place: Place, error: str, told: Told, *, lasting: bool = False) -> None:
    """Let one call fail, and judge what comes of it."""
    ended = command.under(["-e", f"trace={place.call}", "-e", f"inject={place.call}:error={error}:when={place.number}{'+' * lasting}"])
    injected = next((line for line in ended.trace.splitlines() if "(INJECTED)" in line), "")
    said = command.told(ended).strip().replace(str(command.base), "BASE")
    head = [f"{command.name}, {error}: {injected.replace(str(command.base), 'BASE')}", f"exit {ended.code} {ended.died}: {said[-700:]}"]
    faults: list[tuple[str, str]] = []
    if not injected and command.name not in MANY_THREADS:
        faults.append(("the call did not come", ""))
    if fault := misled(command, ended, injected, error):
        faults.append((fault, ""))
    faults += [("it changes what is not its own", name) for name in command.touched()]
    if command.writes:  # of the others, the next run reads the same bytes as the one that nothing disturbed
        faults += _after_writing(command, ended, error)
    told.outcomes[f"exit {ended.code} {ended.died}".strip() + f", {error if injected else 'the call did not come'}"] += 1
    for kind, detail in faults:
        told.fault(kind, (*head, detail) if detail else head)
    command.restore()


def misled(command: Command, ended: Traced, injected: str, error: str) -> str:
    """What is wrong with how the command ended, if anything."""
    if ended.died:
        return f"it dies: {ended.died}"
    if _BUG.search(ended.said):
        return "it calls the error a bug"
    if ended.code == command.code and (command.is_whole() if command.writes else command.told(ended) == command.said):
        return ""
    if ended.code == 0:
        return f"exit 0, and other {'bytes' if command.writes else 'results'}"
    if ended.code == REJECTED and error != "EACCES":
        return f"rows are rejected for {error}"
    return _unclear(ended, injected, error)


def _unclear(ended: Traced, injected: str, error: str) -> str:
    """What is missing in what was said of the error, if anything."""
    if ended.code == REJECTED and LEFT_OUT in ended.said:
        return ""
    if ended.code not in {FAILED, REJECTED}:
        return f"exit {ended.code} for an error of the system"
    if not _names(ended.said, injected):
        return f"exit {ended.code}, and the path is not named"
    if os.strerror(ERRORS[error]).lower() not in ended.said.lower():
        return f"exit {ended.code}, and the error is not named"
    return ""


def _names(said: str, injected: str) -> bool:
    """Whether it names a path of the call, or the folder that this lies in."""
    wanted = {path.rstrip("/") for pair in re.findall(r'"(/[^"]*)"|<(/[^>]*)>', injected) for path in pair if path}
    wanted |= {f"{folder}/{name}" for folder, name in re.findall(r'<(/[^>]*)>, "([^"/][^"]*)"', injected)}
    # `verify` names a shard by its folder in the data set.
    shards = (path.parent.name for path in map(Path, wanted) if re.fullmatch("[0-9a-f]{16}", path.parent.name))
    return any(text in said for path in map(Path, wanted) for text in (str(path), str(path.parent), path.name)) or any(
        shard in said for shard in shards
    )


def _after_writing(command: Command, ended: Traced, error: str) -> list[tuple[str, str]]:
    """What is wrong with the folder that it leaves, and with what the same command makes of it."""
    calls: Calls[Path] = Calls(lambda out: judge(command.job, out, done=ended.code == command.code), 60)
    verdict = calls(command.base / "out")
    calls.close()
    if verdict.died:
        return [("the process that looks dies", f"{verdict.died} {verdict.said}")]
    faults = verdict.value.faults
    if ended.code == REJECTED and error == "EACCES":  # it has said that rows are missing
        faults = [fault for fault in faults if fault not in FEWER_ROWS]
    return [(fault, "; ".join(verdict.value.details)) for fault in faults]


if __name__ == "__main__":
    sys.exit(main())
