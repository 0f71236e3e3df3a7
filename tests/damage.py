"""Small data sets to damage: one of each layout, copies of them, and damage made to look whole ("sealed")."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import blake3
import mmno_fast as mf
import numpy as np
import pyarrow as pa

from tests.building import Json, about, chat, encoded, noise, top_file, write_files, write_rows

Seal = Literal["no", "lengths", "all"]
"""What agrees with the damage: nothing; lengths of files, but not their hashes; all, so that structure alone shows it."""
SPECS: Final[dict[str, mf.ImageSpec]] = {"resize": mf.Resize(16, fit="stretch"), "original": mf.Original(), "encoded": mf.Encoded()}
"""One data set of each."""
TOP: Final = ("rejects.jsonl", "rows.index.npy")
"""The files over all shards, by their plain names."""
_OWN_HASH: Final = re.compile(rb'("manifest_blake3": ")([0-9a-f]{64})(")')


def build(folder: Path, layout: str) -> Path:
    """A data set of three shards in which every column holds something, with a rejected row. The same bytes each time.

    The third shard has no picture. No picture is stored twice: copies that differ would be read by some ways, and not by others.
    """
    files = {f"{i}.png": encoded(noise(i, 8 + i, 12, *((3,) if i % 2 else ()))) for i in range(6)}
    files["twin.png"] = files["1.png"]
    images = write_files(folder / "images", files)
    letters = "\nOptions:\nA. one\nB. two\nC. three"
    closed = chat(f"<image>Which?{letters}", "B", images=["3.png"])
    first = [
        about("0.png", "1.png", meta={"n": 1}),
        about("2.png", weight=0.5),
        closed,
        about("5.png", "3.png", meta=None),
        chat("Größe?", "≥ 5 \U0001f9e0"),
        about("twin.png", "0.png"),
        about("missing.png"),
    ]
    second = [
        about("4.png", meta={"deep": [1, {"x": None}]}),
        about("1.png", "2.png", "0.png"),
        chat(f"<image>What?{letters}", "C", images=["0.png"]),
    ]
    write_rows(folder / "a.jsonl", first)
    write_rows(folder / "b.jsonl", second)
    out = folder / "shards"
    # The pixels of three pictures, at three channels each; of files, as large.
    size = 3 * 16 * 16 * 3 if layout == "resize" else 3 * 12 * 12 * 3
    report = mf.build([folder / "a.jsonl", folder / "b.jsonl"], images, out, SPECS[layout], shard_bytes=size, threads=1)
    assert (report.rows, report.rejected, report.shards, report.stored_again) == (9, 1, 3, 0), report
    return out


def copy(whole: Path, folder: Path) -> Path:
    """The data set once more, in `folder`, from memory: thousands of copies are made of the same few."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in _contents(whole):
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.write_bytes(content)
    return folder


@cache
def _contents(whole: Path) -> list[tuple[str, bytes | None]]:
    """Every folder and file of a data set, outer ones first."""
    found = [".", *sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*"))]
    return [(name, (whole / name).read_bytes() if (whole / name).is_file() else None) for name in found]


def read_json(path: Path) -> Json:
    """A manifest or a record."""
    value: Json = json.loads(path.read_bytes())
    return value


def write_json(path: Path, value: Any) -> None:
    """As the format has it."""
    path.write_bytes((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))


def shards(out: Path) -> list[Path]:
    """The folders of all shards, in order."""
    return [out / shard["folder"] for shard in read_json(out / "manifest.json")["shards"]]


def file_of(out: Path, name: str) -> Path:
    """A file of the data set, or of the first shard that has it."""
    if name in TOP:
        return top_file(out, name)
    if (out / name).exists():
        return out / name
    return next(folder / name for folder in shards(out) if (folder / name).exists())


def seal(
    out: Path, change: Callable[[Json], object] | None = None, *, record: Callable[[Json], object] | None = None, how: Seal = "all"
) -> None:
    """Write lengths and hashes anew, so that damage looks whole.

    `record` may change ``unit.json`` of the first shard, `change` the manifest; both before they are hashed.
    """
    if how == "no":
        return
    manifest = read_json(out / "manifest.json")
    for number, shard in enumerate(manifest["shards"]):
        folder = out / shard["folder"]
        if (folder / "unit.json").is_file():
            unit = read_json(folder / "unit.json")
            refresh(folder, unit["files"], how)
            if record and number == 0:
                record(unit)
            write_json(folder / "unit.json", unit)
        refresh(folder, shard["files"], how)
        refresh(folder, [file for file in shard["files"] if file["name"] == "unit.json"], "all")  # looked at before anything else
    refresh_top(out, manifest["files"], how)
    if change:
        change(manifest)
    write_json(out / "manifest.json", manifest)
    seal_manifest(out / "manifest.json")


def refresh(folder: Path, files: list[Json], how: Seal) -> None:
    """Write the lengths of these files anew, and with ``all`` their hashes."""
    for file in files:
        path = folder / file["name"]
        if not path.exists():
            continue
        file["bytes"] = path.stat().st_size
        if path.is_file() and how == "all":
            file["blake3"] = _hash(path)


def refresh_top(out: Path, files: list[Json], how: Seal) -> None:
    """The same of the files over all shards, whose names follow from their hashes, and of which there are copies."""
    refresh(out, files, how)
    for file in files:
        path = out / file["name"]
        stem, _, suffix = file["name"].rpartition(".")
        plain = f"{stem.rpartition('-')[0] or stem}.{suffix}"
        if how == "all" and plain in TOP and path.is_file():
            file["name"] = f"{plain.removesuffix(f'.{suffix}')}-{file['blake3'][:16]}.{suffix}"
            path = path.rename(out / file["name"])
            (out / plain).unlink(missing_ok=True)
            (out / plain).hardlink_to(path)


def _hash(path: Path) -> str:
    hasher = blake3.blake3()
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            hasher.update(block)
    return hasher.hexdigest()


def seal_manifest(path: Path) -> None:
    """Make the manifest's own hash that of its bytes, whatever they are; one that names no hash stays."""
    text = path.read_bytes()
    found = list(_OWN_HASH.finditer(text))
    if found:
        start, end = found[-1].span(2)
        blank = text[:start] + b"0" * 64 + text[end:]
        path.write_bytes(text[:start] + blake3.blake3(blank).hexdigest().encode() + text[end:])


# Arrow files


def table_of(path: Path) -> pa.Table:
    """The table, in memory of its own: the file may be written anew."""
    return pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()


def write_table(path: Path, table: pa.Table | list[pa.RecordBatch], **options: Any) -> None:
    """An Arrow file of the table, or of these batches."""
    batches = table.to_batches() if isinstance(table, pa.Table) else table
    schema = table.schema if isinstance(table, pa.Table) else batches[0].schema
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """The table with another column of that name, in the same place."""
    return table.set_column(table.schema.get_field_index(name), name, values)


# NumPy files


def npy_header(dtype: str, shape: tuple[int, ...], *, fortran: bool = False, version: int = 1, end: int = 4096) -> bytes:
    """The header that the format wants, or one that differs."""
    text = f"{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    return npy_text(text, version=version, end=end)


def npy_text(text: bytes, *, version: int = 1, end: int = 4096, length: int | None = None) -> bytes:
    """A header of this very text."""
    size = 2 if version == 1 else 4
    text = text.ljust(end - 8 - size - 1) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + (len(text) if length is None else length).to_bytes(size, "little") + text


def npy_shape(path: Path) -> tuple[int, ...]:
    """What a whole file says of its shape."""
    return tuple(np.load(path, mmap_mode="r").shape)


@cache
def no_data() -> bytes:
    """Nothing, as a header's worth of it."""
    return bytes(4096)
