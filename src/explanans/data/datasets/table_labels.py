"""The labels of a table's cell: several names, separated by something that is known or said."""

from __future__ import annotations

import re
from collections.abc import Sequence

from explanans.errors import InputError
from explanans.utils.text import printable

USUAL = (";", "|")
SUSPECTS = {",": "a comma", "/": "a slash", "\t": "a tab", "+": "a plus", "&": "an ampersand", " ": "a space"}
SINGLE = "single"


def split_cells(values: Sequence[str | Sequence[str] | None], separator: str | None, where: str) -> list[list[str]]:
    """The names in each cell; an empty cell has none.

    Args:
        values: text, a list of names, or None.
        separator: what stands between names; "single": nothing, each cell is one name; None: ``;`` and ``|``.
        where: what messages name.

    Raises:
        InputError: no separator was named, and the cells look as if something else than ``;`` and ``|`` joined their
            labels: splitting at it makes fewer different names than there are different cells.
    """
    if separator is None:
        _refuse_joined(values, where)
    pattern = "|".join(map(re.escape, USUAL if separator is None else (separator,)))
    return [_names(value, None if separator == SINGLE else pattern) for value in values]


def _names(value: str | Sequence[str] | None, pattern: str | None) -> list[str]:
    if isinstance(value, str):
        parts: Sequence[str] = [value] if pattern is None else re.split(pattern, value)
    else:
        parts = [str(part) for part in value or () if part is not None]
    return [part.strip() for part in parts if part.strip()]


def _refuse_joined(values: Sequence[str | Sequence[str] | None], where: str) -> None:
    usual = "|".join(map(re.escape, USUAL))
    names = {name for value in values if isinstance(value, str) for name in _names(value, usual)}
    for character, called in SUSPECTS.items():
        joined = [name for name in sorted(names) if character in name.strip()]
        parts = {part for name in names for part in _names(name, re.escape(character))}
        if joined and len(parts) < len(names):
            code = {" ": "%20", "&": "%26", "+": "%2B", "\t": "%09"}.get(character, character)
            raise InputError(
                f"{where}: {printable(joined[0])!r} looks like several labels with {called} between them; labels are "
                f"separated by ; or |. If they are several: ?separator={code}. If it is one name: ?separator={SINGLE}."
            )
