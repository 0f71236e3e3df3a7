"""What the tests of whole data sets share: rows and pictures to write, builds to run, and what came out of them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from mmno_fast import _core, reference
from mmno_fast.spec.image import ImageSpec, Original
from mmno_fast.spec.scan import ScanOptions
from PIL import Image

Json = dict[str, Any]
Rejects = set[tuple[str, int, str]]
"""(source, line, code) of every finding that rejects a row."""

SHARD_BYTES = 1 << 19
"""Small, so that small corpora have several shards."""

SCAN_OPTIONS = ("placeholders", "strip_prefix", "follow_links", "max_line_bytes")
"""What a scan is told besides the spec; what is left out has the core's default."""

COUNTS = ("rows", "rejected", "lines", "pictures", "distinct_pictures", "shards", "rejects", "stored_again")
"""What both engines report alike."""


# what goes in


def chat(question: str = "Which?", answer: str = "That.", **more: Any) -> Json:
    """A row of one question and one answer."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def about(*names: str, **more: Any) -> Json:
    """A row about these pictures."""
    return chat("<image>" * len(names) + "Which?", images=list(names), **more)


def write_rows(path: Path, rows: Iterable[Json | bytes]) -> Path:
    """A source of these rows; bytes are written as they are, with a line feed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()) + b"\n" for row in rows))
    return path


def noise(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    """Pixels that no other seed has."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: npt.NDArray[Any], file_format: str = "PNG", **how: Any) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **how)
    return file.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder of pictures, by name."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def sources(corpus: Path) -> list[tuple[str, str]]:
    """(name, path) of each source of a corpus."""
    return [(path.name, str(path)) for path in sorted((corpus / "training").glob("*.jsonl"))]


def truth(corpus: Path) -> Rejects:
    """What is wrong with a corpus, as its maker says."""
    lines = (corpus / "truth.jsonl").read_text("utf-8").splitlines()
    return {(row["source"], row["line"], row["code"]) for row in map(json.loads, lines)}


# builds


def core_build(corpus: Path, out: Path, spec: ImageSpec, **more: Any) -> Json:
    """A build by the core; `sources`, `roots` and every option of the core may be given."""
    options: Json = {
        "shard_bytes": SHARD_BYTES,
        "shuffle_seed": None,
        "update": False,
        "trust_previous": False,
        "threads": 2,
        "chunk_bytes": 1 << 16,
        "window": 8,
        "progress": None,
    }
    given = more.pop("sources", None) or sources(corpus)
    roots = more.pop("roots", [str(corpus / "images")])
    scan = {name: more.pop(name) for name in SCAN_OPTIONS if name in more}
    report: Json = json.loads(_core.build(given, roots, str(out), scan=json.dumps({"spec": spec.to_dict(), **scan}), **{**options, **more}))
    return report


def inspected(line: bytes, **scan: Any) -> Json:
    """What the core says about one line."""
    found: Json = json.loads(_core.inspect_line(line, scan=json.dumps({"spec": Original().to_dict(), **scan})))
    return found


def reference_build(corpus: Path, out: Path, spec: ImageSpec, **more: Any) -> Json:
    """The same by the reference engine; what only the core has to know is left out."""
    given = more.pop("sources", None) or sources(corpus)
    roots = more.pop("roots", [str(corpus / "images")])
    options = ScanOptions(**{name: more.pop(name) for name in ScanOptions().keywords() if name in more})
    return reference.build(given, roots, str(out), spec=json.loads(spec.to_json()), options=options, **{"shard_bytes": SHARD_BYTES, **more})


def both_builds(corpus: Path, out: Path, spec: ImageSpec, **more: Any) -> Json:
    """Both engines' builds, in `core` and `reference` below `out`, held against each other; the core's report."""
    ours = core_build(corpus, out / "core", spec, **more)
    theirs = reference_build(corpus, out / "reference", spec, **more)
    assert {name: ours[name] for name in COUNTS} == {name: theirs[name] for name in COUNTS}
    assert_same_data_set(out / "core", out / "reference")
    return ours


# what came out


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def inodes_of(folder: Path) -> dict[str, int]:
    """The inode of every file below a folder: it stays where the file is left alone, or linked."""
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest_of(out: Path) -> Json:
    """The manifest."""
    manifest: Json = json.loads((out / "manifest.json").read_bytes())
    return manifest


def top_file(out: Path, plain: str) -> Path:
    """Where the bytes of ``rejects.jsonl`` or ``rows.index.npy`` lie: under the name that the manifest gives; the plain one is a copy's."""
    stem, _, suffix = plain.rpartition(".")
    names = (file["name"] for file in manifest_of(out)["files"])
    return out / next((name for name in names if re.fullmatch(rf"{re.escape(stem)}(-[0-9a-f]{{16}})?\.{suffix}", name)), plain)


def rows_of(path: Path) -> list[Json]:
    """An Arrow file's rows."""
    rows: list[Json] = pa.ipc.open_file(path).read_all().to_pylist()
    return rows


def rejected(out: Path) -> Rejects:
    """What `rejects.jsonl` says."""
    lines = (out / "rejects.jsonl").read_bytes().splitlines()
    return {(row["source"], row["line"], code) for row in map(json.loads, lines) for code in row["codes"]}


def assert_same_data_set(ours: Path, theirs: Path) -> None:
    """The same files; of `.npy` and the rejects the same bytes; Arrow tables equal."""
    files = [{path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()} for out in (ours, theirs)]
    assert files[0].keys() == files[1].keys()
    for name, path in files[0].items():
        other = files[1][name]
        if name.endswith((".npy", ".jsonl")):
            assert path.read_bytes() == other.read_bytes(), name
        elif name.endswith(".arrow"):
            assert pa.ipc.open_file(path).read_all().equals(pa.ipc.open_file(other).read_all()), name


def problems(out: Path) -> list[Json]:
    """What `verify` finds."""
    found: list[Json] = json.loads(_core.verify(str(out), threads=2, progress=None))["problems"]
    return found
