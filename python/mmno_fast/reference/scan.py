"""The scan: every row and every picture once, before anything is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from mmno_fast.reference.check import check_line
from mmno_fast.reference.codes import ERRORS
from mmno_fast.reference.lines import Line, is_not_lines, read_lines
from mmno_fast.reference.pictures import PictureError, Probe, probe
from mmno_fast.reference.resolve import Folders
from mmno_fast.reference.rules import cut_prefix, name_code
from mmno_fast.spec.scan import ScanOptions

Progress = Callable[[str, int, int], None]
"""Told the stage, how much is done and how much there is: bytes of sources, then names, then pictures."""

LINE_HASH_BYTES = 16
MAX_FILE_BYTES = 2**30
"""The most bytes that a picture's file may have."""
PROGRESS_STEP = 256
"""Rows between two reports of progress."""


@dataclass(slots=True)
class Source:
    """One JSONL file."""

    name: str
    path: Path
    bytes: int = 0
    blake3: str = ""
    lines: int = 0
    """Lines that hold something."""


@dataclass(slots=True)
class Row:
    """Where a row lies, and which pictures it names."""

    source: int
    line: int
    offset: int
    length: int
    hash: bytes
    names: list[str]
    codes: set[str]
    """Findings that reject it."""
    pictures: list[bytes] = field(default_factory=list)
    """The hash of each picture, for a row that the scan accepts."""


@dataclass(slots=True)
class Picture:
    """One distinct picture."""

    hash: bytes
    path: str
    probe: Probe
    names: list[str] = field(default_factory=list)
    """By which accepted rows name it, in the order of first use."""


@dataclass(slots=True)
class Scan:
    """What the scan found."""

    sources: list[Source]
    rows: list[Row]
    pictures: dict[bytes, Picture]
    """By hash, in the order in which accepted rows first name them."""


def scan(sources: list[tuple[str, str]], folders: Folders, spec: dict[str, Any], options: ScanOptions, progress: Progress) -> Scan:
    """Read every row and every picture that a row names."""
    read = [Source(name, Path(path)) for name, path in sources]
    rows: list[Row] = []
    total, done = sum(source.path.stat().st_size for source in read), 0
    for number, source in enumerate(read):
        for row in scan_source(number, source, options):
            rows.append(row)
            if len(rows) % PROGRESS_STEP == 0:
                progress("rows", done + row.offset, total)
        done += source.bytes
    progress("rows", done, total)
    return Scan(read, rows, scan_pictures(rows, folders, spec, options, progress))


def scan_source(number: int, source: Source, options: ScanOptions) -> Iterator[Row]:
    """The rows of one source; ValueError where it is no JSON Lines."""
    hasher = blake3()
    with source.path.open("rb") as file:
        for line in read_lines(file, options.max_line_bytes, hasher):
            if not source.lines and is_not_lines(source.path, line):
                raise ValueError(f"{source.path}: expected one row per line, found one JSON value (source.not_lines)")
            source.lines += 1
            yield scan_line(number, line, options)
        source.bytes = file.tell()
    source.blake3 = hasher.hexdigest()


def scan_line(number: int, line: Line, options: ScanOptions) -> Row:
    """One line's findings and names."""
    if line.data is None:
        return Row(number, line.number, line.offset, line.length, b"", [], {"line.too_long"})
    checked = check_line(line.data, options.placeholders, options.strip_prefix)
    digest = blake3(line.data).digest(LINE_HASH_BYTES)
    codes = checked.codes.intersection(ERRORS)
    return Row(number, line.number, line.offset, line.length, digest, checked.names, codes)


def scan_pictures(
    rows: list[Row], folders: Folders, spec: dict[str, Any], options: ScanOptions, progress: Progress
) -> dict[bytes, Picture]:
    """Find, read and probe every name once; the rows get their codes or the hashes of their pictures."""
    cut = {name: cut_prefix(name, options.strip_prefix) for row in rows for name in row.names}
    wanted = [name for name in dict.fromkeys(cut.values()) if name_code(name) is None]
    folders.descend(wanted)
    found: dict[str, Picture | str] = {}
    by_hash: dict[bytes, Picture | str] = {}
    for done, name in enumerate(wanted):
        found[name] = find_picture(name, folders, spec, by_hash)
        if done % PROGRESS_STEP == 0:
            progress("pictures", done, len(wanted))
    progress("pictures", len(wanted), len(wanted))
    pictures: dict[bytes, Picture] = {}
    for row in rows:
        named = [found[cut[name]] for name in row.names if cut[name] in found]
        row.codes.update(picture for picture in named if isinstance(picture, str))
        if row.codes:
            continue
        for name, picture in zip(row.names, (each for each in named if isinstance(each, Picture)), strict=True):
            row.pictures.append(picture.hash)
            pictures[picture.hash] = picture
            if name not in picture.names:
                picture.names.append(name)
    return pictures


def find_picture(name: str, folders: Folders, spec: dict[str, Any], by_hash: dict[bytes, Picture | str]) -> Picture | str:
    """The picture that a well-formed name means, or the code of what is wrong with it."""
    paths, code = folders.find(name)
    if not paths:
        return code or "images.missing"
    try:
        contents = {path: read_file(path) for path in paths}
    except OSError:
        return "picture.unreadable"
    path, data = next(iter(contents.items()))
    if any(other != data for other in contents.values()):
        return "images.two_roots"
    digest = blake3(data).digest()
    if digest not in by_hash:
        try:
            by_hash[digest] = Picture(digest, path, probe(data, spec))
        except PictureError as fault:
            by_hash[digest] = fault.code
    return by_hash[digest]


def read_file(path: str) -> bytes:
    """A whole file; OSError where it is larger than any picture."""
    file = Path(path)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise OSError(f"{path}: expected at most {MAX_FILE_BYTES} bytes")
    return file.read_bytes()
