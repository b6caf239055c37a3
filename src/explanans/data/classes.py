"""The rule for choosing classes out of those that a data set has."""

from __future__ import annotations

from collections.abc import Sequence

from explanans.errors import InputError
from explanans.utils.text import few


def choose_classes(classes: Sequence[str] | None, known: Sequence[str], where: object) -> tuple[str, ...]:
    """``classes`` in the order given, or all that are known for None.

    Raises:
        InputError: an unknown name, none at all or one twice; ``where`` says who has the known ones.
    """
    if classes is None:
        return tuple(known)
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    unknown = [name for name in names if name not in known]
    if unknown or not names or len(set(names)) != len(names):
        fault = f"{unknown[0]!r} is unknown" if unknown else "empty" if not names else "a name twice"
        raise InputError(f"classes={few(names) or 'empty'}: {fault}; {where} has {few(known)}.")
    return names
