"""What the demo's rows say: three open questions, three closed ones and one closed with reasons, for each phantom slice."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mmno_fast.demo.phantom import Lesion

VARIANTS: Final = ("open", "closed", "cot")
"""The three kinds of rows; each goes into a source of its own."""
LETTERS: Final = "ABCDE"

_KIND_TEXTS: Final = {
    "bright": "a bright spot",
    "dark": "a dark spot",
    "ringed": "a bright ring around a centre like its surroundings",
    "none": "no lesion",
}
_REMARKS: Final = (
    "The outline of the head is closed and the skull shows as an even band.",
    "Both ventricles are seen as narrow spaces close to the midline, and neither is pushed aside.",
    "The border between the two tissues is folded, as it should be, and there is some grain all over the picture.",
    "A slow change of brightness from one corner to the other comes from the drawing and means nothing.",
    "Nothing lies outside the head, and the background is dark but for the grain.",
    "The slice is tilted by a few degrees at most, which does not hinder the comparison of the two halves.",
    "The lesion, where there is one, has a soft edge a few pixels wide, and the folds around it make it slightly uneven.",
)


def rows_about(lesion: Lesion, name: str, number: int, rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """The seven rows about the slice `name`, by variant."""
    return {
        "open": [
            _open(name, number, index, question, answer, rng) for index, (question, answer) in enumerate(_open_questions(lesion))
        ],
        "closed": [_closed(name, question, right, others, rng) for question, right, others in _closed_questions(lesion)],
        "cot": [_reasoned(name, lesion, rng)],
    }


def _open_questions(lesion: Lesion) -> list[tuple[str, str]]:
    what = _KIND_TEXTS[lesion.kind]
    where = f"in the {lesion.depth} part of the picture's {lesion.side} half"
    if lesion.kind == "none":
        found, place, extent = "The slice shows no lesion.", "There is no lesion to place.", "There is no lesion to measure."
    else:
        found = f"The slice shows {what} {where}."
        place = f"It lies {where}, with its centre at about {lesion.x:+.2f} across and {lesion.y:+.2f} down, the middle being zero."
        extent = f"It is {lesion.extent}, with a radius of {lesion.radius:.2f} of half the picture's width."
    return [
        ("Describe what this slice shows.", found),
        ("Where does the lesion lie?", place),
        ("How large is the lesion?", extent),
    ]


def _closed_questions(lesion: Lesion) -> list[tuple[str, str, list[str]]]:
    """(question, right answer, wrong answers)."""
    kinds = [text for kind, text in _KIND_TEXTS.items() if kind != lesion.kind]
    none = lesion.kind == "none"
    sides = ["In the left half", "In the right half", "There is no lesion", "On the midline"]
    side = sides[2] if none else f"In the {lesion.side} half"
    extents = ["Small", "Medium", "Large", "There is no lesion"]
    extent = extents[3] if none else lesion.extent.capitalize()
    return [
        ("What does the slice show?", _KIND_TEXTS[lesion.kind].capitalize(), [text.capitalize() for text in kinds]),
        ("In which half of the picture is the lesion?", side, [text for text in sides if text != side]),
        ("How large is the lesion?", extent, [text for text in extents if text != extent]),
    ]


def _open(name: str, number: int, index: int, question: str, answer: str, rng: np.random.Generator) -> dict[str, Any]:
    remarks = [_REMARKS[int(place)] for place in rng.permutation(len(_REMARKS))[:5]]
    meta = {"slice": number, "question": index, "kind": "open"}
    return _chat(name, f"Question: {question}", " ".join([answer, *remarks]), meta=meta)


def _closed(name: str, question: str, right: str, wrong: list[str], rng: np.random.Generator) -> dict[str, Any]:
    block, letter = _options(right, wrong, rng)
    return _chat(name, f"{question}\n\n{block}\n\nAnswer with the letter only.", letter)


def _reasoned(name: str, lesion: Lesion, rng: np.random.Generator) -> dict[str, Any]:
    question, right, wrong = _closed_questions(lesion)[0]
    block, letter = _options(right, wrong, rng)
    why = f"The slice is drawn as {lesion.weighting} would show it, and against its surroundings there is {_KIND_TEXTS[lesion.kind]}."
    return _chat(name, f"{question}\n{block}", f"Final: {letter}\nExplanation: {why} {_REMARKS[int(rng.integers(len(_REMARKS)))]}")


def _options(right: str, wrong: list[str], rng: np.random.Generator) -> tuple[str, str]:
    """A block of options in a random order, and the letter of the right one."""
    texts = [right, *wrong, "None of the above"]
    order = [int(place) for place in rng.permutation(len(texts))]
    lines = [f"{letter}. {texts[place]}" for letter, place in zip(LETTERS, order, strict=True)]
    return "\n".join(["Options:", *lines]), LETTERS[order.index(0)]


def _chat(name: str, question: str, answer: str, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"<image>\n{question}"}, {"role": "assistant", "content": answer}]
    return {"images": [name], "messages": turns, **more}
