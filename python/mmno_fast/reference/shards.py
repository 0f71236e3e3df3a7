"""One unit becomes one shard: rows, pictures and pixels that need nothing outside the folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from mmno_fast.reference.arrow import PictureTable, RowTable
from mmno_fast.reference.check import Checked, check_line
from mmno_fast.reference.codes import in_order
from mmno_fast.reference.npy import NpyWriter
from mmno_fast.reference.pictures import PictureError, Pixels, decode
from mmno_fast.reference.plan import FORMAT, Unit
from mmno_fast.reference.scan import LINE_HASH_BYTES, Picture, Row, Source, read_file
from mmno_fast.spec.scan import ScanOptions

STORES = ("gray", "rgb", "pixels")


@dataclass(slots=True)
class Shard:
    """What a unit gave."""

    folder: str
    counts: dict[str, int]
    """`rows`, `pictures`, `gray`, `rgb`, `pixels`."""
    files: list[dict[str, Any]]
    """By name, with bytes and BLAKE3; `unit.json` among them."""
    stored: list[bytes]
    """The hash of each picture that could be decoded."""
    kept: list[Row]
    """The accepted rows, in the order of the shard."""
    rejected: dict[tuple[int, int], list[str]]
    """The codes of each rejected row, by (source, line)."""


class Places:
    """Where the pictures of a shard are stored."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self.flat = spec["kind"] == "original"
        self.writers = {store: NpyWriter(folder / f"{store}.npy", flat=self.flat) for store in STORES}

    def store(self, pixels: Pixels) -> tuple[str, int | None, int | None, int | None]:
        """Append a picture; gives `store`, `index`, `offset` and `length`."""
        store = "pixels" if self.flat else "gray" if pixels.ndim == 2 else "rgb"
        index, offset = self.writers[store].append(pixels)
        return (store, None, offset, pixels.nbytes) if self.flat else (store, index, None, None)

    def close(self) -> dict[str, int]:
        """Finish the files; gives the number of pictures in each store."""
        for writer in self.writers.values():
            writer.close()
        return {store: writer.count for store, writer in self.writers.items()}


def write_shard(unit: Unit, sources: list[Source], out: Path, spec: dict[str, Any], options: ScanOptions) -> Shard:
    """Decode the unit's pictures, write its folder below `out`, and say what came of it.

    Raises:
        ValueError: a line or a picture is no longer what it was at the scan.
    """
    folder = out / unit.folder
    folder.mkdir()
    positions: dict[bytes, int] = {}
    faults: dict[bytes, str] = {}
    places, pictures = Places(folder, spec), PictureTable()
    for picture in unit.pictures:
        try:
            pixels, orientation = decode(read_again(picture), spec)
        except PictureError as fault:
            faults[picture.hash] = fault.code
            continue
        positions[picture.hash] = len(positions)
        pictures.append(picture, pixels.shape, orientation, places.store(pixels))
    stores = places.close()
    pictures.write(folder / "pictures.arrow")

    rejected: dict[tuple[int, int], list[str]] = {}
    kept: list[Row] = []
    used = {row.source for row in unit.rows}
    rows = RowTable(folder / "rows.arrow", [source.name if i in used else None for i, source in enumerate(sources)])
    for row, line in zip(unit.rows, lines_again(unit.rows, sources, options), strict=True):
        if codes := in_order(faults[digest] for digest in row.pictures if digest in faults):
            rejected[row.source, row.line] = codes
            continue
        kept.append(row)
        rows.append(row, line, [positions[digest] for digest in row.pictures])
    rows.close()

    counts = {"rows": len(kept), "pictures": len(positions), **stores}
    return Shard(unit.folder, counts, finish(folder, unit, counts, sources, rejected), list(positions), kept, rejected)


def finish(
    folder: Path,
    unit: Unit,
    counts: dict[str, int],
    sources: list[Source],
    rejected: dict[tuple[int, int], list[str]],
) -> list[dict[str, Any]]:
    """Write `unit.json`; gives the shard's files, it among them."""
    files = [entry(path) for path in sorted(folder.iterdir())]
    content = {
        "format": FORMAT,
        "fingerprint": unit.fingerprint,
        **counts,
        "files": files,
        "rejects": [{"source": sources[source].name, "line": line, "codes": codes} for (source, line), codes in sorted(rejected.items())],
    }
    write_json(folder / "unit.json", content)
    return sorted([*files, entry(folder / "unit.json")], key=lambda file: str(file["name"]))


def read_again(picture: Picture) -> bytes:
    """A picture's bytes, which must be those of the scan."""
    data = read_file(picture.path)
    if blake3(data).digest() != picture.hash:
        raise ValueError(f"{picture.path}: changed since the scan; build again")
    return data


def lines_again(rows: list[Row], sources: list[Source], options: ScanOptions) -> list[Checked]:
    """What the lines hold, read anew: the scan keeps no text."""
    lines: dict[tuple[int, int], Checked] = {}
    for number, source in enumerate(sources):
        wanted = sorted((row for row in rows if row.source == number), key=lambda row: row.offset)
        if not wanted:
            continue
        with source.path.open("rb") as file:
            for row in wanted:
                file.seek(row.offset)
                data = file.read(row.length)
                if blake3(data).digest(LINE_HASH_BYTES) != row.hash:
                    raise ValueError(f"{source.path}:{row.line}: changed since the scan; build again")
                lines[number, row.line] = check_line(data, options.placeholders, options.strip_prefix)
    return [lines[row.source, row.line] for row in rows]


def entry(path: Path) -> dict[str, Any]:
    """A file's name, size in bytes and BLAKE3."""
    return {"name": path.name, "bytes": path.stat().st_size, "blake3": blake3().update_mmap(path).hexdigest()}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Pretty-printed with two blanks and a final line feed."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8", newline="\n")
