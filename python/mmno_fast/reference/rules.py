"""The rules of meaning: names, roles, placeholders, options, variants and answers, as in `docs/rows.md`."""

import re
from dataclasses import dataclass

from mmno_fast.reference.rows import Shape

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space property; `str.isspace` also takes U+001C to U+001F, which have it not."""

PLACEHOLDER = "<image>"
ABSOLUTE = re.compile(r"/|[A-Za-z]:[/\\]")
BAD_CHARACTER = re.compile(r"[\\\x00-\x1f\x7f]")
LETTERED = re.compile(rf"(?:\(([A-Za-z])\)|([A-Za-z])[).])(?:[{WHITE_SPACE}](.*))?", re.DOTALL)
LETTER_ALONE = re.compile(r"\(?([A-Za-z])\)?[.:]?")
LETTER_AND_TEXT = re.compile(rf"\(?([A-Za-z])[).:][{WHITE_SPACE}].", re.DOTALL)
CAPITAL = re.compile(r"[A-Z]")
USUAL_LETTERS = "ABCDE"

Option = tuple[str, str]
"""The letter, a capital, and the text."""


@dataclass(slots=True)
class Meaning:
    """What a row without faults says."""

    variant: str
    options: list[Option] | None = None
    answer: str | None = None
    answer_text: str | None = None


def trim(text: str) -> str:
    """Without blanks at both ends."""
    return text.strip(WHITE_SPACE)


def cut_prefix(name: str, prefix: str | None) -> str:
    """A picture's name as it is looked for: without `strip_prefix`."""
    return name.removeprefix(prefix or "")


def name_code(name: str) -> str | None:
    """What is wrong with a picture's name by itself.

    >>> name_code("a/../b.png"), name_code("a/b.png")
    ('images.traversal', None)
    """
    if ABSOLUTE.match(name):
        return "images.absolute"
    if ".." in name.split("/"):
        return "images.traversal"
    if not name or BAD_CHARACTER.search(name):
        return "images.bad_name"
    return None


def check_turns(messages: list[tuple[str, str]]) -> set[str]:
    """The findings `messages.*`."""
    if not messages:
        return {"messages.empty"}
    codes = set()
    roles = [role for role, _ in messages]
    if not {"system", "user", "assistant"}.issuperset(roles):
        codes.add("messages.role")
    else:
        turns = roles[1:] if roles[0] == "system" else roles
        if not turns or len(turns) % 2 or turns != ["user", "assistant"] * (len(turns) // 2):
            codes.add("messages.order")
    if not all(trim(content) for _, content in messages):
        codes.add("messages.blank")
    return codes


def check_placeholders(messages: list[tuple[str, str]], images: list[str] | None, placeholders: str) -> set[str]:
    """The findings `placeholder.*`; `placeholders` is `required` or `optional`."""
    codes = set()
    if images is not None:
        count = sum(content.count(PLACEHOLDER) for role, content in messages if role == "user")
        if count != len(images) and not (placeholders == "optional" and count == 0):
            codes.add("placeholder.count")
    if any(PLACEHOLDER in content for role, content in messages if role == "assistant"):
        codes.add("placeholder.assistant")
    return codes


def options_of(text: str) -> list[Option] | None:
    r"""The block of options in a user's turn, or None.

    >>> options_of("Which?\nOptions:\nA. one\n(b) two\nor so\n\nAnswer.")
    [('A', 'one'), ('B', 'two\nor so')]
    """
    if "Options:" not in text:
        return None
    lines = [trim(line) for line in text.split("\n")]
    starts = (i + 1 for i, line in enumerate(lines[:-1]) if line == "Options:" and LETTERED.fullmatch(lines[i + 1]))
    start = next(starts, None)
    if start is None:
        return None
    options: list[Option] = []
    for line in lines[start:]:
        if match := LETTERED.fullmatch(line):
            options.append(((match[1] or match[2]).upper(), trim(match[3] or "")))
        elif not line or line.startswith("Answer"):
            break
        else:
            letter, said = options[-1]
            options[-1] = (letter, f"{said}\n{line}" if said else line)
    return options


def letter_of(text: str) -> str | None:
    """The letter that an answer names, as a capital.

    >>> [letter_of(text) for text in ("d", "**D**", "(D)", "D. Glioma", "Dose", "the second")]
    ['D', 'D', 'D', 'D', None, None]
    """
    text = text.strip(WHITE_SPACE + "*")
    match = LETTER_ALONE.fullmatch(text) or LETTER_AND_TEXT.match(text)
    return match[1].upper() if match else None


def is_capital(text: str) -> bool:
    """Whether a text, blanks aside, is just one capital letter."""
    return CAPITAL.fullmatch(trim(text)) is not None


def check_cot(answer: str) -> tuple[str | None, set[str]]:
    """The letter of a reasoned answer, and the findings `cot.*`."""
    codes = set()
    lines = [line.lstrip(WHITE_SPACE) for line in answer.split("\n")]
    final = next((i for i, line in enumerate(lines) if line.startswith("Final:")), None)
    said = lines[final].removeprefix("Final:") if final is not None else ""
    letter = letter_of(said)
    if letter is None:
        codes.add("cot.final")
    elif not is_capital(said) or any(trim(line) for line in lines[:final]):
        codes.add("cot.form")
    start = next((i for i, line in enumerate(lines) if line.startswith("Explanation:")), None)
    if start is None:
        codes.add("cot.explanation")
    else:
        ends = (i for i, line in enumerate(lines) if i > start and line.startswith("Final:"))
        reasons = "\n".join(lines[start : next(ends, None)]).removeprefix("Explanation:")
        if not trim(reasons):
            codes.add("cot.explanation")
    return letter, codes


def check_options(options: list[Option]) -> set[str]:
    """The findings about the block itself."""
    letters = "".join(letter for letter, _ in options)
    if len(letters) < 2 or len(set(letters)) < len(letters):
        return {"mcq.options"}
    codes = set()
    if not USUAL_LETTERS.startswith(letters):
        codes.add("mcq.order")
    if len({text.lower() for _, text in options}) < len(options):
        codes.add("mcq.duplicate_option")
    return codes


def meaning_of(shape: Shape, placeholders: str) -> Meaning | None:
    """What a row says, with its findings added to `shape.codes`; None where its turns are not in order."""
    if shape.messages is None:
        return None
    codes = check_turns(shape.messages) or check_placeholders(shape.messages, shape.images, placeholders)
    shape.codes |= codes
    if codes:
        return None
    answer = shape.messages[-1][1]
    options = options_of(shape.messages[-2][1])
    if options is None:
        turns = [role for role, _ in shape.messages if role != "system"]
        return Meaning("open" if len(turns) == 2 else "chat")
    found = check_options(options)
    lines = (line.lstrip(WHITE_SPACE) for line in answer.split("\n"))
    if any(line.startswith(("Final:", "Explanation:")) for line in lines):
        variant = "closed_cot"
        letter, more = check_cot(answer)
        found |= more
    else:
        variant = "closed"
        letter = letter_of(answer)
        if letter is None:
            found.add("mcq.answer")
        elif not is_capital(answer):
            found.add("mcq.answer_form")
    texts = dict(reversed(options))
    if letter is not None and letter not in texts and "mcq.options" not in found:
        found.add("mcq.answer_range")
    shape.codes |= found
    return Meaning(variant, options, letter, texts.get(letter) if letter else None)
