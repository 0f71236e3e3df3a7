"""Data sets of many rows, and how long it takes to begin with them: each measurement is a process of its own.

``python -m benches.large first FOLDER BATCH`` and ``python -m benches.large order FOLDER`` print what they found as JSON.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import mmno_fast as mf
import numpy as np
from mmno_fast import _core

from benches.corpus import FOLDER, Corpus

DATA_AT: Final = 4096
"""Where the numbers of `rows.index.npy` begin."""
IMPORT: Final = "import numpy, time; began = time.perf_counter(); import mmno_fast; {} print(time.perf_counter() - began)"


def repeated(data: Corpus, rows: int, image: mf.Resize) -> Path:
    """Shards of so many rows: those of the corpus again and again. Made once, and then kept."""
    folder = FOLDER / f"rows-{rows}-{image.height}"
    if not folder.exists():
        lines = [line for source in data.sources for line in source.read_bytes().splitlines()]
        with tempfile.TemporaryDirectory(dir=FOLDER) as work:
            source = Path(work) / "rows.jsonl"
            source.write_bytes(b"\n".join(itertools.islice(itertools.cycle(lines), rows)) + b"\n")
            mf.build([source], data.images, folder, image)
    return folder


def listed(model: Path, rows: int, rows_a_shard: int) -> Path:
    """A folder that says it holds so many rows: its manifest, the index of its rows, and files of the right lengths with holes inside."""
    folder = FOLDER / f"listed-{rows}"
    shutil.rmtree(folder, ignore_errors=True)
    hollow = folder / "hollow"
    hollow.mkdir(parents=True)
    manifest: dict[str, Any] = json.loads((model / "manifest.json").read_bytes())
    pattern = manifest["shards"][0]
    for file in pattern["files"]:
        _sparse(hollow / file["name"], file["bytes"])
    shards = []
    for number, first in enumerate(range(0, rows, rows_a_shard)):
        name = f"{number:016x}"
        (folder / name).symlink_to(hollow)
        shards.append(pattern | {"folder": name, "rows": min(rows_a_shard, rows - first)})
    pictures = pattern["pictures"] * len(shards)
    totals = {"lines": rows, "rows": rows, "rejected": 0, "pictures": pictures, "distinct_pictures": pictures}
    header = np.lib.format.header_data_from_array_1_0(np.empty(0, np.uint64)) | {"shape": (rows,)}
    with (folder / "rows.index.npy").open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
    _pad(folder / "rows.index.npy")
    _sparse(folder / "rows.index.npy", DATA_AT + 8 * rows)
    (folder / "rejects.jsonl").touch()
    files = [{"name": name, "bytes": (folder / name).stat().st_size, "blake3": ""} for name in ("rejects.jsonl", "rows.index.npy")]
    (folder / "manifest.json").write_text(json.dumps(manifest | {"shards": shards, "totals": totals, "files": files}), encoding="utf-8")
    return folder


def _sparse(path: Path, length: int) -> None:
    with path.open("ab") as file:
        file.truncate(length)


def _pad(path: Path) -> None:
    """Lets the header of a ``.npy`` file end where the shards' do."""
    content = path.read_bytes()
    head, text = content[:12], content[12:].rstrip()
    text = text.ljust(DATA_AT - 12 - 1) + b"\n"
    path.write_bytes(head[:8] + len(text).to_bytes(4, "little") + text)


def first_batch(folder: Path, batch: int) -> dict[str, float]:
    """Seconds from `mf.open` to the first batch, its rows and pictures looked at; the process is fresh, but pyarrow is imported."""
    return _alone("first", str(folder), str(batch))


def order_and_state(folder: Path) -> dict[str, float]:
    """Seconds and bytes of opening, of a loader, of its state, and of the order at a position."""
    return _alone("order", str(folder))


def importing(then: str = "") -> float:
    """Seconds of ``import mmno_fast`` where NumPy is imported, and of what comes `then`."""
    command = [sys.executable, "-c", IMPORT.format(f"{then};" if then else "")]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _alone(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benches.large", *arguments]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent)
    return dict(json.loads(found.stdout))


def _measure_first(folder: Path, batch: int) -> dict[str, float]:
    import pyarrow as pa

    began = time.perf_counter()
    dataset = mf.open(folder)
    opened = time.perf_counter()
    with mf.Loader(dataset, batch, shuffle=True, seed=1) as loader:
        first = next(iter(loader))
        ready = time.perf_counter()
        assert isinstance(first.rows, pa.RecordBatch)
        assert isinstance(first.images, np.ndarray)
        assert len(first.images) >= batch
        seen = time.perf_counter()
    return {"open": opened - began, "batch": ready - opened, "look": seen - ready, "all": seen - began}


def _measure_order(folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    before = [_anonymous()]

    def timed(name: str, began: float, times: int = 1) -> None:
        found[name] = (time.perf_counter() - began) / times
        found[f"{name}_bytes"] = _anonymous() - before[0]
        before[0] = _anonymous()

    # The modules, and what they make when first used, are the same for every data set.
    with mf.open(folder) as warm:
        mf.Loader(warm, 16, shuffle=True, seed=1)
    before[0] = _anonymous()
    began = time.perf_counter()
    dataset = mf.open(folder)
    timed("open", began)
    began = time.perf_counter()
    loader = mf.Loader(dataset, 16, shuffle=True, seed=1)
    timed("loader", began)
    rows, times = len(dataset), 1000
    state = loader.state_dict() | {"position": rows // 2}
    began = time.perf_counter()
    for _ in range(times):
        loader.load_state_dict(state)
        assert loader.state_dict() == state
        assert len(loader) == rows // 16
    timed("state", began, times)
    positions = np.arange(rows // 2, rows // 2 + 16, dtype=np.uint64)
    began = time.perf_counter()
    for _ in range(times):
        samples = _core.samples_at(rows, 1, 0, positions)
    timed("order", began, times)
    assert len(set(samples.tolist())) == 16
    loader.close()
    return found


def _anonymous() -> int:
    """Bytes of memory that no file is behind."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    what, folder, *rest = sys.argv[1:]
    result = _measure_first(Path(folder), int(rest[0])) if what == "first" else _measure_order(Path(folder))
    print(json.dumps(result))
