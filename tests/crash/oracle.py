"""What must hold after a crash: one sees the old data set, the new one or none, and the same command ends with the same bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
    files, whole = files_of(out), _with_folders(job.whole)
    if files == whole:
        return ""
    differing = sorted(name for name in {*files, *whole} if files.get(name, 0) != whole.get(name, 0))
    details.append(f"again: unchanged={report.unchanged}, differs: {differing}")
    if all(whole.get(name, 0) == content for name, content in files.items() if content is not None) and whole.keys() <= files.keys():
        return "the same command leaves folders behind"
    return f"the same command {'says unchanged' if report.unchanged else 'ends'}, with other bytes"


def _with_folders(files: dict[str, bytes]) -> dict[str, bytes | None]:
    return {**dict.fromkeys(name.rpartition("/")[0] for name in files if "/" in name), **files}


def files_of(folder: str | Path, name: str = "") -> dict[str, bytes | None]:
    """Everything below a folder, by relative path; folders are None."""
    found: dict[str, bytes | None] = {}
    for entry in os.scandir(folder):  # several times as fast as `Path.rglob`
        below = f"{name}/{entry.name}" if name else entry.name
        if entry.is_dir(follow_symlinks=False):
            found[below] = None
            found.update(files_of(entry.path, below))
        else:
            found[below] = Path(entry.path).read_bytes()
    return found
