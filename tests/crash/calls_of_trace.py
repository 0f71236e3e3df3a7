"""The system calls in what ``strace -y -xx`` writes, one a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(.*)")
_HEX: Final = re.compile(r"\\x([0-9a-f]{2})")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_OPEN: Final = re.compile(r"(AT_FDCWD|\d+)(?:<((?:\\x[0-9a-f]{2}|[^<>])*)>)?(?:\(deleted\))?")


@dataclass(frozen=True)
class Call:
    """One system call."""

    name: str
    arguments: tuple[bytes, ...]
    """As strace writes them; texts decoded, without their quotes."""
    result: int
    failed: bool
    paths: tuple[str, ...]
    """Of each argument that is an open file, or the current folder: its path; else empty."""

    def number(self, at: int) -> int:
        """An argument that is a number, or an open file's number."""
        return int(re.split(rb"[<(]", self.arguments[at], maxsplit=1)[0])

    def text(self, at: int) -> str:
        """An argument that is a path."""
        return self.arguments[at].decode("utf-8", "surrogateescape")

    def flags(self, at: int) -> set[str]:
        """An argument of flags; none where it was left out."""
        return set(self.arguments[at].decode().split("|")) if at < len(self.arguments) else set()


def decoded(text: str) -> bytes:
    """Bytes that strace wrote in hexadecimal."""
    return bytes(int(digits, 16) for digits in _HEX.findall(text))


def calls(trace: str) -> Iterator[Call]:
    """Every call that has ended, in order."""
    for line in trace.splitlines():
        if "<unfinished" in line or "resumed>" in line:
            raise ValueError(f"two threads make system calls at once: {line[:200]}")
        found = _LINE.match(line)
        if found is None or found[4] == "?":
            continue
        arguments, paths = [], []
        for argument in _split(found[3]):
            text, path = argument.encode(), ""
            if quoted := _TEXT.fullmatch(argument):
                if quoted[2]:
                    raise ValueError(f"strace cut a text off: {line[:200]}")
                text = decoded(quoted[1])
            elif opened := _OPEN.fullmatch(argument):
                path = decoded(opened[2] or "").decode("utf-8", "surrogateescape")
                text = opened[1].encode()
            arguments.append(text)
            paths.append(path)
        result = int(found[4], 0)
        yield Call(found[2], tuple(arguments), result, found[5].startswith(" E") or found[4] == "-1", tuple(paths))


def _split(text: str) -> Iterator[str]:
    """The arguments; commas in brackets divide none, and texts in hexadecimal hold none."""
    depth = begin = 0
    for at, letter in enumerate(text):
        if letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[begin:at].strip()
            begin = at + 1
    if text[begin:].strip():
        yield text[begin:].strip()
