"""What makes a folder of shards a data set: rejects, the index of rows, and the manifest, which is written last."""

import base64
import shutil
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from mmno_fast.reference.codes import ERRORS, in_order
from mmno_fast.reference.npy import write_npy
from mmno_fast.reference.plan import compact_json
from mmno_fast.reference.scan import LINE_HASH_BYTES, Row, Scan
from mmno_fast.reference.shards import Shard, entry, write_json

NO_HASH = "0" * 64
DATA_SET_FORMAT = [1, 1]


def commit(scan: Scan, shards: list[Shard], out: Path, spec: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Write the three files; gives the manifest."""
    rejected = {key: codes for shard in shards for key, codes in shard.rejected.items()}
    rejected |= {(row.source, row.line): in_order(row.codes) for row in scan.rows if row.codes}
    write_rejects(scan, rejected, out / "rejects.jsonl")
    write_index(shards, out / "rows.index.npy")
    files = [named_by_content(out / "rejects.jsonl"), named_by_content(out / "rows.index.npy")]
    by_source = Counter(source for source, _ in rejected)
    pictures_per_row = Counter(len(row.pictures) for shard in shards for row in shard.kept)
    lines = sum(source.lines for source in scan.sources)
    manifest = {
        "format": DATA_SET_FORMAT,
        "tool": {"name": "mmno_fast.reference", "version": tool_version()},
        "spec": spec,
        "options": options,
        "sources": [
            {
                "name": source.name,
                "bytes": source.bytes,
                "blake3": source.blake3,
                "lines": source.lines,
                "rows": source.lines - by_source[number],
                "rejected": by_source[number],
            }
            for number, source in enumerate(scan.sources)
        ],
        "shards": [{"folder": shard.folder, **shard.counts, "files": shard.files} for shard in shards],
        "totals": {
            "lines": lines,
            "rows": lines - len(rejected),
            "rejected": len(rejected),
            "pictures": sum(shard.counts["pictures"] for shard in shards),
            "distinct_pictures": len({digest for shard in shards for digest in shard.stored}),
        },
        "pictures_per_row": {
            "largest": max(pictures_per_row, default=0),
            "histogram": {str(count): rows for count, rows in sorted(pictures_per_row.items())},
        },
        "files": files,
        "manifest_blake3": NO_HASH,
    }
    write_manifest(manifest, out / "manifest.json")
    return manifest | {"rejects": count_codes(rejected)}


def named_by_content(path: Path) -> dict[str, Any]:
    """The entry of a file over all shards, which gets a copy under a name that follows from its bytes."""
    known = entry(path)
    copy = path.with_name(f"{path.stem}-{known['blake3'][:16]}{path.suffix}")
    shutil.copyfile(path, copy)
    return entry(copy)


def count_codes(rejected: dict[tuple[int, int], list[str]]) -> dict[str, int]:
    """How many rows each code rejects, in the catalogue's order."""
    counts = Counter(code for codes in rejected.values() for code in codes)
    return {code: counts[code] for code in ERRORS if counts[code]}


def write_rejects(scan: Scan, rejected: dict[tuple[int, int], list[str]], path: Path) -> None:
    """One line a rejected row, by (source, line), with its own text."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, source in enumerate(scan.sources):
            with source.path.open("rb") as lines:
                for row in (row for row in scan.rows if row.source == number):
                    if codes := rejected.get((number, row.line)):
                        reject = {"source": source.name, "line": row.line, "byte": row.offset, "codes": codes}
                        lines.seek(row.offset)
                        text = text_of(row, lines.read(row.length) if row.hash else b"", source.path)
                        file.write(compact_json(reject | text) + "\n")


def text_of(row: Row, data: bytes, path: Path) -> dict[str, Any]:
    """A rejected row's own text, in the form in which it can be told."""
    if not row.hash:
        return {"length": row.length}
    if blake3(data).digest(LINE_HASH_BYTES) != row.hash:
        raise ValueError(f"{path}:{row.line}: changed since the scan; build again")
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def write_index(shards: list[Shard], path: Path) -> None:
    """For each row number: shard << 32 | row in shard."""
    places = sorted(
        (row.source, row.line, number << 32 | position) for number, shard in enumerate(shards) for position, row in enumerate(shard.kept)
    )
    write_npy(path, np.array([place for _, _, place in places], "<u8"))


def write_manifest(manifest: dict[str, Any], path: Path) -> None:
    """The manifest with the hash of itself, under another name first: a folder has a whole one, or none."""
    draft = path.with_name("manifest.json.part")
    write_json(draft, manifest)
    manifest["manifest_blake3"] = blake3(draft.read_bytes()).hexdigest()
    write_json(draft, manifest)
    draft.replace(path)


def tool_version() -> str:
    """The version of the package that is installed."""
    try:
        return version("mmno_fast")
    except PackageNotFoundError:
        return "unknown"
