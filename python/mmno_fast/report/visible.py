"""How values and paths are shown: escaped (`mmno_fast.escape`), so that nothing in them acts on a terminal, and cut where they are long.

The exact text stays in Python values, and in JSON, whose escapes every reader undoes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Final

from mmno_fast.escape import escape, escaped

VALUE_CHARS: Final = 200
"""Characters of a value that are shown: a name, a key, a member of a manifest."""
LINE_CHARS: Final = 1000
"""Characters of a path or of a whole message that are shown."""
_NOT_ASCII: Final = re.compile(r"[^\n -~]+")


def visible(value: object, limit: int = VALUE_CHARS) -> str:
    r"""`value` as text that no terminal acts upon, of `limit` characters at most before it is escaped.

    Escaped are control characters (of C1, too), marks of direction, line separators, surrogates, and what has no width or no meaning.
    A byte of a path that is not UTF-8 is shown as that byte. A backslash is doubled where something else is escaped.

    >>> print(visible("tête 1.png"), visible("a\x1b[31m\u202eb"), visible("\udcff"))
    tête 1.png a\x1b[31m\u202eb \xff
    >>> visible("x" * 1000, 10)
    'xxxxxxxx… (1,000 characters) …xx'
    """
    text = str(value)
    if len(text) <= limit:
        return text if text.isprintable() else escaped(text)
    tail = limit // 4  # the end counts as well: of a path it is the file, of a message what is wrong
    head, end = text[: limit - tail], text[len(text) - tail :]
    if not (head + end).isprintable():
        head, end = escaped(head), escaped(end)
    return f"{head}… ({len(text):,} characters) …{end}"


def visible_path(path: str | os.PathLike[str]) -> str:
    """`path` as `visible` shows it, cut much later than a value: people copy it."""
    return visible(os.fspath(path), LINE_CHARS)


def visible_lines(text: str) -> str:
    r"""`text` with everything but its line ends escaped, and nothing cut: the last guard before a terminal.

    >>> visible_lines("a\rb\n\\")
    'a\\rb\n\\'
    """
    if text.isprintable():
        return text
    return "".join(char if char in "\n\\" or char.isprintable() else escape(char) for char in text)


def visible_json(text: str) -> str:
    r"""The JSON of `text` with everything that a terminal would act upon as an escape of JSON. It means what it meant before.

    >>> visible_json('["é \u202e \x9b"]')
    '["é \\u202e \\u009b"]'
    """
    return _NOT_ASCII.sub(lambda match: _json_escaped(match[0]), text)


def shell_word(text: str) -> str:
    r"""`text` as one word of a command that can be copied into bash or zsh, whatever it holds.

    >>> print(shell_word("a b"), shell_word("b\udcff\x1b'"))
    'a b' $'b\xff\x1b\''
    """
    if text.isprintable():
        return shlex.quote(text)
    shown = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b"'\\" else _of_byte(byte) for byte in os.fsencode(text))
    return f"$'{''.join(shown)}'"


def _of_byte(byte: int) -> str:
    return f"\\{chr(byte)}" if byte in b"'\\" else f"\\x{byte:02x}"


def _json_escaped(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
