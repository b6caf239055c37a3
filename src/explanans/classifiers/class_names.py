"""Names of classes: given one by one, joined by commas, or in a text file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from explanans.errors import InputError
from explanans.utils.paths import user_path


def read_classes(classes: Sequence[str] | str | Path) -> tuple[str, ...]:
    """Class names from a sequence, from a text file with one name per line (empty lines are skipped), or from names
    joined by commas.

    Raises:
        InputError: no such file, one that is no text, no names, or one twice.
    """
    if isinstance(classes, str | Path):
        classes = _listed_classes(str(classes))
    names = tuple(str(name) for name in classes)
    if broken := [name for name in names if any("\ud800" <= letter <= "\udfff" for letter in name)]:
        raise InputError(
            f"classes: {broken[0]!r} is no text in UTF-8, so that no result could name it; call it otherwise."
        )
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not names or doubled:
        raise InputError(
            f"classes: {f'{doubled} occur twice' if doubled else 'the list is empty'}; give C unique names."
        )
    return names


def _listed_classes(text: str) -> list[str]:
    path = user_path(text, "classes")
    if path.is_file():
        try:
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(
                f"classes={text!r} is no text in UTF-8 (byte {error.start}); give a text file with one class per line."
            ) from error
    elif path.suffix or "/" in text:
        raise InputError(
            f"classes={text!r} is no file; give one with a class per line, or names joined by commas: a,b."
        )
    else:
        names = text.split(",")
    return [name.strip() for name in names if name.strip()]
