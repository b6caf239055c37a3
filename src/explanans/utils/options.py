"""What may follow a name: ``onnx:FILE?outputs=softmax&layout=nhwc``. One rule for classifiers, networks and data sets.

The same types hold for settings that come as values, from a YAML file or the description in a saved folder.
"""

from __future__ import annotations

import inspect
import math
import re
import types
import urllib.parse
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from explanans.errors import InputError
from explanans.utils.paths import user_path
from explanans.utils.text import did_you_mean

Count = Annotated[int, 1]
"""A whole number of at least 1; any other smallest number likewise: ``Annotated[int, 0]``."""

_LISTS = (list, tuple, Sequence)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = ("none", "null")


def split_options(named: str, known: Mapping[str, Any], what: str) -> tuple[str, dict[str, Any]]:
    """The name before the question mark, and the options behind it as values of their types.

    Options are joined by ``&``; a value may be percent-encoded. ``null`` is None where that is allowed. A file that
    exists with its question mark is a name without options.

    Args:
        named: ``NAME`` or ``NAME?key=value&key=value``.
        known: the type of each option: bool, int, float, str, a Literal, :data:`Count`, or a union of these and None.
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
        fault = "is given twice" if option in options else "" if text else "has no value"
        if option not in known or fault:
            raise InputError(f"{what}: {_fault(option, known, fault)}")
        options[option] = _read(urllib.parse.unquote(text), known[option], f"{what}: {option}")
    return name, options


def join_options(options: Mapping[str, Any]) -> str:
    """What :func:`split_options` took off, to write behind a name again."""
    text = {name: str(value).lower() if value in (True, False, None) else value for name, value in options.items()}
    return f"?{urllib.parse.urlencode(text, quote_via=urllib.parse.quote)}" if text else ""


def check_settings(settings: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    """Settings that are values already.

    Raises:
        InputError: one that is not known or has a value of another type; numbers are finite.
    """
    for name, value in settings.items():
        if name not in known:
            raise InputError(f"{what}: {_fault(str(name), known)}")
        if not _fits(value, known[name]):
            raise InputError(f"{what}: {name}={value!r}; give {_wanted(known[name])}.")


def settings_of(factory: Callable[..., Any], without: Collection[str] = ()) -> dict[str, Any]:
    """The parameters of a function or class with their types, as :func:`split_options` knows them."""
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
    return {name: hints[name] for name in inspect.signature(factory).parameters if name not in without}


def _is_there(path: str) -> bool:
    try:
        return user_path(path, "path").exists()
    except (OSError, InputError):
        return False


def _fault(option: str, known: Mapping[str, Any], fault: str = "") -> str:
    forms = ", ".join(f"{each}=…" for each in known) or "none"
    fault = fault if fault and option in known else "is no option of it" + did_you_mean(option, known)
    return f"{option!r} {fault}; its options are {forms}."


def _kinds(hint: Any) -> Sequence[Any]:
    """The members of a union, or the hint alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _plain(kind: Any) -> tuple[Any, int | None]:
    """``Annotated[int, 1]`` → ``int`` and its smallest number."""
    return (get_args(kind)[0], get_args(kind)[1]) if get_origin(kind) is Annotated else (kind, None)


def _read(text: str, hint: Any, where: str) -> Any:
    for kind, smallest in sorted(map(_plain, _kinds(hint)), key=_rank):
        for value in _readings(text, kind, smallest):
            return value
    raise InputError(f"{where}={text!r}; give {_wanted(hint)}.")


def _rank(member: tuple[Any, int | None]) -> int:
    """Text comes last, because everything is text."""
    order = (types.NoneType, bool, int, float)
    kind = member[0]
    return order.index(kind) if kind in order else len(order) + (not _is_literal(kind))


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _readings(text: str, kind: Any, smallest: int | None) -> Sequence[Any]:
    """The value that ``text`` has as ``kind``, if any."""
    if kind is types.NoneType:
        return [None] if text.lower() in _NOTHING else []
    if kind is bool:
        return [_TRUTH[text.lower()]] if text.lower() in _TRUTH else []
    if _is_literal(kind):
        return [each for each in get_args(kind) if str(each) == text]
    if kind is int:
        whole = [int(text)] if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else []
        return [number for number in whole if smallest is None or number >= smallest]
    if kind is float:
        try:
            number = float(text)
        except ValueError:
            return []
        return [number] if math.isfinite(number) else []
    return [text] if kind in (str, Path, Any) else []


def _fits(value: Any, hint: Any) -> bool:
    for kind, smallest in map(_plain, _kinds(hint)):
        if kind is Any or (kind is types.NoneType and value is None):
            return True
        if _is_literal(kind) and any(value == each and type(value) is type(each) for each in get_args(kind)):
            return True
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return smallest is None or value >= smallest
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return math.isfinite(value)
        if get_origin(kind) in _LISTS and isinstance(value, list | tuple):
            return all(_fits(each, get_args(kind)[0]) for each in value)
        if kind in (bool, str) and isinstance(value, kind):
            return True
    return False


def _wanted(hint: Any) -> str:
    return " or ".join(dict.fromkeys(_word(*_plain(kind)) for kind in _kinds(hint)))


def _word(kind: Any, smallest: int | None) -> str:
    if _is_literal(kind):
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind is int:
        return "a whole number" + ("" if smallest is None else f" of at least {smallest}")
    if get_origin(kind) in _LISTS:
        return f"a list of such ({_wanted(get_args(kind)[0])})"
    words = {bool: "true or false", float: "a number", types.NoneType: "null"}
    return words.get(kind, "text")
