"""Texts that would act on a terminal if they reached it as they stand."""

from __future__ import annotations

from typing import Final

CONTROLS: Final = [chr(code) for code in (*range(1, 32), 127, *range(0x80, 0xA0))]
MARKS: Final = [
    chr(code)
    for code in (
        *(0xAD, 0x61C, 0x180E, 0x2028, 0x2029, 0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB, 0xE0001, 0xE0041, 0xE007F, 0x1D173),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
    )
]
STARTS: Final = [
    *("\x1b", "\x9b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x90", "\x9d", "\x9f", "\x1b[?"),
    "\x1b]8;;http://example.org\x1b\\",
]
ENDS: Final = ["31m", "2J", "6n", "c", "0;owned\x07", "52;c;b3duZWQ=\x1b\\", "1049h", "10;20H"]
SEQUENCES: Final = [start + end for start in STARTS for end in ENDS]
MARKUP: Final = [
    *("[bold]x[/bold]", "[/]", "[/bold]", "[link=http://example.org]x[/link]", "[red on white]x", "[@click=print(1)]x[/]", "\\[bold]x"),
    *(":pile_of_poo:", "{x}", "{0.__class__}", "%s%n%d", "[blink]x[/blink]", "[[x]]", "<script>x</script>", "&lt;b&gt;"),
]
OVERWRITING: Final = [
    *("a\rb", "a\r\nb", "\x08\x08\x08x", "a\x0bb", "a\x0cb", "\x07", "a\tb", "\r\x1b[K", "\x1b7\x1b8", "\x0e\x0f"),
    *("\u200b\u200d\ufeffx", "e\u0301\u0301\u202e"),
]
LONG: Final = ["\x1b[31m" * 200_000, "x" * 1_000_000, "\u202e" * 1_000_000, "[bold]" * 170_000, "\n" * 1_000_000]

SHORT: Final = [*CONTROLS, *MARKS, *SEQUENCES, *MARKUP, *OVERWRITING]
ALL: Final = [f"<{number}{text}>" for number, text in enumerate([*SHORT, *LONG])]
"""Each with its number, so that none stands within another."""
assert len(ALL) >= 200
