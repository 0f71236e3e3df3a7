"""What counts as JSON and what counts as a row: `docs/rows.md`.

simdjson reads every line. The standard `json` steps in where simdjson hides something: lines that it refuses (numbers
beyond 64 bits are legal here), escapes of surrogates, and the text of `meta` and of unknown members as it stood.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import simdjson

MAX_DEPTH = 64
BOM = b"\xef\xbb\xbf"
KNOWN = frozenset(("messages", "images", "meta"))
KNOWN_IN_MESSAGE = frozenset(("role", "content"))

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
BRACKET = re.compile(rb"[][{}]")
SURROGATES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.")
BLANK = re.compile(r"[ \t\r\n]*")


class DuplicateKeyError(Exception):
    """An object says a key twice."""


def check_json(line: bytes) -> tuple[Any, str | None]:
    """The value of a line as plain Python, and the code of the first check that fails (then the value is None).

    Numbers come back as some number: their value is never needed.

    >>> check_json(b'{"a": [true]}'), check_json(b'{"a": 1, "a": 2}')
    (({'a': [True]}, None), (None, 'json.duplicate_key'))
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None, "json.utf8"
    if is_too_deep(line):
        return None, "json.depth"
    if line.startswith(BOM):
        return None, "json.syntax"
    try:
        if b"\\u" not in line:
            try:
                return parse_with_simdjson(line), None
            except (ValueError, RuntimeError):  # no JSON, or a number beyond 64 bits: the standard parser tells which
                pass
        return check_with_standard_json(text)
    except DuplicateKeyError:
        return None, "json.duplicate_key"


def is_too_deep(line: bytes) -> bool:
    """Whether more than `MAX_DEPTH` brackets are open at once, outside strings."""
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in BRACKET.findall(STRING.sub(b"", line)):
        depth = depth + 1 if bracket in b"{[" else max(depth - 1, 0)
        if depth > MAX_DEPTH:
            return True
    return False


def parse_with_simdjson(line: bytes) -> Any:
    """The value as plain Python; simdjson keeps one of two equal keys, so that fewer members than colons are left."""
    value = PARSER.parse(line, recursive=True)
    if count_members(value) != STRING.sub(b"", line).count(b":"):
        raise DuplicateKeyError
    return value


def count_members(value: Any) -> int:
    """How many members the objects in a value have together."""
    if isinstance(value, dict):
        return len(value) + sum(map(count_members, value.values()))
    return sum(map(count_members, value)) if isinstance(value, list) else 0


def check_with_standard_json(text: str) -> tuple[Any, str | None]:
    """The same with the standard parser, which reports every object's members, also those of one name."""
    twice = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        members = dict(pairs)
        twice |= len(members) != len(pairs)
        return members

    decoder = json.JSONDecoder(object_pairs_hook=members, parse_int=len, parse_float=len, parse_constant=refuse_constant)
    try:
        value = decoder.decode(text)
    except ValueError:
        return None, "json.syntax"
    if any(match[1] for match in SURROGATES.finditer(text)):
        return None, "json.syntax"
    if twice:
        raise DuplicateKeyError
    return value, None


def refuse_constant(name: str) -> NoReturn:
    """`NaN` and `Infinity` are no JSON."""
    raise ValueError(name)


PARSER = simdjson.Parser()
TEXT_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)


@dataclass(slots=True)
class Shape:
    """The members of one row, by their types alone."""

    messages: list[tuple[str, str]] | None
    """(role, content) of each turn; None where the shape is wrong."""
    images: list[str] | None
    """Names as the row gives them; None where the type is wrong."""
    has_meta: bool = False
    unknown: bool = False
    codes: set[str] = field(default_factory=set)


def shape_of(value: Any) -> Shape:
    """The shape of a line's value, with the findings about it."""
    if not isinstance(value, dict):
        return Shape(None, None, codes={"row.not_object"})
    shape = Shape(None, [], has_meta="meta" in value, unknown=not value.keys() <= KNOWN)
    if not isinstance(value.get("meta"), dict | None):
        shape.codes.add("meta.wrong_type")
    images = value.get("images", [])
    if isinstance(images, list) and all(isinstance(name, str) for name in images):
        shape.images = images
    else:
        shape.images = None
        shape.codes.add("row.wrong_type")
    if "messages" not in value:
        shape.codes.add("row.missing_field")
    elif not isinstance(value["messages"], list):
        shape.codes.add("row.wrong_type")
    else:
        turns = [turn for message in value["messages"] if (turn := turn_of(message, shape))]
        shape.messages = turns if len(turns) == len(value["messages"]) else None
    return shape


def turn_of(message: Any, shape: Shape) -> tuple[str, str] | None:
    """One message as (role, content), or None with the findings added to `shape`."""
    if not isinstance(message, dict):
        shape.codes.add("row.wrong_type")
        return None
    shape.unknown |= not message.keys() <= KNOWN_IN_MESSAGE
    if not message.keys() >= KNOWN_IN_MESSAGE:
        shape.codes.add("row.missing_field")
    role, content = message.get("role", ""), message.get("content", "")
    if not isinstance(role, str) or not isinstance(content, str):
        shape.codes.add("row.wrong_type")
        return None
    return (role, content) if message.keys() >= KNOWN_IN_MESSAGE else None


# texts as they stood -----------------------------------------------------------------------------------------------


def members_of(text: str, start: int) -> Iterator[tuple[str, str, int, int]]:
    """The members of the object that begins at `start` of valid JSON: key, key as it stood, and where the value lies."""
    at = after_blanks(text, start + 1)
    while text[at] != "}":
        key, key_end = TEXT_DECODER.raw_decode(text, at)
        value_start = after_blanks(text, after_blanks(text, key_end) + 1)
        value_end = TEXT_DECODER.raw_decode(text, value_start)[1]
        yield key, text[at:key_end], value_start, value_end
        at = after_blanks(text, value_end)
        if text[at] == ",":
            at = after_blanks(text, at + 1)


def items_of(text: str, start: int) -> Iterator[int]:
    """Where each item of the list that begins at `start` of valid JSON begins."""
    at = after_blanks(text, start + 1)
    while text[at] != "]":
        yield at
        at = after_blanks(text, TEXT_DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = after_blanks(text, at + 1)


def after_blanks(text: str, at: int) -> int:
    """The first place from `at` on that is no blank of JSON."""
    match = BLANK.match(text, at)
    return match.end() if match else at


def meta_and_extra(line: bytes, shape: Shape) -> tuple[str | None, str | None]:
    """`meta` and the unknown members of a row without faults, as they stood; None where there is none.

    >>> line = b'{"meta": {"id":  7}, "messages": [], "weight": 5e-1}'
    >>> meta_and_extra(line, shape_of(check_json(line)[0]))
    ('{"id":  7}', '{"weight": 5e-1}')
    """
    if not shape.has_meta and not shape.unknown:
        return None, None
    text = line.decode("utf-8")
    meta, extra = None, []
    for key, raw_key, start, end in members_of(text, after_blanks(text, 0)):
        if key == "meta":
            meta = text[start:end]
        elif key == "messages" and shape.unknown:
            for turn, message_start in enumerate(items_of(text, start)):
                for name, _, value_start, value_end in members_of(text, message_start):
                    if name not in KNOWN_IN_MESSAGE:
                        pointer = f"/messages/{turn}/" + name.replace("~", "~0").replace("/", "~1")
                        extra.append(f"{json.dumps(pointer, ensure_ascii=False)}: {text[value_start:value_end]}")
        elif key not in KNOWN:
            extra.append(f"{raw_key}: {text[start:end]}")
    return meta, "{" + ", ".join(extra) + "}" if extra else None
