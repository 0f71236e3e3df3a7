"""The memory of a process that trains for fifty epochs: what is anonymous (its own), and what the system's cache could take back.

``python -m benches.steady [--pictures 2700] [--epochs 50]`` writes ``.benchmarks/steady.json``, of which `benches.figures` draws
``docs/memory.svg``. Each case is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import mmno_fast as mf

from benches.corpus import FOLDER, corpus
from benches.loading import BATCH, IMAGE, MEMORY

FOUND: Final = FOLDER / "steady.json"
CASES: Final = ("shards", "JSONL, pictures in memory")


def run(case: str, job: dict[str, Any]) -> list[dict[str, int]]:
    """After each epoch, the first one before any: bytes of RSS by kind."""
    if case == "shards":
        dataset, options = mf.open(job["shards"]), {}
    else:
        dataset, options = mf.open(job["sources"], job["images"], image=IMAGE), {"memory_bytes": MEMORY}
    found = [resident()]
    with mf.Loader(dataset, BATCH, shuffle=True, seed=1, threads=2, **options) as loader:
        for _ in range(job["epochs"]):
            rows = 0
            for batch in loader:
                rows += batch.rows.num_rows
                # Every page is touched, as a copy to the device would.
                assert batch.images[..., 0].reshape(-1)[::4096].size
            assert rows == len(dataset) // BATCH * BATCH
            found.append(resident())
    return found


def resident() -> dict[str, int]:
    """Bytes of this process that are in memory: anonymous, and of files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss")}
    return {"anonymous": sizes["RssAnon"], "files": sizes["RssFile"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2700)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run(arguments.case, json.loads(arguments.job))))
        return
    data, found = corpus(arguments.pictures), {}
    with tempfile.TemporaryDirectory(dir=FOLDER) as work:
        job = {"shards": f"{work}/shards", "sources": list(map(str, data.sources)), "images": str(data.images), "epochs": arguments.epochs}
        mf.build(data.sources, data.images, job["shards"], IMAGE)
        for case in CASES:
            command = [sys.executable, "-m", "benches.steady", "--case", case, "--job", json.dumps(job)]
            found[case] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent).stdout)
            early, late = found[case][2]["anonymous"], found[case][-1]["anonymous"]
            print(f"{case}: {early / 2**20:.1f} MiB of its own after 2 epochs, {late / 2**20:.1f} MiB after {arguments.epochs}", flush=True)
    FOUND.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
