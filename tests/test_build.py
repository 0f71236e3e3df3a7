"""Builds of corpora with known faults: the truth, both engines, the same bytes whatever the circumstances, damage found."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mmno_fast as mf
import pytest
from mmno_fast.spec.image import ImageSpec, Original, Resize

from tests.building import both_builds, bytes_of, core_build, problems, rejected, sources, truth

MakeCorpus = Callable[..., Path]

SPEC = Resize(96, fit="stretch")
FLIPS = [0, 9, 1 / 3, 1 / 2, -2]
"""Where a bit is flipped: a byte from the start or the end, or a share of the file."""


@pytest.fixture
def time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of this process, as long as the test lasts."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_findings_and_rejects_are_the_truth(make_corpus: MakeCorpus, tmp_path: Path, seed: int) -> None:
    corpus = make_corpus(images=300, faults=600, seed=seed)
    expected = truth(corpus)
    assert len(expected) == 600
    lines = sum(len(Path(path).read_bytes().splitlines()) for _, path in sources(corpus))

    found = mf.check(dict(sources(corpus)), corpus / "images", image=SPEC)
    columns = [found.findings.column(name).to_pylist() for name in ("severity", "source", "line", "code")]
    assert {(source, line, code) for severity, source, line, code in zip(*columns, strict=True) if severity == "E"} == expected
    assert (found.summary["rows"], found.summary["rejected"]) == (lines - 600, 600)

    report = core_build(corpus, tmp_path / "shards", SPEC)
    assert rejected(tmp_path / "shards") == expected
    # Odd but legal rows are among the accepted ones: the sum leaves no room for another reject.
    assert (report["rows"], report["rejected"], report["lines"]) == (lines - 600, 600, lines)


@pytest.mark.parametrize("spec", [SPEC, Resize((80, 112), fit="pad", filter="lanczos"), Resize(64, fit="crop", color="rgb"), Original()])
def test_the_reference_engine_agrees(make_corpus: MakeCorpus, tmp_path: Path, spec: ImageSpec) -> None:
    both_builds(make_corpus(images=60, faults=240, seed=0), tmp_path, spec)


def test_a_shuffled_build_agrees_too(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    both_builds(corpus, tmp_path, SPEC, shuffle_seed=7)
    core_build(corpus, tmp_path / "in order", SPEC)
    assert bytes_of(tmp_path / "core").keys() != bytes_of(tmp_path / "in order").keys()


def test_bytes_do_not_depend_on_threads_chunks_windows_folder_or_day(
    make_corpus: MakeCorpus, tmp_path: Path, time_zone: Callable[[str], None]
) -> None:
    corpus = make_corpus(images=60, faults=240, seed=1)
    core_build(corpus, tmp_path / "a" / "first", SPEC, threads=1, window=1)
    first = bytes_of(tmp_path / "a" / "first")
    moved = tmp_path / "moved"
    shutil.copytree(corpus, moved)
    for path in moved.rglob("*"):
        os.utime(path, (86_400, 86_400))
    time_zone("Pacific/Kiritimati")
    for threads, chunk, window in [(1, 1 << 24, 64), (2, 1 << 12, 3), (3, 100, 64), (7, 1, 1), (7, 1 << 24, 16)]:
        out = tmp_path / f"{threads} threads, {chunk} bytes"
        core_build(moved, out, SPEC, threads=threads, chunk_bytes=chunk, window=window)
        assert bytes_of(out) == first


def test_a_finished_data_set_is_left_alone_and_another_plan_refused(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    out = tmp_path / "shards"
    core_build(corpus, out, SPEC)
    before = bytes_of(out)
    again = core_build(corpus, out, SPEC)
    assert (again["unchanged"], again["decoded"], again["built"]) == (True, 0, 0)
    with pytest.raises(ValueError, match="--update"):
        core_build(corpus, out, Resize(64, fit="stretch"))
    assert bytes_of(out) == before


def damaged(path: Path, damage: str | float) -> bytes | None:
    """A file's content after the damage; None where it is gone."""
    whole = bytearray(path.read_bytes())
    match damage:
        case "cut":
            return bytes(whole[:-1])
        case "longer":
            return bytes(whole) + b"\n"
        case "missing":
            return None
        case int():
            whole[damage] ^= 1
        case float():
            whole[int(len(whole) * damage)] ^= 0x80
    return bytes(whole)


@pytest.mark.parametrize("damage", [*FLIPS, "cut", "longer", "missing"])
def test_verify_finds_and_names_damage(make_corpus: MakeCorpus, tmp_path: Path, damage: str | float) -> None:
    out = tmp_path / "shards"
    core_build(make_corpus(images=60, faults=240, seed=0), out, SPEC)
    for path in [path for path in sorted(out.rglob("*")) if path.is_file()]:
        named, whole, content = path.relative_to(out).as_posix(), path.read_bytes(), damaged(path, damage)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        if damage == "missing" and named == "manifest.json":
            with pytest.raises(mf.ShardError, match=r"no manifest\.json"):
                problems(out)
        else:
            assert any(problem["path"] == named for problem in problems(out)), named
        path.write_bytes(whole)
    assert problems(out) == []


def swap(one: Path, other: Path) -> None:
    aside = one.parent / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_verify_finds_what_is_swapped_or_does_not_belong(make_corpus: MakeCorpus, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    core_build(make_corpus(images=60, faults=240, seed=0), out, SPEC)
    first, second = sorted(path.parent for path in out.glob("*/unit.json"))[:2]
    for stray in (out / "stray", first / "stray", out / "0123456789abcdef" / "gray.npy"):
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"")
        # A folder that does not belong is named as a whole.
        assert [problem["path"] for problem in problems(out)] == [stray.relative_to(out).as_posix().removesuffix("/gray.npy")]
        stray.unlink()
        if stray.parent not in (out, first):
            stray.parent.rmdir()
    for one, other in [(first, second), (first / "rows.arrow", second / "rows.arrow")]:
        swap(one, other)
        found = {problem["path"] for problem in problems(out)}
        for path in (one, other):
            assert any((out / name).is_relative_to(path) for name in found), (path, found)
        swap(one, other)
    assert problems(out) == []
