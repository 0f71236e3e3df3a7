"""Text that no terminal acts upon: the one place that escapes. `report.visible` also cuts what is long.

The core does the same in ``src/shown.rs``, for the paths in its messages.
"""

from __future__ import annotations

import os
from typing import Final

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


def shown(path: str | os.PathLike[str]) -> str:
    r"""`path` for a message, whole, and escaped where a terminal would act upon it.

    >>> print(shown("a b/tête.png"), shown("a\x1b[31m\u202e\udcff"))
    a b/tête.png a\x1b[31m\u202e\xff
    """
    text = os.fspath(path)
    return text if text.isprintable() else escaped(text)


def escaped(text: str) -> str:
    r"""`text` with everything escaped that does not print, and with each backslash doubled.

    >>> print(escaped("a\\\n\x9b\udcff"))
    a\\\n\u009b\xff
    """
    return "".join(char if char.isprintable() and char != "\\" else escape(char) for char in text)


def escape(char: str) -> str:
    r"""One character as an escape. A byte of a path that is not UTF-8 never looks like a character.

    >>> print(escape("\x1b"), escape("\x9b"), escape("\udc9b"))
    \x1b \u009b \x9b
    """
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python writes such a byte
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
