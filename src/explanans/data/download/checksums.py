"""Whether a file is the one that was published: its length and its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from explanans.errors import InputError

DIGITS = {"md5": 32, "sha256": 64}


def parse_checksum(text: str) -> tuple[str, str]:
    """``"md5:0123…"`` → algorithm and hexadecimal digits.

    Raises:
        InputError: another algorithm, or digits that are too few, too many or none.
    """
    algorithm, _, digits = text.partition(":")
    if len(digits) != DIGITS.get(algorithm) or not set(digits.lower()) <= set("0123456789abcdef"):
        raise InputError(f"checksum={text!r}; write md5: and 32, or sha256: and 64 hexadecimal digits.")
    return algorithm, digits.lower()


def check_file(path: Path, size: int | None, checksum: str | None, advice: str) -> None:
    """Compare a file with its published size and checksum.

    Raises:
        InputError: no file, or another one than published; ``advice`` ends the message.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file. {advice}".rstrip())
    length = path.stat().st_size
    if size is not None and length != size:
        raise InputError(f"{path} has {length:,} bytes, the published file {size:,}. {advice}".rstrip())
    if checksum is None:
        return
    algorithm, wanted = parse_checksum(checksum)
    with path.open("rb") as file:
        # Not for secrecy: md5 is what the official pages publish.
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if found != wanted:
        raise InputError(f"{path} has the {algorithm} {found}, the published file {wanted}. {advice}".rstrip())
