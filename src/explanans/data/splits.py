"""The part of a list that a split string such as ``train[:90%]`` names."""

from __future__ import annotations

import re

from explanans.errors import InputError

_SPLIT = re.compile(r"(?P<name>[\w.-]+)(?P<part>\[.*\])?")
_PART = re.compile(r"\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\]")
_FORMS = "Write a name, or a name and a part of its list: train, train[:90%], train[90%:], val[:200], val[-50:]."


def parse_split(text: str) -> tuple[str, str]:
    """``"train[:90%]"`` → ``("train", "[:90%]")``; the part is empty where the whole split is meant."""
    match = _SPLIT.fullmatch(text)
    if match is None:
        raise InputError(f"split={text!r} cannot be read. {_FORMS}")
    part = match["part"] or ""
    part_of(part, 0)
    return match["name"], part


def part_of(part: str, count: int) -> range:
    """Indices that ``[start:stop]`` selects from a list of ``count`` entries, in list order.

    The convention of TFDS and Hugging Face datasets: a bound is a number of entries or, with ``%``, that share of
    ``count`` rounded to the nearest entry; negative bounds count from the end; bounds beyond the list stop at its
    ends. Hence ``[:90%]`` and ``[90%:]`` share no entry and together hold all.
    """
    if not part:
        return range(count)
    match = _PART.fullmatch(part)
    if match is None:
        raise InputError(f"the part {part!r} of a split cannot be read. {_FORMS}")
    return range(count)[slice(_bound(match["start"], count), _bound(match["stop"], count))]


def _bound(text: str | None, count: int) -> int | None:
    if text is None:
        return None
    if not text.endswith("%"):
        return int(text)
    percent = int(text[:-1])
    if abs(percent) > 100:
        raise InputError(f"the bound {text} of a split lies outside -100% ... 100%. {_FORMS}")
    # From the front, so that -10% and 90% are the same entry; "-0%" is the front, as -0 is.
    return round((percent + 100 if percent < 0 else percent) * count / 100)
