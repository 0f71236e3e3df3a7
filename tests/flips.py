"""Every length and very many bits of a small data set: ``python -m tests.flips --bits 10000 --seed 0``.

One bit of one file is another one, or a file ends early, at any length. `verify` must find it, and name that very file.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mmno_fast as mf

from tests import damage, reliability
from tests.crash.told import Told


def main() -> int:
    """Print outcomes; 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.flips", description=__doc__)
    parser.add_argument("--bits", type=int, default=10000, help="bits, drawn")
    parser.add_argument("--every", type=int, default=1, help="of the lengths, one in so many")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        out = damage.build(Path(folder), "resize")
        for what, changes in {"bits": flips(out, given.bits, given.seed), "lengths": cuts(out, given.every, given.seed)}.items():
            began, told = time.monotonic(), Told(3)
            for path, content in changes:
                judge(out, path, content, told)
            tried, seconds = told.outcomes.total(), time.monotonic() - began
            print(f"{what}: {tried:,}, seed {given.seed}, {seconds:.1f} s", flush=True)
            reliability.add(f"{what} of a data set changed, then `verify`", tried, told.outcomes, told.faults, seconds)
            failed = max(failed, told.show())
    return failed


def files(out: Path) -> list[Path]:
    """Every file, in order."""
    return sorted(path for path in out.rglob("*") if path.is_file())


def flips(out: Path, count: int, seed: int) -> Iterator[tuple[Path, bytes]]:
    """So many bits, each in one of the files, whatever its length."""
    rng = random.Random(seed)
    paths = files(out)
    for _ in range(count):
        path = rng.choice(paths)
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield path, bytes(data)


def cuts(out: Path, every: int, seed: int) -> Iterator[tuple[Path, bytes]]:
    """Every length of each file that is less than its own, or one in so many."""
    for path in files(out):
        data = path.read_bytes()
        for length in range(seed % every, len(data), every):
            yield path, data[:length]


def judge(out: Path, path: Path, content: bytes, told: Told) -> None:
    """`verify` says which file it is; then the file is as it was."""
    whole = path.read_bytes()
    name = path.relative_to(out).as_posix()
    path.write_bytes(content)
    found = {problem["path"] for problem in mf.verify(out, threads=1).problems}
    path.write_bytes(whole)
    told.outcomes["found" if found else "not found"] += 1
    if name not in found:
        told.fault("verify does not name the file", [f"{name}: {len(content)} bytes, found {sorted(found)}"])


if __name__ == "__main__":
    sys.exit(main())
