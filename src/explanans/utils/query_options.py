"""What may follow the name of a classifier, a network or a data set: ``onnx:FILE?outputs=softmax&layout=nhwc``."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from explanans.errors import InputError
from explanans.utils.paths import user_path
from explanans.utils.typed import check_known, read


def split_options(named: str, known: Mapping[str, Any], what: str) -> tuple[str, dict[str, Any]]:
    """The name before the question mark, and the options behind it as values of their types.

    Options are joined by ``&``; a value may be percent-encoded. ``null`` is None where that is allowed. A file that
    exists with its question mark is a name without options.

    Args:
        named: ``NAME`` or ``NAME?key=value&key=value``.
        known: the type of each option, as in :mod:`explanans.utils.typed`.
        what: how errors call it, such as "classifier 'onnx:box.onnx?outputs=logits'".

    Raises:
        InputError: an option that is not known, has no value, one of another type, or is given twice.
    """
    if "?" not in named or _is_there(named):
        return named, {}
    name, _, query = named.partition("?")
    options: dict[str, Any] = {}
    for pair in query.split("&"):
        option, _, text = pair.partition("=")
        check_known(option, known, what)
        if option in options or not text:
            fault = "is given twice; leave one out" if option in options else f"has no value; write {option}=VALUE"
            raise InputError(f"{what}: {option!r} {fault}.")
        options[option] = read(urllib.parse.unquote(text), known[option], f"{what}: {option}")
    return name, options


def join_options(options: Mapping[str, Any]) -> str:
    """What :func:`split_options` took off, to write behind a name again."""
    text = {name: str(value).lower() if value in (True, False, None) else value for name, value in options.items()}
    return f"?{urllib.parse.urlencode(text, quote_via=urllib.parse.quote)}" if text else ""


def _is_there(path: str) -> bool:
    try:
        return user_path(path, "path").exists()
    except (OSError, InputError):
        return False
