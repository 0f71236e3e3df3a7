"""The names of all findings, in the order of the catalogue: the order in which the rules run."""

from collections.abc import Iterable

ERRORS: tuple[str, ...] = (
    "source.not_lines",
    "line.too_long",
    "json.utf8",
    "json.depth",
    "json.syntax",
    "json.duplicate_key",
    "row.not_object",
    "row.missing_field",
    "row.wrong_type",
    "meta.wrong_type",
    "images.absolute",
    "images.traversal",
    "images.bad_name",
    "messages.empty",
    "messages.role",
    "messages.order",
    "messages.blank",
    "placeholder.count",
    "placeholder.assistant",
    "mcq.options",
    "mcq.answer",
    "mcq.answer_range",
    "cot.final",
    "cot.explanation",
    "images.missing",
    "images.ambiguous",
    "images.two_roots",
    "picture.unreadable",
    "picture.empty",
    "picture.format",
    "picture.truncated",
    "picture.corrupt",
    "picture.too_large",
    "picture.memory",
    "picture.sixteen_bit",
)
"""Codes that reject a row."""

WARNINGS: tuple[str, ...] = (
    "row.unknown_field",
    "mcq.order",
    "mcq.duplicate_option",
    "mcq.answer_form",
    "cot.form",
)
"""Codes that a line alone can be warned of; warnings about pictures belong to `check`, not to a build."""


def in_order(codes: Iterable[str], catalogue: tuple[str, ...] = ERRORS) -> list[str]:
    """Those of `catalogue` that are among `codes`, in its order, each once.

    >>> in_order(["messages.blank", "row.wrong_type", "messages.blank"])
    ['row.wrong_type', 'messages.blank']
    """
    found = set(codes)
    return [code for code in catalogue if code in found]
