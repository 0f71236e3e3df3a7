"""The file that makes a folder of shards a data set (`docs/format.md`), read and checked for what a reader relies on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from mmno_fast.errors import shard_error

MAJOR: Final = 1
"""The newest major version of the format that this version reads."""
MANIFEST: Final = "manifest.json"


def read(folder: Path) -> dict[str, Any]:
    """The manifest of the data set in `folder`.

    Raises:
        FileNotFoundError: No such folder.
        ShardError: No manifest, a damaged one, one of a newer format, or a file that has not the length it says.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise _absence(folder) from error
    except NotADirectoryError as error:
        raise shard_error(folder, "expected the folder of a data set, found a file") from error
    try:
        manifest = json.loads(text)
        major = manifest["format"][0]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise shard_error(path, "not a manifest: the file is damaged, or another program's") from error
    if not isinstance(major, int) or major < 1:
        raise shard_error(path, f"not a manifest: format {manifest['format']!r}")
    if major > MAJOR:
        found = ".".join(map(str, manifest["format"]))
        raise shard_error(path, f"written in format {found}, this version reads up to {MAJOR}: install a newer mmno_fast")
    _check_shape(path, manifest)
    _check_lengths(folder, manifest)
    return dict(manifest)


def _absence(folder: Path) -> Exception:
    if not folder.exists():
        msg = f"{folder}: no such data set"
        return FileNotFoundError(msg)
    if (folder / ".build").exists():
        return shard_error(folder, "no manifest.json: its build has not finished; run the same build again, it goes on where it stopped")
    return shard_error(folder, "no manifest.json: not a data set")


def _check_shape(path: Path, manifest: dict[str, Any]) -> None:
    try:
        totals, spec = manifest["totals"], manifest["spec"]
        whole = isinstance(totals["rows"], int) and isinstance(spec["kind"], str) and isinstance(manifest["manifest_blake3"], str)
        whole = whole and sum(shard["rows"] for shard in manifest["shards"]) == totals["rows"]
        whole = whole and all(isinstance(file["bytes"], int) for shard in manifest["shards"] for file in shard["files"])
        whole = whole and all(_is_plain(shard["folder"]) for shard in manifest["shards"])
        whole = whole and all(_is_plain(file["name"]) for shard in manifest["shards"] for file in shard["files"])
    except (KeyError, TypeError) as error:
        raise shard_error(path, f"the manifest is damaged: {type(error).__name__} at {error}; run mmno-fast verify") from error
    if not whole:
        raise shard_error(path, "the manifest is damaged: its numbers do not fit together; run mmno-fast verify")


def _is_plain(name: object) -> bool:
    """Whether `name` is one component of a path, so that no manifest leads a reader out of its folder."""
    return isinstance(name, str) and name not in {"", ".", ".."} and "/" not in name and "\\" not in name and "\0" not in name


def _check_lengths(folder: Path, manifest: dict[str, Any]) -> None:
    listed = [(folder / shard["folder"] / file["name"], file["bytes"]) for shard in manifest["shards"] for file in shard["files"]]
    listed += [(folder / file["name"], file["bytes"]) for file in manifest.get("files", [])]
    for path, expected in listed:
        try:
            found = path.stat().st_size
        except FileNotFoundError as error:
            raise shard_error(path, "the manifest names this file and it is not there; run mmno-fast verify") from error
        if found != expected:
            raise shard_error(path, f"expected {expected:,} bytes, found {found:,}; run mmno-fast verify")
