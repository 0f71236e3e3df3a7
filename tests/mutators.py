"""The changes that `tests.mutations` draws: one function for each kind of place in a data set."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests import damage
from tests.arrow_layout import Buffer, Layout, Place
from tests.building import Json
from tests.damage import SPECS, Seal, npy_text

NUMBERS: Final = (
    0,
    1,
    2,
    3,
    7,
    8,
    255,
    256,
    4096,
    65535,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 46,
    (1 << 63) - 1,
    1 << 63,
)
NAMES: Final = ("", ".", "..", "../x", "/etc/hostname", "a/b", "a\\b", "a\0b", "rows.arrow", "gray.npy", "unit.json", "é" * 9, "x" * 300)
VALUES: Final[tuple[Any, ...]] = (None, True, False, -1, 0.5, 1e300, 10**30, "x", [], {}, [1], {"a": 1}, *NUMBERS)
Change = tuple[str, Callable[[], object]]
"""What it is, and the deed."""


def mutate(rng: random.Random, out: Path, whole: Path, how: Seal) -> tuple[list[str], bool]:
    """One to three changes of the data set in `out`, then the seal. `whole` holds undamaged ones, by layout.

    Returns:
        What the changes are; and whether all hashes agree afterwards, so that it may be another data set, and a whole one.
    """
    count = rng.choice([1, 1, 1, 1, 2, 3])
    kinds = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()], k=count)
    data = [kind for kind in kinds if kind not in LATE]
    said: list[str] = []
    for kind in data:
        said.append(_change(kind, rng, out, whole, first=not said))
    if "record" in kinds:
        # What stands in the record is hashed by the manifest; the record itself says the lengths and hashes of the shard's files.
        damage.seal(out, how=how)
        said.append(_record(rng, out))
    _seal(out, how)
    if "manifest" in kinds:
        said.append(_manifest(rng, out))
        if how != "no":
            damage.seal_manifest(out / "manifest.json")
    if "kind of file" in kinds:
        said.append(_kind_of_file(rng, out))
    # Where the manifest itself was changed and its own hash made to agree, it says what it likes.
    return said, how == "all" or (how == "lengths" and "manifest" in kinds)


def _change(kind: str, rng: random.Random, out: Path, whole: Path, *, first: bool) -> str:
    """One change. It may be impossible after another one, which has taken its file away or left nothing in it to choose."""
    try:
        return KINDS[kind][0](rng, out, whole)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        if first:
            raise
        return f"{kind}: impossible by now"


def _seal(out: Path, how: Seal) -> None:
    """As `damage.seal`, where records may be no JSON any more."""
    if how == "no":
        return
    manifest = damage.read_json(out / "manifest.json")
    for shard in manifest["shards"]:
        unit = out / shard["folder"] / "unit.json"
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            record = damage.read_json(unit)
            damage.refresh(unit.parent, record["files"], how)
            damage.write_json(unit, record)
        damage.refresh(unit.parent, shard["files"], how)
    damage.refresh_top(out, manifest["files"], how)
    damage.write_json(out / "manifest.json", manifest)
    damage.seal_manifest(out / "manifest.json")


# JSON


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _places(item, (*path, key))


def _other_json(rng: random.Random, text: bytes) -> tuple[str, bytes]:
    """The JSON with a member of another value, without it, twice, moved; or another text."""
    if rng.random() < 0.15:
        return _other_text(rng, text)
    value: Json = json.loads(text)
    path = rng.choice(list(_places(value)))
    *outer, last = path
    holder: Any = value
    for key in outer:
        holder = holder[key]
    now = holder[last]
    deed = rng.choice(["value", "value", "value", "near", "near", "drop", "twin", "swap", "rename"])
    if deed == "drop":
        del holder[last]
        new: Any = "nothing"
    elif deed == "swap" and isinstance(holder, list):
        rng.shuffle(holder)
        new = "in another order"
    elif deed == "twin" and isinstance(holder, list):
        holder.append(now)
        new = "twice"
    elif deed == "rename" and isinstance(holder, dict):
        holder[f"{last}x"] = holder.pop(last)
        new = "of another name"
    else:
        new = _near(rng, now) if deed == "near" else rng.choice([*VALUES, *NAMES])
        holder[last] = new
    where = ".".join(map(str, path))
    return f"{where}: {str(now)[:40]!r} -> {str(new)[:40]!r}", (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(
        "utf-8", "replace"
    )


def _near(rng: random.Random, now: Any) -> Any:
    if isinstance(now, bool) or now is None:
        return not now
    if isinstance(now, int):
        return rng.choice([now + 1, max(0, now - 1), now * 2, now + (1 << 32), -now])
    if isinstance(now, str) and now:
        at = rng.randrange(len(now))
        return now[:at] + rng.choice("0a./\\é\0") + now[at + 1 :]
    if isinstance(now, list):
        return rng.choice([now[:-1], now + now, now[::-1], []])
    return {}


def _other_text(rng: random.Random, text: bytes) -> tuple[str, bytes]:
    at = rng.randrange(len(text))
    deed = rng.choice(["byte", "cut", "insert", "blank", "deep"])
    if deed == "byte":
        return f"byte {at}", text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
    if deed == "cut":
        return f"cut at {at}", text[:at]
    if deed == "insert":
        what = rng.choice([b"\xff", b"\0", b'"', b"{", b",", b"1e999", b"NaN", b'"a":1,', b"\\ud800", b"9" * 400])
        return f"{what[:9]!r} at {at}", text[:at] + what + text[at:]
    if deed == "blank":
        return "a blank more", rng.choice([text + b" ", b" " + text, text.replace(b"\n", b"\r\n")])
    return "too deep", b'{"a":' * 5000 + text


def _manifest(rng: random.Random, out: Path) -> str:
    path = out / "manifest.json"
    what, text = _other_json(rng, path.read_bytes())
    path.write_bytes(text)
    return f"manifest: {what}"


def _record(rng: random.Random, out: Path) -> str:
    path = rng.choice(damage.shards(out)) / "unit.json"
    if not path.is_file():
        return "no record"
    try:
        what, text = _other_json(rng, path.read_bytes())
    except (ValueError, RecursionError):
        return "a record that is none already"
    path.write_bytes(text)
    return f"record: {what}"


def _rejects(rng: random.Random, out: Path, whole: Path) -> str:
    path = damage.file_of(out, "rejects.jsonl")
    what, text = "nothing", path.read_bytes()
    if rng.random() < 0.5:
        what, text = _other_text(rng, text + b"{}\n")
    else:
        with suppress(ValueError, RecursionError, IndexError):  # another change may have come before
            what, text = _other_json(rng, text.splitlines()[0])
    path.write_bytes(text)
    return f"rejects: {what}"


# Arrow


@cache
def _layout(path: Path) -> Layout:
    return Layout(path)


def _arrow(rng: random.Random, out: Path, whole: Path) -> tuple[Path, Layout, str]:
    """An Arrow file, and how it lay when it was whole."""
    folder = rng.choice(damage.shards(out))
    name = rng.choice(["rows.arrow", "rows.arrow", "pictures.arrow"])
    layout = next(name for name in SPECS if (whole / name / "shards" / folder.name).is_dir())
    return folder / name, _layout(whole / layout / "shards" / folder.name / name), f"{folder.name[:4]}/{name}"


def _write(path: Path, at: int, new: bytes) -> None:
    """Into a file that another change may have cut."""
    if not path.is_file():
        return
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new[: max(0, len(data) - at)]
    path.write_bytes(data)


def _number(rng: random.Random, now: int, size: int) -> int:
    bits = 8 * size
    deed = rng.randrange(4)
    if deed == 0:
        return rng.choice(NUMBERS)
    if deed == 1:
        return now + rng.choice([-8, -4, -1, 1, 4, 8, 64, -64])
    if deed == 2:
        return now ^ (1 << rng.randrange(bits))
    return rng.getrandbits(bits)


def _put(rng: random.Random, path: Path, place: Place, data: bytes) -> str:
    now = place.read(data)
    new = _number(rng, now, place.size)
    written = bytearray(place.size)
    Place("", 0, place.size).write(written, new)
    _write(path, place.at, bytes(written))
    return f"{place.name}: {now} -> {new}"


def _arrow_place(rng: random.Random, out: Path, whole: Path) -> str:
    """A number of the metadata that we know by name."""
    path, layout, name = _arrow(rng, out, whole)
    groups = [layout.blocks, layout.messages, layout.nodes, layout.buffer_places, layout.dictionary_numbers]
    places = [*rng.choice(groups)(), layout.footer_length]
    return f"{name}: {_put(rng, path, rng.choice(places), layout.data)}"


def _arrow_word(rng: random.Random, out: Path, whole: Path) -> str:
    """Any word of a flatbuffer: tables, vectors, offsets between them, the schema."""
    path, layout, name = _arrow(rng, out, whole)
    what, start, end = rng.choice(list(layout.metadata()))
    size = rng.choice([1, 2, 4, 4, 4, 8])
    at = start + rng.randrange(max(1, (end - start) // size)) * size
    at = min(at, end - size)
    return f"{name}: {_put(rng, path, Place(f'{what} +{at - start} of {size} bytes', at, size), layout.data)}"


def _arrow_buffer(rng: random.Random, out: Path, whole: Path) -> str:
    """A number, or a byte, of a buffer."""
    path, layout, name = _arrow(rng, out, whole)
    buffers = list(layout.buffers())
    numbers = [buffer for buffer in buffers if buffer.width > 1]
    buffer: Buffer = rng.choice(numbers if rng.random() < 0.6 else buffers)
    i = rng.randrange(buffer.length // buffer.width)
    place = Place(f"{buffer.name} [{i}]", buffer.at + i * buffer.width, buffer.width)
    return f"{name}: {_put(rng, path, place, layout.data)}"


# NumPy


def _npy_header(rng: random.Random, out: Path, whole: Path) -> str:
    path = _npy(rng, out)
    if path is None:
        return "no such file"
    data = path.read_bytes()
    if len(data) < 4096:
        return "a header that is none already"
    text = data[10:4096].rstrip().decode("latin-1")
    deed = rng.choice(["version", "length", "number", "word", "byte", "end", "order", "huge"])
    if deed == "version":
        header = npy_text(text.encode("latin-1"), version=rng.choice([0, 2, 3, 4, 255]))
    elif deed == "length":
        header = data[:8] + rng.choice([0, 1, 118, 4085, 4087, 4090, 8182, 65535]).to_bytes(2, "little") + data[10:4096]
    elif deed == "number":
        numbers = [found for found in re.finditer(r"\d+", text) if found.start() > 15]
        found = rng.choice(numbers)
        now = int(found[0])
        text = text[: found.start()] + str(rng.choice([now + 1, now - 1, now * 2, 0, -now, rng.choice(NUMBERS)])) + text[found.end() :]
        header = npy_text(text.encode("latin-1"))
    elif deed == "word":
        old, new = rng.choice(
            [("False", "True"), ("|u1", "|i1"), ("u1", "u2"), ("<u8", ">u8"), ("<u8", "<i8"), (", }", "}"), ("'", '"'), ("shape", "Shape")]
        )
        text = text.replace(old, new)
        header = npy_text(text.encode("latin-1"))
    elif deed == "byte":
        at = rng.choice([rng.randrange(90), rng.randrange(4096)])
        header = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 : 4096]
    elif deed == "end":
        header = npy_text(text.encode("latin-1"), end=rng.choice([128, 192, 2048, 4160, 8192]))
    elif deed == "order":
        shape = re.search(r"\((.*)\)", text)
        turned = ", ".join(reversed(shape[1].rstrip(",").split(", "))) if shape else ""
        header = npy_text(re.sub(r"\(.*\)", f"({turned},)", text).encode("latin-1"))
    else:
        path.write_bytes(npy_text(b"{", version=2, length=(1 << 31) + rng.randrange(1 << 20)) + data[4096:])
        return f"{path.name}: a header of 2 GiB"
    path.write_bytes(header + data[4096:])
    return f"{path.name}: header, {deed}"


def _npy(rng: random.Random, out: Path) -> Path | None:
    names = [path for folder in damage.shards(out) for path in sorted(folder.glob("*.npy"))]
    return rng.choice([*names, damage.file_of(out, "rows.index.npy")]) if names else None


def _npy_data(rng: random.Random, out: Path, whole: Path) -> str:
    path = _npy(rng, out)
    if path is None or path.stat().st_size <= 4096:
        return "no such file"
    at = rng.randrange(4096, path.stat().st_size)
    _write(path, at, bytes([rng.randrange(256)]))
    return f"{path.name}: byte {at}"


def _index(rng: random.Random, out: Path, whole: Path) -> str:
    path = damage.file_of(out, "rows.index.npy")
    data = path.read_bytes()
    entries = (len(data) - 4096) // 8
    if entries < 1:
        return "no entry"
    i = rng.randrange(entries)
    now = int.from_bytes(data[4096 + 8 * i :][:8], "little")
    near = [now + 1, now ^ 1, now + (1 << 32), now & 0xFFFF_FFFF, 0, 1, 1 << 32]
    new = rng.choice([*near, *NUMBERS, rng.getrandbits(64), int.from_bytes(data[4096 + 8 * rng.randrange(entries) :][:8], "little")])
    _write(path, 4096 + 8 * i, (new % (1 << 64)).to_bytes(8, "little"))
    return f"index[{i}]: {now:x} -> {new:x}"


# files


def _file(rng: random.Random, out: Path, whole: Path) -> str:
    """A file that is cut, longer, another's, or gone."""
    path = rng.choice([path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in {"manifest.json", "unit.json"}])
    deed = rng.choice(["cut", "longer", "another", "gone", "bytes"])
    data = path.read_bytes()
    name = path.relative_to(out).as_posix()[-40:]
    if deed == "cut":
        size = rng.choice([0, 1, 8, 4096, len(data) - 1, len(data) // 2, rng.randrange(len(data) + 1)])
        path.write_bytes(data[:size])
        return f"{name}: cut at {size}"
    if deed == "longer":
        more = rng.choice([b"\0", bytes(8), bytes(4096), data[:100], data[-10:]])
        path.write_bytes(data + more)
        return f"{name}: longer by {len(more)}"
    if deed == "another":
        others = [other for layout in SPECS for other in sorted((whole / layout / "shards").rglob("*")) if other.suffix == path.suffix]
        other = rng.choice(others)
        shutil.copyfile(other, path)
        return f"{name}: {other.relative_to(whole)}"
    if deed == "gone":
        path.unlink()
        return f"{name}: gone"
    start = rng.randrange(len(data)) if data else 0
    noise = rng.randbytes(rng.choice([2, 16, 200]))
    _write(path, start, noise)
    return f"{name}: {len(noise)} bytes from {start}"


def _kind_of_file(rng: random.Random, out: Path) -> str:
    """What is no regular file where one should be."""
    path = rng.choice([path for path in sorted(out.rglob("*")) if path.is_file()])
    deed = rng.choice(["FIFO", "folder", "/dev/zero", "/dev/null", "nowhere", path.name])
    path.unlink()
    if deed == "FIFO":
        os.mkfifo(path)
    elif deed == "folder":
        path.mkdir()
    else:
        path.symlink_to(deed)
    return f"{path.relative_to(out).as_posix()[-40:]}: {deed}"


LATE: Final = frozenset({"record", "manifest", "kind of file"})
"""What comes after the files of a shard are sealed."""
KINDS: Final[dict[str, tuple[Callable[[random.Random, Path, Path], str], int]]] = {
    "manifest": (lambda rng, out, _: _manifest(rng, out), 14),
    "record": (lambda rng, out, _: _record(rng, out), 5),
    "rejects": (_rejects, 2),
    "Arrow, a number of the metadata": (_arrow_place, 16),
    "Arrow, a word of the metadata": (_arrow_word, 20),
    "Arrow, a buffer": (_arrow_buffer, 18),
    ".npy, the header": (_npy_header, 10),
    ".npy, the data": (_npy_data, 3),
    "index": (_index, 5),
    "file": (_file, 5),
    "kind of file": (lambda rng, out, _: _kind_of_file(rng, out), 2),
}
"""By name: how it is made, and how often it is drawn."""
