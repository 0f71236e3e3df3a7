"""``mmno-fast verify``: is a data set whole?"""

from __future__ import annotations

import typer

from mmno_fast import _core
from mmno_fast.cli import options
from mmno_fast.cli.consoles import show, write_json
from mmno_fast.cli.exits import FAILED
from mmno_fast.cli.progress import shown
from mmno_fast.jobs import verify as job

EXAMPLES = """\
Examples:

  mmno-fast verify shards/

  mmno-fast verify shards/ --json -

Exit code: 0 whole, 1 damaged or no data set, 2 for wrong use.
"""


def verify(shards: options.Shards, *, json: options.Json = None, threads: options.Threads = None) -> None:
    """Read a data set whole: every hash, every invariant, every file that should not be there."""
    options.keep_inputs([], shards, json=json)
    counters = _core.Progress()
    with shown(counters):
        report = job.verify(shards, threads=threads, progress=counters)
    if not write_json(report, json):
        show(report)
    if not report.ok:
        raise typer.Exit(FAILED)
