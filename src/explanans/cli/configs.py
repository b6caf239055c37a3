"""Configurations: options in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explanans.errors import InputError
from explanans.utils.yaml_text import parse_yaml

LARGEST = 10_000_000
"""Bytes of a configuration."""


def read_config(file: str) -> dict[str, Any]:
    """The options in a YAML file.

    Raises:
        InputError: it cannot be read, is no text or no YAML, or has something else than options by name.
    """
    where = f"config {file}"
    try:
        size = Path(file).stat().st_size
        data = Path(file).read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror}); give a YAML file.") from error
    if size > LARGEST:
        raise InputError(f"{where} has {size:,} bytes; a configuration has at most {LARGEST:,}. Name another file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is no text in UTF-8 (byte {error.start}); save it as UTF-8, or name a YAML file."
        ) from error
    content = parse_yaml(text, where)
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        held = "is empty" if content is None else "has no names of options on its left"
        raise InputError(f"{where} {held}; write a line NAME: VALUE for each option, as --print_config shows them.")
    return dict(content)
