"""Text that comes from outside: what a word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " (did you mean 'grad_cam'?)" for the nearest of ``known``; nothing where none is near."""
    by_form = {each.lower().replace("-", "_"): each for each in known}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return f" (did you mean {by_form[near[0]]!r}?)" if near else ""
