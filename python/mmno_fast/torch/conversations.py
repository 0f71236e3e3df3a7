"""Rows as a chat template wants them, and where their answers stand in the text that it makes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, Protocol

import torch
from torch import Tensor

PLACEHOLDER: Final = "<image>"
"""What stands for a picture in the text of a row."""
IGNORED: Final = -100
"""The label of tokens that nothing is learnt from: what PyTorch's cross entropy and transformers' models leave out."""

Message = Mapping[str, str]
Span = tuple[int, int]


class Renders(Protocol):
    """A processor, or a tokenizer, with a chat template."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """The text of a conversation."""


def conversation_of(messages: Sequence[Message], images: int) -> list[dict[str, Any]]:
    """A row's messages, with each ``<image>`` as a part of its own.

    Args:
        messages: Of the row.
        images: How many pictures it has. Where no ``<image>`` stands for them, they come before the first user's text.

    >>> conversation_of([{"role": "user", "content": "<image>What is this?"}, {"role": "assistant", "content": "A slice."}], 1)[0]
    {'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': 'What is this?'}]}
    """
    conversation = []
    first = PLACEHOLDER * images if images and not any(PLACEHOLDER in message["content"] for message in messages) else ""
    for message in messages:
        text = message["content"]
        if message["role"] == "user" and first:
            text, first = first + text, ""
        parts: list[dict[str, str]] = []
        for i, piece in enumerate(text.split(PLACEHOLDER) if message["role"] == "user" else [text]):
            parts += [{"type": "image"}] * (i > 0)
            parts += [{"type": "text", "text": piece}] * (piece != "")
        conversation.append({"role": message["role"], "content": parts})
    return conversation


def text_and_answers(processor: Renders, conversation: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> tuple[str, list[Span]]:
    """The text of a conversation, and from where to where in it each answer goes.

    An answer ends with what the template puts behind it for the end of a turn, so that a model learns to stop; blanks behind that are not
    counted.

    Raises:
        ValueError: What comes before an answer is different text once the answer is there: then nobody can say where it begins.
    """
    text: str = processor.apply_chat_template(conversation, tokenize=False, **options)
    answers = []
    for i, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        before = processor.apply_chat_template(conversation[:i], tokenize=False, add_generation_prompt=True, **options)
        last = i == len(conversation) - 1
        until = text if last else processor.apply_chat_template(conversation[: i + 1], tokenize=False, **options)
        if not text.startswith(before) or not text.startswith(until) or len(until) < len(before):
            raise ValueError(
                "this chat template changes earlier turns once there is an answer, so that no prefix of its text is the question alone; "
                "give the collator another one: chat_template=…"
            )
        answers.append((len(before), len(before) + len(until[len(before) :].rstrip())))
    return text, answers


def shifted(spans: Sequence[Span], replacements: Sequence[Mapping[str, Any]]) -> list[Span]:
    """Where `spans` of a text stand once placeholders in it have become longer.

    Args:
        spans: From and to, in characters.
        replacements: As transformers' processors report them: ``span``, in the text as it was, and ``new_span``.
    """
    ends = [replaced["span"][1] for replaced in replacements]
    gained = [0, *(replaced["new_span"][1] - replaced["span"][1] for replaced in replacements)]
    return [(start + gained[bisect_right(ends, start)], end + gained[bisect_right(ends, end)]) for start, end in spans]


def labels_of(input_ids: Tensor, offsets: Tensor, answers: Sequence[Sequence[Span]]) -> Tensor:
    """`input_ids` where they are of an answer, `IGNORED` elsewhere.

    Args:
        input_ids: int64 (rows, tokens).
        offsets: int64 (rows, tokens, 2): from where to where in the text each token goes; (0, 0) of padding.
        answers: Of each row, the spans of its answers.

    Returns:
        int64 (rows, tokens).

    >>> labels_of(torch.tensor([[5, 6, 7]]), torch.tensor([[[0, 2], [2, 4], [4, 6]]]), [[(2, 4)]])
    tensor([[-100,    6, -100]])
    """
    start, end = offsets.unbind(dim=-1)
    answered = torch.zeros_like(input_ids, dtype=torch.bool)
    for row, spans in enumerate(answers):
        for begin, until in spans:
            answered[row] |= (start[row] < until) & (end[row] > begin) & (end[row] > start[row])
    return torch.where(answered, input_ids, IGNORED)


def pieces(counts: Sequence[int]) -> list[tuple[int, int]]:
    """From and to of consecutive pieces of these lengths.

    >>> pieces([2, 0, 3])
    [(0, 2), (2, 2), (2, 5)]
    """
    ends = list(accumulate(counts))
    return list(zip([0, *ends[:-1]], ends, strict=True))
