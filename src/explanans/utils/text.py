"""Text of others (file names, class names, messages of libraries) as it may be shown and stored."""

from __future__ import annotations

import os
from pathlib import Path


def printable(text: str | Path) -> str:
    r"""One line of Unicode that a terminal, a table and a JSON file can hold.

    A file name is bytes; what is no UTF-8 in it comes to Python as lone surrogates, which nothing can encode. These and
    control characters, which steer a terminal, become escapes.

    >>> print(printable("caf\udce9\x1b[31m.jpg"))
    caf\xe9\x1b[31m.jpg
    """
    return "".join(char if char.isprintable() else _escaped(char) for char in str(text))


def path_bytes(path: str) -> bytes:
    """A path as the bytes that the file system has, to be stored where text has to be UTF-8."""
    return os.fsencode(path)


def path_text(stored: bytes) -> str:
    """What :func:`path_bytes` stored, as Python's text."""
    return os.fsdecode(stored)


def shortened(error: BaseException | str, most: int = 200) -> str:
    """A message in one line of at most so many characters; some libraries quote a whole table."""
    line = printable(" ".join(str(error).split())) or type(error).__name__
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _escaped(char: str) -> str:
    code = ord(char)
    # Python keeps byte b of an undecodable name as U+DC00 + b.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else char.encode("unicode_escape").decode()
