"""Text that comes from outside: what a word was meant to be, and names and messages that are safe to show and store."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

_LINES = "\n\t"
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " (did you mean 'grad_cam'?)" for the nearest of ``known``; nothing where none is near."""
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of ``known`` that is spelt most like it; "" where none is near. Case and - or _ do not matter."""
    by_form = {each.lower().replace("-", "_"): each for each in known}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return by_form[near[0]] if near else ""


def shown(text: object) -> str:
    r"""Text for a terminal: control characters (a file may be named after an escape code), turns of the writing
    direction and the bytes of a name that is not UTF-8 become ``\x1b``, ``\u202e`` and ``\xff``; line ends and tabs
    stay.
    """
    return "".join(_escaped(each) if _is_unsafe(each) else each for each in str(text))


def printable(text: str | Path) -> str:
    r"""A name in one line that a terminal, a table and a JSON file can hold: :func:`shown`, without line ends and tabs.

    A file name is bytes; what is no UTF-8 in it comes to Python as lone surrogates, which nothing can encode.

    >>> print(printable("caf\udce9\x1b[31m.jpg"))
    caf\xe9\x1b[31m.jpg
    """
    return shown(text).replace("\n", r"\x0a").replace("\t", r"\x09")


def shortened(error: BaseException | str, most: int = 200) -> str:
    """A message in one line of at most so many characters; some libraries quote a whole table."""
    line = printable(" ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= most else f"{line[: most - 1]}…"


def few(names: Sequence[str], most: int = 20) -> str:
    """The first of some names that come from outside, and how many more there are.

    >>> few(["cat", "dog", "cow"], 2)
    'cat, dog and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more


def path_bytes(path: str) -> bytes:
    """A path as the bytes that the file system has, to be stored where text has to be UTF-8."""
    return os.fsencode(path)


def path_text(stored: bytes) -> str:
    """What :func:`path_bytes` stored, as Python's text."""
    return os.fsdecode(stored)


def _is_unsafe(character: str) -> bool:
    if character in _LINES:
        return False
    return character in _TURNS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    number = ord(character)
    # Python keeps a byte that is not UTF-8 as a surrogate.
    number = number - 0xDC00 if 0xDC80 <= number <= 0xDCFF else number
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
