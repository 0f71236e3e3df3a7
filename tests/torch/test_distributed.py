"""Real processes of torch.distributed: killed in the middle of an epoch, and gone on with another number of ranks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import mmno_fast as mf
import pytest

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
GLOBAL_BATCH = 12
EPOCHS = 2


def start(out, world, where, *, pause=0.0):
    """`world` processes, as torchrun starts them."""
    out.mkdir()
    processes = []
    for rank in range(world):
        command = [sys.executable, str(Path(__file__).with_name("one_rank.py")), "--open", json.dumps(where), "--out", str(out)]
        command += ["--global-batch", str(GLOBAL_BATCH), "--epochs", str(EPOCHS), "--pause", str(pause)]
        ranks = {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world)}
        own = os.environ | ranks | {"PYTHONPATH": str(ROOT / "python"), "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen(command, env=own, stderr=subprocess.PIPE, text=True))
    return processes


def end(processes):
    for process in processes:
        process.kill()
    for process in processes:
        process.communicate()


def steps(out):
    """(epoch, position, rows) of every batch of every rank; the last line of a killed process may be torn."""
    for path in sorted(out.glob("rank*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                epoch, position, rows = json.loads(line)
                yield epoch, position, [tuple(row) for row in rows]


def digest(rows):
    return blake2b(json.dumps(sorted(rows)).encode()).hexdigest()


@pytest.mark.parametrize(("before", "after", "source"), [(2, 3, "shards"), (3, 2, "raw")])
def test_killed_and_gone_on_with_another_number_of_ranks(before, after, source, drawn, shards, tmp_path):
    where = str(shards.path) if source == "shards" else [[str(path) for path in drawn.sources], str(drawn.images)]
    state = tmp_path / "state.json"
    first = start(tmp_path / "first", before, where, pause=0.05)
    try:
        deadline = time.monotonic() + 100
        # In the middle of the second epoch.
        while not (state.exists() and json.loads(state.read_text())["epoch"] == 1 and json.loads(state.read_text())["position"] >= 60):
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in first), [process.communicate()[1] for process in first]
            time.sleep(0.005)
        first[-1].send_signal(signal.SIGKILL)
    finally:
        end(first)
    reached = json.loads(state.read_text())
    assert (reached["epoch"], reached["position"] % GLOBAL_BATCH) == (1, 0)
    assert 60 <= reached["position"] < len(shards)

    second = start(tmp_path / "second", after, where)
    try:
        for process in second:
            assert process.wait(100) == 0, process.communicate()[1]
    finally:
        end(second)
    # What was read after the state that the run went on from is as if it had not been.
    counted = [step for step in steps(tmp_path / "first") if step[:2] <= (1, reached["position"])]
    counted += steps(tmp_path / "second")
    expected = list(zip(shards.rows.column("source").to_pylist(), shards.rows.column("line").to_pylist(), strict=True))
    for epoch in range(EPOCHS):
        rows = [row for own, _, rows in counted if own == epoch for row in rows]
        assert Counter(rows) == Counter(expected)
        assert digest(rows) == digest(expected)
    # And in the order that one process alone would have read them in.
    order: dict[tuple[int, int], list[tuple]] = {}
    for epoch, position, rows in counted:
        order.setdefault((epoch, position), []).extend(rows)
    with mf.Loader(shards, GLOBAL_BATCH, shuffle=True, seed=11, uneven="short", rank=0, world_size=1) as alone:
        for _ in range(EPOCHS):
            for batch in alone:
                alone_rows = zip(batch.rows.column("source").to_pylist(), batch.rows.column("line").to_pylist(), strict=True)
                assert sorted(alone_rows) == sorted(order[batch.epoch, batch.position])
