"""One line: every check that needs nothing but its bytes."""

from dataclasses import dataclass, field
from typing import Any

from mmno_fast.reference.codes import ERRORS, WARNINGS, in_order
from mmno_fast.reference.rows import check_json, meta_and_extra, shape_of
from mmno_fast.reference.rules import Meaning, cut_prefix, meaning_of, name_code


@dataclass(slots=True)
class Checked:
    """One line after its checks."""

    codes: set[str]
    """Findings of both severities."""
    names: list[str] = field(default_factory=list)
    """The row's images, also where the row has other faults; empty where their type is wrong."""
    messages: list[tuple[str, str]] = field(default_factory=list)
    meaning: Meaning | None = None
    meta: str | None = None
    extra: str | None = None


def check_line(line: bytes, placeholders: str = "required", strip_prefix: str | None = None) -> Checked:
    """All findings of one line, and what it holds; `meta`, `extra` and the meaning only where no finding rejects it."""
    value, code = check_json(line)
    if code:
        return Checked({code})
    shape = shape_of(value)
    codes = shape.codes
    for name in shape.images or ():
        if found := name_code(cut_prefix(name, strip_prefix)):
            codes.add(found)
    meaning = meaning_of(shape, placeholders)
    if shape.unknown:
        codes.add("row.unknown_field")
    checked = Checked(codes, shape.images or [], shape.messages or [])
    if meaning and codes.issubset(WARNINGS):
        checked.meaning = meaning
        checked.meta, checked.extra = meta_and_extra(line, shape)
    return checked


def inspect_line(line: bytes, placeholders: str = "required") -> dict[str, Any]:
    """What one line holds and what is wrong with it.

    Args:
        line: the bytes of one line, without its line feed.
        placeholders: `"required"`, or `"optional"`: then a row with pictures may have no `<image>` at all.

    Returns:
        `codes` (of severity E, in the catalogue's order), `warnings` (of severity W), and `row`: None where there are
        codes, else `messages`, `images`, `meta`, `extra`, `variant`, `options`, `answer` and `answer_text`.
        A blank line holds nothing: no codes, and no row.

    Example:
        >>> inspect_line(b'{"messages": []}')
        {'codes': ['messages.empty'], 'warnings': [], 'row': None}
    """
    if not line.strip(b" \t\r"):
        return {"codes": [], "warnings": [], "row": None}
    checked = check_line(line, placeholders)
    row = None
    if meaning := checked.meaning:
        options = meaning.options
        row = {
            "messages": [{"role": role, "content": content} for role, content in checked.messages],
            "images": checked.names,
            "meta": checked.meta,
            "extra": checked.extra,
            "variant": meaning.variant,
            "options": None if options is None else [{"letter": letter, "text": text} for letter, text in options],
            "answer": meaning.answer,
            "answer_text": meaning.answer_text,
        }
    return {"codes": in_order(checked.codes, ERRORS), "warnings": in_order(checked.codes, WARNINGS), "row": row}
