"""What may follow a name: ``onnx:FILE?outputs=softmax&layout=nhwc``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from explanans.errors import InputError


def split_options(spec: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The name before the question mark and its options.

    Raises:
        InputError: an option that is not among ``known``, or has no value.
    """
    name, mark, query = spec.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    wrong = [option for option, value in options.items() if option not in known or not value]
    if wrong or (mark and not options):
        raise InputError(f"classifier {spec!r}: {wrong or 'nothing'} after '?'; its options are {', '.join(known)}.")
    return name, options


def join_options(options: Mapping[str, str]) -> str:
    """What :func:`split_options` took off, to write behind a name again."""
    return f"?{urlencode(options)}" if options else ""


def choice(spec: str, options: dict[str, str], name: str, allowed: Sequence[str]) -> str:
    """One of the allowed values; the first where the option is not given."""
    value = options.get(name, allowed[0])
    if value not in allowed:
        raise InputError(f"classifier {spec!r}: {name}={value!r}; take one of {', '.join(allowed)}.")
    return value


def positive(spec: str, options: dict[str, str], name: str, default: int, smallest: int = 1) -> int:
    value = options.get(name, str(default))
    if not value.isdecimal() or int(value) < smallest:
        raise InputError(f"classifier {spec!r}: {name}={value!r}; give a whole number of at least {smallest}.")
    return int(value)
