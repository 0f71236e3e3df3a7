"""Counts the instructions of the hot paths with callgrind, and compares them with the counts that the repository holds.

Where ``counts.json`` was made by the same compilers, libraries and valgrind, a count more than 1 % above it is an error. Where these
differ, the numbers of that file mean nothing here. Then the merge base is built beside this checkout, and counted by the same tools.
Where the checkout has no earlier commit, nothing is compared, and the output says so.

``--write`` writes the file. ``--base`` compares with the merge base in any case.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COUNTS = Path("benches/instructions/counts.json")
TOLERANCE = 0.01
# The other crates are those that `cargo test` is built from. This crate alone is optimised as for a release, in one piece. Optimising it
# together with the others (LTO), as a release does, would take CI minutes, and would tell no more about a change.
FEATURES = "fuzzing require-simd"
PROFILE = ("opt-level=3", "codegen-units=1", "debug=0", "debug-assertions=false", "overflow-checks=false", "incremental=false")
# The C library keeps what is freed by its size. Else the time to find memory would follow from all that was freed before.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.mxfast=0:glibc.malloc.tcache_count=60000"}
FUNCTION = "*::counted_by_callgrind*"


def tools() -> dict[str, str]:
    """What a count depends on, besides the code."""
    first = {name: run([name, "--version"]).splitlines()[0] for name in ("rustc", "cc", "valgrind")}
    flags = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    # Valgrind shows every program the same processor, but for the largest registers: AVX2 where the machine has it, never AVX-512.
    vectors = "AVX2" if re.search(r"^flags\b.*\bavx2\b", flags, re.MULTILINE) else "no AVX2"
    return first | {"libc": " ".join(platform.libc_ver()), "processor": f"{platform.machine()}, {vectors}"}


def run(command: list[str], folder: Path = ROOT, **options: str) -> str:
    """What a command prints; its errors are shown, and end this program."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=os.environ | options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The program of the benches, built from a checkout; both checkouts share what was built of other crates."""
    profile = [part for setting in PROFILE for part in ("--config", f"profile.dev.package.mmno_fast.{setting}")]
    command = ["cargo", "build", "--locked", "--bench", "instructions", "--features", FEATURES, "--message-format=json", *profile]
    messages = map(json.loads, run(command, folder, CARGO_TARGET_DIR=str(ROOT / "target")).splitlines())
    made = [message["executable"] for message in messages if message.get("executable")]
    return Path(made[-1])


def count(program: Path, name: str) -> int:
    """Instructions of one bench. The profile stays in ``target/instructions`` for callgrind_annotate."""
    profile = ROOT / "target" / "instructions" / (re.sub(r"\W+", "-", name) + ".out")
    profile.parent.mkdir(parents=True, exist_ok=True)
    options = ["--tool=callgrind", f"--toggle-collect={FUNCTION}", f"--callgrind-out-file={profile}"]
    # Other variables of the environment would lie on the stack and move it.
    done = subprocess.run([found("valgrind"), *options, str(program), name], check=False, capture_output=True, text=True, env=ENVIRONMENT)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected or collected[1] == "0":
        sys.exit(f"{name}: valgrind counted nothing (exit code {done.returncode})\n{done.stderr}")
    return int(collected[1])


def found(program: str) -> str:
    """Where a program lies."""
    return shutil.which(program) or sys.exit(f"no {program}: make instructions installs it, or apt-get install {program}")


def counts_of(folder: Path) -> dict[str, int]:
    """Every bench of a checkout, as many at once as there are processors."""
    program = build(folder)
    names = run([str(program)]).splitlines()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(lambda name: count(program, name), names), strict=True))


def base_commit() -> str | None:
    """Where this branch left the main one; on that one, the commit before. None where the checkout does not reach so far back."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    here = git("rev-parse", "HEAD")
    bases = (git("merge-base", "HEAD", main) for main in ("origin/main", "main"))
    base = next((base for base in bases if base), None)
    return base if base != here else git("rev-parse", "--verify", "--quiet", "HEAD~1")


def counts_of_base(commit: str) -> dict[str, int] | None:
    """The counts of an earlier commit, by the tools of this machine. None where it has no such benches."""
    folder = ROOT / "target" / "instructions" / "base"
    run(["git", "worktree", "prune"])
    if folder.exists():
        run(["git", "worktree", "remove", "--force", str(folder)])
    run(["git", "worktree", "add", "--detach", str(folder), commit])
    try:
        return counts_of(folder) if (folder / COUNTS).exists() else None
    finally:
        run(["git", "worktree", "remove", "--force", str(folder)])


def compare(before: dict[str, int], now: dict[str, int], against: str) -> int:
    """Prints both; the exit code."""
    print(f"instructions, beside {against}:")
    slower, faster = [], []
    for name in sorted(before | now):
        if name not in before or name not in now:
            print(f"  {name:34} {'is new' if name in now else 'is gone'}")
            continue
        ratio = now[name] / before[name]
        print(f"  {name:34} {now[name]:>12,} {ratio:8.4f}")
        if ratio > 1 + TOLERANCE:
            slower.append(name)
        elif ratio < 1 - TOLERANCE:
            faster.append(name)
    if faster:
        print(f"fewer than before: {', '.join(faster)}. `make instructions-write` records it.")
    if slower:
        print(f"more than 1 % above {against}: {', '.join(slower)}.")
        print("To find the cause: callgrind_annotate target/instructions/NAME.out.")
        print("To accept it: make instructions-write, and commit the file.")
    return 1 if slower else 0


def main() -> int:
    """Counts, then writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write counts.json")
    parser.add_argument("--base", action="store_true", help="compare with the merge base, built here")
    arguments = parser.parse_args()
    found("valgrind")
    by, now = tools(), counts_of(ROOT)
    if arguments.write:
        text = json.dumps({"tools": by, "counts": now}, indent=1, sort_keys=True)
        (ROOT / COUNTS).write_text(text + "\n", "utf-8")
        return 0
    recorded = json.loads((ROOT / COUNTS).read_text("utf-8"))
    if recorded["tools"] == by and not arguments.base:
        code = compare(recorded["counts"], now, COUNTS.name)
        if recorded["counts"].keys() != now.keys():
            print("counts.json lacks a bench, or has one too many: make instructions-write")
            return 1
        return code
    for name, value in by.items():
        if recorded["tools"].get(name) != value:
            print(f"{COUNTS.name} was made by another {name}: {recorded['tools'].get(name)}; here is {value}.")
    commit = base_commit()
    before = counts_of_base(commit) if commit else None
    if commit is None or before is None:
        print(f"NOT COMPARED: {'this checkout has no earlier commit' if commit is None else f'{commit[:12]} has no such benches'}.")
        return 0
    return compare(before, now, f"the merge base {commit[:12]}")


if __name__ == "__main__":
    sys.exit(main())
