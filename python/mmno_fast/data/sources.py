"""What callers may give as sources and roots, turned into what the engines take.

A source is one JSONL file, known by its file name, or by the name in ``name=path``. A root is a folder that names of pictures are
looked for in. Both are checked here, before any work begins. Rows that a build has rejected may be given as its ``rejects.jsonl``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from mmno_fast import _core
from mmno_fast.escape import shown

AnyPath: TypeAlias = str | os.PathLike[str]
Sources: TypeAlias = AnyPath | Iterable[AnyPath] | Mapping[str, AnyPath]
"""One path, several, or ``{name: path}``; a text may be ``name=path``."""
Roots: TypeAlias = AnyPath | Iterable[AnyPath]
"""One folder or several."""


def named_sources(sources: Sources) -> list[tuple[str, str]]:
    """(name, path) of each source, in the order given.

    Raises:
        ValueError: No source at all, two of one name, a name that cannot be one, or a folder in the place of a file.
        FileNotFoundError: No such file.

    >>> named_sources({"open": "/dev/null"})
    [('open', '/dev/null')]
    """
    if isinstance(sources, Mapping):
        named = [(name, os.fspath(path)) for name, path in sources.items()]
    else:
        named = [_split(source) for source in _several(sources)]
    if not named:
        raise ValueError("no sources: name at least one JSONL file")
    for name, path in named:
        _check_name(name)
        _check_file(path)
    _refuse_twins(named)
    return named


def checked_roots(images: Roots) -> list[str]:
    """The folders that pictures are looked for in, in the order given.

    Raises:
        ValueError: No folder at all.
        FileNotFoundError: No such folder.
        NotADirectoryError: A file in the place of a folder.
    """
    roots = [os.fspath(root) for root in _several(images)]
    if not roots:
        raise ValueError("no folder of pictures: name at least one")
    for root in roots:
        if not Path(root).exists():
            raise FileNotFoundError(f"{shown(root)}: no such folder of pictures")
        if not Path(root).is_dir():
            raise NotADirectoryError(f"{shown(root)}: expected a folder of pictures, found a file")
    return roots


def exact_roots(found: Iterable[dict[str, Any]], roots: Iterable[str]) -> list[dict[str, Any]]:
    """What the core says of each root, with paths that can be opened: its JSON has escapes for bytes that are not UTF-8."""
    exact = []
    for each, root in zip(found, roots, strict=True):
        given, used = each["given"], each["used"]
        if given != root and used.startswith(given):
            exact.append({**each, "given": root, "used": root + used[len(given) :]})
        else:
            exact.append(each)
    return exact


def rejected_rows(rejects: AnyPath | Iterable[tuple[str, int]] | None) -> list[tuple[str, int]]:
    """(source, line) of each rejected row: as given, or read from a ``rejects.jsonl``."""
    if rejects is None:
        return []
    if isinstance(rejects, (str, os.PathLike)):
        return _core.read_rejects(os.fspath(rejects))
    return list(rejects)


def _several(paths: AnyPath | Iterable[AnyPath]) -> list[AnyPath]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)


def _split(source: AnyPath) -> tuple[str, str]:
    path = os.fspath(source)
    name, equals, rest = path.partition("=")
    # A file whose own name has `=` in it is that file; a name never has a slash, so `a/b=c.jsonl` is a path as well.
    if isinstance(source, str) and equals and "/" not in name and not Path(path).exists():
        return _utf8(name), rest
    return _utf8(Path(path).name), path


def _utf8(name: str) -> str:
    r"""`name` as a manifest can hold it: bytes that are not UTF-8 as escapes, and all others read as UTF-8, whatever the locale says.

    >>> print(_utf8("b\udcff.jsonl"))
    b\xff.jsonl
    """
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: no file has such a name
        return name


def _check_name(name: str) -> None:
    if not name or "/" in name or not name.isprintable():
        raise ValueError(f"{name!r} cannot be the name of a source: expected visible characters without `/` (as in name=path)")


def refuse_overwriting(outputs: Mapping[str, AnyPath | None], sources: Iterable[tuple[str, str]]) -> None:
    """Refuse to write to a file that is read. `outputs`: paths by what to call them in a message; None for what is not written.

    Raises:
        ValueError: An output is one of the sources, perhaps under another name.
    """
    paths = [path for _, path in sources]
    for what, output in outputs.items():
        for path in paths:
            with suppress(OSError):  # one of them is not there
                if output is not None and Path(output).samefile(path):
                    raise ValueError(f"{what}: {shown(output)} is a source; name another file")


def _check_file(path: str) -> None:
    if not Path(path).exists():
        raise FileNotFoundError(f"{shown(path)}: no such source")
    if Path(path).is_dir():
        raise ValueError(f"{shown(path)}: expected a JSONL file, found a folder; name the files in it")


def _refuse_twins(named: list[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for name, path in named:
        if name in first:
            both = f"{shown(first[name])} and {shown(path)}"
            msg = f"two sources are called {name!r} ({both}): tell them apart with name=path, as in other={shown(path)}"
            raise ValueError(msg)
        first[name] = path
