"""Values of a type: read from text, or checked where they are values already (YAML, the JSON in a saved folder).

A type is what a signature has: bool, int, float, str, Path, a Literal, :data:`Count`, list, tuple, dict, a dataclass,
Any, and unions of these and None. Numbers are finite.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from explanans.errors import InputError
from explanans.utils.text import did_you_mean
from explanans.utils.yaml_text import parse_yaml

Count = Annotated[int, 1]
"""A whole number of at least 1; any other smallest number likewise: ``Annotated[int, 0]``."""

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = ("none", "null")
_LISTS = (list, tuple, Sequence)
_MAPPINGS = (dict, Mapping)


def read(text: str, hint: Any, where: str) -> Any:
    """The value that a text has as ``hint``.

    "null" is None where that is allowed; lists are written ``a,b`` or as in YAML, mappings as in YAML: ``{a: 1}``.

    Raises:
        InputError: it has none; the message begins with ``where`` and says what is wanted.
    """
    _check_text(text, where)
    for kind, smallest in sorted(map(_plain, members(hint)), key=_rank):
        if kind is Any or _is_made_of_parts(kind):
            return convert(_parts(text, kind, where), hint, where)
        for value in _simple(text, kind, smallest):
            return value
    raise InputError(f"{where}={text!r}; give {wanted(hint)}.")


def convert(value: Any, hint: Any, where: str) -> Any:
    """A value as ``hint``: lists become tuples, whole numbers floats and mappings dataclasses where that is wanted.

    Raises:
        InputError: it is of another type, or what a dataclass says of its values.
    """
    _check_text(value, where)
    inner: InputError | None = None
    for kind, smallest in map(_plain, members(hint)):
        try:
            for found in _converted(value, kind, smallest, where):
                return found
        except InputError as error:
            inner = error
    said = "null" if value is None else repr(value)
    quoted = " (put it into quotes)" if str in members(hint) and isinstance(value, int | float) else ""
    raise inner or InputError(f"{where}={said}; give {wanted(hint)}{quoted}.")


def check_known(name: str, known: Iterable[str], where: str) -> None:
    """Raises InputError for a name that is not among the known ones; the message has the nearest, and all."""
    known = list(known)
    if name not in known:
        forms = ", ".join(known) or "none"
        raise InputError(f"{where}: {name!r} is no option of it{did_you_mean(name, known)}; its options are {forms}.")


def check_settings(settings: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    """Settings by name, each with its type in ``known``.

    Raises:
        InputError: one that is not known or has a value of another type.
    """
    for name, value in settings.items():
        check_known(str(name), known, where)
        convert(value, known[name], f"{where}: {name}")


def settings_of(factory: Callable[..., Any], without: Collection[str] = ()) -> dict[str, Any]:
    """The parameters of a function or class with their types."""
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
    return {name: hints[name] for name in inspect.signature(factory).parameters if name not in without}


def members(hint: Any) -> Sequence[Any]:
    """The types of a union, or the type alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def wanted(hint: Any) -> str:
    """A type in words, for a message."""
    return " or ".join(dict.fromkeys(_words(*_plain(kind)) for kind in members(hint)))


def fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass with their types."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _plain(kind: Any) -> tuple[Any, int | None]:
    """``Annotated[int, 1]`` → ``int`` and its smallest number."""
    return (get_args(kind)[0], get_args(kind)[1]) if get_origin(kind) is Annotated else (kind, None)


def _rank(member: tuple[Any, int | None]) -> int:
    """Text comes last, because everything is text."""
    order = (types.NoneType, bool, int, float)
    kind = member[0]
    return order.index(kind) if kind in order else len(order) + (kind in (str, Path))


def _is_made_of_parts(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or get_origin(kind) in (*_LISTS, *_MAPPINGS)


def _parts(text: str, kind: Any, where: str) -> Any:
    if get_origin(kind) in _LISTS and not text.lstrip().startswith("["):
        texts = [part.strip() for part in text.split(",")]
        return [part if _element(kind) is str else parse_yaml(part, where) for part in texts]
    return parse_yaml(text, where)


def _element(kind: Any) -> Any:
    return (get_args(kind) or (Any,))[0]


def _simple(text: str, kind: Any, smallest: int | None) -> Sequence[Any]:
    """The value that ``text`` has as ``kind``, if any."""
    if kind is types.NoneType:
        return [None] if text.lower() in _NOTHING else []
    if kind is bool:
        return [_TRUTH[text.lower()]] if text.lower() in _TRUTH else []
    if get_origin(kind) is Literal:
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
    return [text] if kind in (str, Path) else []


def _converted(value: Any, kind: Any, smallest: int | None, where: str) -> Iterator[Any]:
    """``value`` as ``kind``, or nothing."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is Any or (kind is types.NoneType and value is None):
        yield _finite(value, where)
    elif get_origin(kind) is Literal:
        yield from (each for each in get_args(kind) if value == each and type(value) is type(each))
    elif kind is int and is_number and isinstance(value, int):
        yield from [value] * (smallest is None or value >= smallest)
    elif kind is float and is_number:
        yield from [float(value)] * math.isfinite(value)
    elif (kind in (bool, str) and isinstance(value, kind)) or (kind is Path and isinstance(value, str)):
        yield value
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield from [value] if isinstance(value, kind) else _dataclass(value, kind, where)
    elif get_origin(kind) in _MAPPINGS and isinstance(value, Mapping):
        inner = get_args(kind)[1]
        yield {_name(key, where): convert(each, inner, f"{where}.{key}") for key, each in value.items()}
    elif get_origin(kind) in _LISTS and isinstance(value, list | tuple):
        yield from _listed(value, kind, where)


def _listed(values: Sequence[Any], kind: Any, where: str) -> Iterator[Any]:
    inner = get_args(kind)
    if get_origin(kind) is tuple and inner[-1] is not Ellipsis:
        if len(values) != len(inner):
            return
        yield tuple(convert(value, each, where) for value, each in zip(values, inner, strict=True))
        return
    converted = [convert(value, _element(kind), where) for value in values]
    yield tuple(converted) if get_origin(kind) is tuple else converted


def _dataclass(value: Any, kind: type, where: str) -> Iterator[Any]:
    if not isinstance(value, Mapping):
        return
    known = fields_of(kind)
    check_settings({_name(key, where): each for key, each in value.items()}, known, where)
    required = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in value]
    if missing:
        raise InputError(f"{where}: {' and '.join(missing)} missing; it needs {', '.join(required)}.")
    try:
        yield kind(**{name: convert(each, known[name], f"{where}: {name}") for name, each in value.items()})
    except InputError as error:
        named = str(error).startswith(where.lstrip("-"))
        raise InputError(str(error) if named else f"{where}: {error}") from error


def _name(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"{where}: the name {key!r} is no text; put it into quotes.")
    return key


def _check_text(value: Any, where: str) -> None:
    if isinstance(value, str) and "\0" in value:
        raise InputError(f"{where}={value!r} has a NUL byte, which no name of a file can have; leave it out.")


def _finite(value: Any, where: str) -> Any:
    """A value of any type, in which every number is finite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}={value}; give a finite number.")
    for key, each in value.items() if isinstance(value, Mapping) else ():
        _finite(each, f"{where}.{key}")
    for each in value if isinstance(value, list | tuple) else ():
        _finite(each, where)
    return value


def _words(kind: Any, smallest: int | None) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind is int:
        return "a whole number" + ("" if smallest is None else f" of at least {smallest}")
    if dataclasses.is_dataclass(kind):
        return f"settings such as {{{next(iter(fields_of(kind)))}: …}}"
    if get_origin(kind) is tuple and get_args(kind)[-1] is not Ellipsis:
        return f"{len(get_args(kind))} values, each {wanted(get_args(kind)[0])}, joined by commas"
    if get_origin(kind) in _LISTS:
        return f"a list of values, each {wanted(_element(kind))}, joined by commas"
    if get_origin(kind) in _MAPPINGS:
        return "settings such as {name: value}"
    return {bool: "true or false", float: "a finite number", types.NoneType: "null"}.get(kind, "text")
