"""Both engines on the same corpora: every row, every pixel, every reject, whatever the threads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mmno_fast import _core, reference
from mmno_fast.specs import Original, Resize
from PIL import Image

SPEC = Resize(96, fit="stretch")


def sources(corpus: Path) -> list[tuple[str, str]]:
    return [(path.name, str(path)) for path in sorted((corpus / "training").glob("*.jsonl"))]


def core_build(corpus: Path, out: Path, spec: Any = SPEC, **more: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "shard_bytes": 2 << 20,
        "shuffle_seed": None,
        "update": False,
        "placeholders": "required",
        "strip_prefix": None,
        "follow_links": True,
        "max_line_bytes": 16 << 20,
        "threads": 2,
        "chunk_bytes": 1 << 16,
        "window": 8,
        "progress": None,
    }
    given = more.pop("sources", None) or sources(corpus)
    roots = more.pop("roots", [str(corpus / "images")])
    report: dict[str, Any] = json.loads(_core.build(given, roots, str(out), spec=spec.to_json(), **{**options, **more}))
    return report


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def truth(corpus: Path) -> set[tuple[str, int, str]]:
    lines = (corpus / "truth.jsonl").read_text("utf-8").splitlines()
    return {(row["source"], row["line"], row["code"]) for row in map(json.loads, lines)}


def rejected(out: Path) -> set[tuple[str, int, str]]:
    lines = (out / "rejects.jsonl").read_bytes().splitlines()
    return {(row["source"], row["line"], code) for row in map(json.loads, lines) for code in row["codes"]}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rejects_and_findings_are_the_truth(make_corpus: Any, tmp_path: Path, seed: int) -> None:
    corpus = make_corpus(images=60, faults=240, seed=seed)
    report = core_build(corpus, tmp_path / "shards")
    assert rejected(tmp_path / "shards") == truth(corpus)
    assert report["rows"] + report["rejected"] == report["lines"]
    found = _core.check(
        sources(corpus), [str(corpus / "images")], spec=SPEC.to_json(), decode=True, placeholders="required", strip_prefix=None,
        follow_links=True, max_line_bytes=16 << 20, threads=2, chunk_bytes=1 << 20, window=8, progress=None,
    )  # fmt: skip
    table = pa.table(found)
    rows = zip(*(table[name].to_pylist() for name in ("severity", "source", "line", "code")), strict=True)
    assert {(source, line, code) for severity, source, line, code in rows if severity == "E"} == truth(corpus)


@pytest.mark.parametrize("spec", [SPEC, Resize((80, 112), fit="pad", filter="lanczos"), Resize(64, fit="crop", color="rgb"), Original()])
def test_the_reference_engine_agrees(make_corpus: Any, tmp_path: Path, spec: Any) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    ours, theirs = tmp_path / "core", tmp_path / "reference"
    report = core_build(corpus, ours, spec)
    other = reference.build(sources(corpus), [str(corpus / "images")], str(theirs), spec=json.loads(spec.to_json()), shard_bytes=2 << 20)
    for count in ("rows", "rejected", "lines", "pictures", "distinct_pictures", "shards", "rejects"):
        assert report[count] == other[count], count
    mine, others = bytes_of(ours), bytes_of(theirs)
    assert mine.keys() == others.keys()
    for name in mine:
        if name.endswith((".npy", "rejects.jsonl")):
            assert mine[name] == others[name], name
        elif name.endswith(".arrow"):
            assert pa.ipc.open_file(mine[name]).read_all().equals(pa.ipc.open_file(others[name]).read_all()), name


def test_bytes_do_not_depend_on_threads_chunks_windows_or_folder(make_corpus: Any, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=1)
    core_build(corpus, tmp_path / "a" / "first", threads=1, window=1)
    first = bytes_of(tmp_path / "a" / "first")
    moved = tmp_path / "moved"
    shutil.copytree(corpus, moved)
    for threads, chunk, window in [(2, 1 << 12, 3), (3, 100, 64), (7, 1 << 24, 16)]:
        out = tmp_path / f"t{threads}"
        core_build(moved, out, threads=threads, chunk_bytes=chunk, window=window)
        assert bytes_of(out) == first


@pytest.mark.parametrize("below", ["", "Dataset", "Dataset/Dataset"])
def test_every_row_and_pixel_comes_back(make_corpus: Any, tmp_path: Path, below: str) -> None:
    corpus = make_corpus(images=60, faults=0, seed=0)
    out = tmp_path / "shards"
    report = core_build(corpus, out, roots=[str(corpus / "images" / below)])
    assert report["roots"][0]["descended"] == 2 - len(below.split("/")) if below else report["roots"][0]["descended"] == 2
    assert report["decoded"] == report["pictures"] == report["distinct_pictures"]
    assert json.loads(_core.verify(str(out), threads=2, progress=None))["problems"] == []
    given = {
        (name, i + 1): json.loads(line) for name, path in sources(corpus) for i, line in enumerate(Path(path).read_bytes().splitlines())
    }
    root = corpus / "images" / "Dataset" / "Dataset"
    seen = 0
    for shard in json.loads((out / "manifest.json").read_text("utf-8"))["shards"]:
        folder = out / shard["folder"]
        pictures = pa.ipc.open_file(folder / "pictures.arrow").read_all().to_pylist()
        stores = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("gray", "rgb") if shard[name]}
        for picture in pictures:
            image = Image.open(root / picture["names"][0]).convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)
            pixels = stores[picture["store"]][picture["index"]]
            assert np.array_equal(np.broadcast_to(pixels.reshape(96, 96, -1), (96, 96, 3)), np.asarray(image)), picture["names"]
        for row in pa.ipc.open_file(folder / "rows.arrow").read_all().to_pylist():
            line = given[row["source"], row["line"]]
            assert (row["messages"], row["images"]) == (line["messages"], line.get("images", []))
            assert (None if row["meta"] is None else json.loads(row["meta"])) == line.get("meta")
            extra = {key: value for key, value in line.items() if key not in {"messages", "images", "meta"}}
            assert (json.loads(row["extra"]) if row["extra"] else {}) == extra
            assert [pictures[i]["names"][0] in row["images"] or len(pictures[i]["names"]) > 1 for i in row["pictures"]] == [True]
            seen += 1
    assert seen == report["rows"] == len(given)


def test_a_finished_data_set_is_left_alone_and_another_plan_refused(make_corpus: Any, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    out = tmp_path / "shards"
    core_build(corpus, out)
    before = bytes_of(out)
    assert core_build(corpus, out)["unchanged"]
    with pytest.raises(ValueError, match="--update"):
        core_build(corpus, out, Resize(64, fit="stretch"))
    assert bytes_of(out) == before


def test_an_update_is_a_fresh_build_and_decodes_only_what_is_new(make_corpus: Any, tmp_path: Path) -> None:
    corpus = make_corpus(images=60, faults=0, seed=0)
    more = make_corpus(images=20, faults=0, seed=3)
    work = tmp_path / "work"
    shutil.copytree(corpus, work)
    out = tmp_path / "shards"
    core_build(work, out)
    shutil.copytree(more / "images", work / "images", dirs_exist_ok=True)
    shutil.copy(more / "training" / "train_open.jsonl", work / "training" / "zz_more.jsonl")
    report = core_build(work, out, update=True)
    fresh = core_build(work, tmp_path / "fresh")
    assert bytes_of(out) == bytes_of(tmp_path / "fresh")
    assert report["decoded"] < fresh["decoded"]

    # Rows that nobody needs to know a picture by: pixel files are linked.
    path = work / "training" / "zz_more.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    names = [json.loads(line)["images"][0] for line in lines]
    later = next(i for i, name in enumerate(names) if name in names[:i])
    path.write_bytes(b"".join(line for i, line in enumerate(lines) if i != later))
    report = core_build(work, out, update=True)
    assert (report["decoded"], report["copied"]) == (0, 0)
    assert report["linked"] >= 1
    shutil.rmtree(tmp_path / "fresh")
    core_build(work, tmp_path / "fresh")
    assert bytes_of(out) == bytes_of(tmp_path / "fresh")


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "stray", "swap"])
def test_verify_finds_and_names_damage(make_corpus: Any, tmp_path: Path, damage: str) -> None:
    corpus = make_corpus(images=60, faults=240, seed=0)
    out = tmp_path / "shards"
    core_build(corpus, out)
    for path in [path for path in sorted(out.rglob("*")) if path.is_file()]:
        whole = path.read_bytes()
        named = path.relative_to(out).as_posix()
        match damage:
            case "flip":
                path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
            case "cut":
                path.write_bytes(whole[:-1])
            case "missing":
                path.unlink()
            case "stray":
                named = f"{path.relative_to(out).parent.as_posix()}/stray".removeprefix("./")
                (out / named).write_bytes(b"")
            case "swap":
                path.write_bytes(whole[::-1])
        if damage == "missing" and named == "manifest.json":
            with pytest.raises(_core.ShardError, match="no manifest"):
                _core.verify(str(out), threads=1, progress=None)
        else:
            problems = json.loads(_core.verify(str(out), threads=1, progress=None))["problems"]
            assert any(problem["path"] == named for problem in problems), (named, problems)
        (out / named).unlink(missing_ok=True)
        path.write_bytes(whole)
    assert json.loads(_core.verify(str(out), threads=2, progress=None))["problems"] == []
