"""How many cases the random tests try."""

from __future__ import annotations

from hypothesis import settings

USUAL = settings.get_profile("default").max_examples


def tries(usual: int) -> int:
    """So many; ten times as many with ``--hypothesis-profile slow``, as ``make nightly`` has it."""
    return usual * settings().max_examples // USUAL
