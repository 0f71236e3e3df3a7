"""What must hold after a crash: one sees the old data set, the new one or none, and the same command ends with the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.building import bytes_of
from tests.crash.jobs import Job
from tests.crash.look import Look, look

LOST: Final = "the command was done, and its data set is lost"
FEWER_ROWS: Final = (LOST, "other rows are read, and verify passes")
"""What is right where the command said that it left rows out."""


@dataclass(frozen=True)
class Verdict:
    """What became of one folder."""

    outcome: str
    """In a few words, so that outcomes can be counted."""
    faults: tuple[str, ...]
    """What must not be, in words that do not depend on the folder."""
    details: tuple[str, ...] = ()
    """The same with paths and messages."""


def judge(job: Job, out: Path, *, done: bool = False) -> Verdict:
    """Look at the folder, and run the command again. `done`: the command had said that it was done, so its data set must be there."""
    faults, details = [], []
    seen = look(out)
    outcome = _outcome(job, seen)
    if fault := _fault(job, seen, done=done):
        faults.append(fault)
        details.append(f"{seen.error or seen.rows}; verify: {seen.problems}")
    if fault := _after(job, out, details):
        faults.append(fault)
    return Verdict(outcome, tuple(faults), tuple(details))


def _outcome(job: Job, seen: Look) -> str:
    if not seen.rows:
        return f"refused ({seen.error.split(':')[0]})"
    shown = "new" if seen.rows == job.new else "old" if seen.rows == job.old else "OTHER"
    return f"{shown}, verify: {'refuses' if seen.problems is None else 'problems' if seen.problems else 'whole'}"


def _fault(job: Job, seen: Look, *, done: bool) -> str:
    if seen.odd:
        return f"an error that nobody expects: {seen.error.split(':')[0]}"
    if seen.rows and seen.rows not in (job.old, job.new):
        return f"other rows are read, and verify {'passes' if seen.problems == () else 'finds it'}"
    if not seen.rows and seen.problems == ():
        return "verify passes what cannot be read"
    if not seen.rows and job.old:
        return "neither the old data set nor the new one can be read"
    if done and seen.rows != job.new:
        return LOST
    return ""


def _after(job: Job, out: Path, details: list[str]) -> str:
    """Run the command again."""
    try:
        report = job.run(out)
    except Exception as error:  # noqa: BLE001 - any of them is a fault
        said = f"{type(error).__name__}: {error}".replace(str(out), "OUT")
        details.append(f"again: {said}")
        return f"the same command fails: {type(error).__name__}"
    files = bytes_of(out)
    if files != job.whole:
        differing = sorted(name for name in {*files, *job.whole} if files.get(name) != job.whole.get(name))
        details.append(f"again: unchanged={report.unchanged}, differs: {differing}")
        return f"the same command {'says unchanged' if report.unchanged else 'ends'}, with other bytes"
    left = sorted(
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_dir() and path.relative_to(out).as_posix() not in _folders(job)
    )
    if left:
        details.append(f"again: left {left}")
        return "the same command leaves folders behind"
    return ""


def _folders(job: Job) -> set[str]:
    return {name.rpartition("/")[0] for name in job.whole}
