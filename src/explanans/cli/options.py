"""A command's options, from the signatures and docstrings of the library functions that it calls."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import docstring_parser

from explanans.errors import InputError
from explanans.utils.typed import fields_of, members

Made = TypeVar("Made")

REQUIRED: Any = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: as it is written after ``--`` and in a configuration.
        hint: type of its value.
        default: without it; ``REQUIRED`` where it must be given.
        help: what it means.
        place: given by its place, without its name: "" for never, "?" where it may be left out, "1", "+" for several.
    """

    name: str
    hint: Any
    default: Any
    help: str
    place: Literal["", "?", "1", "+"] = ""

    @property
    def is_switch(self) -> bool:
        """Whether ``--name`` and ``--no_name`` say it without a value."""
        return self.hint is bool

    @property
    def is_group(self) -> bool:
        """Whether its value is a dataclass whose fields are options of their own: ``--run.seed``."""
        return isinstance(self.hint, type) and dataclasses.is_dataclass(self.hint)

    @property
    def settings(self) -> type | None:
        """The dataclass that its value is, or that each value of its mapping is."""
        kinds = [*members(self.hint)]
        kinds += [get_args(kind)[1] for kind in kinds if get_origin(kind) is dict]
        return next((kind for kind in kinds if isinstance(kind, type) and dataclasses.is_dataclass(kind)), None)

    def parts(self) -> list[Option]:
        """The fields of a group."""
        described = descriptions(self.hint)
        return [
            Option(f"{self.name}.{name}", hint, getattr(self.default, name), described.get(name, ""))
            for name, hint in fields_of(self.hint).items()
        ]


QUIET = Option("quiet", bool, False, "print nothing but what failed, and show no progress")
"""The option of every command."""


@dataclass(frozen=True)
class Part:
    """A function or class of the library whose parameters are options of a command.

    Parameters that cannot be written in a shell, such as a classifier in hand, are none.

    Args:
        function: what is called.
        names: what the command line calls a parameter, where it is not the library's name.
        without: parameters that are no options either.
        defaults: by the command line's names, where it has others than the library.
        optional: a parameter that is given by its place or left out.
    """

    function: Callable[..., Any]
    names: Mapping[str, str] = field(default_factory=dict)
    without: Collection[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    optional: str | None = None

    def options(self) -> Iterator[Option]:
        described = descriptions(self.function)
        hints = _hints(self.function)
        for parameter in inspect.signature(self.function).parameters.values():
            hint = shell_type(hints.get(parameter.name, Any))
            if hint is None or parameter.name in self.without or parameter.kind is parameter.VAR_KEYWORD:
                continue
            name = self.names.get(parameter.name, parameter.name)
            default = self.defaults.get(name, _default(self.function, parameter))
            if (group := _group(hint)) and (default is None or isinstance(default, group)):
                hint, default = group, group() if default is None else default
            place: Any = "?" if name == self.optional else _place(hint, default)
            yield Option(name, hint, default, described.get(parameter.name, ""), place)

    def arguments(self, values: Mapping[str, Any], positional: int) -> dict[str, Any]:
        """Those of ``values`` that are parameters, by the library's names, after the first ones."""
        first = list(inspect.signature(self.function).parameters)[:positional]
        shown = {option.name for option in self.options()}
        named = {name: self.names.get(name, name) for name in inspect.signature(self.function).parameters}
        return {ours: values[name] for ours, name in named.items() if name in shown and ours not in first}


class Given(Mapping[str, Any]):
    """What a user gave, with defaults for the rest, by the names of the command line."""

    def __init__(self, values: Mapping[str, Any], parts: Sequence[Part]) -> None:
        self._values, self._parts = values, parts

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def call(self, function: Callable[..., Made], *arguments: Any, **others: Any) -> Made:
        """Call a function of the command's parts with its options; what is passed here goes before them."""
        part = next(part for part in self._parts if part.function == function)
        try:
            return function(*arguments, **{**part.arguments(self, len(arguments)), **others})
        except InputError as error:
            # What the library calls its parameter is no option that could be given anew.
            ours, _, rest = str(error).partition("=")
            if ours in part.names and type(error) is InputError:
                raise InputError(f"{part.names[ours]}={rest}") from error
            raise


def options_of(parts: Sequence[Part], own: Callable[..., Any]) -> list[Option]:
    """The options of a command: of several library functions, and those that only it has.

    Where two library functions have a name in common, it is one option, described by the first. What the command says
    of an option itself goes before.
    """
    options: dict[str, Option] = {}
    for part in parts:
        for option in part.options():
            options.setdefault(option.name, option)
    options |= {option.name: option for option in Part(own).options()}
    options[QUIET.name] = QUIET
    return sorted(options.values(), key=lambda option: ("1", "+", "?", "").index(option.place))


@functools.cache
def descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each parameter, in plain text; of a class, its own or its constructor's."""
    documented = docstring_parser.parse(inspect.getdoc(function) or "", docstring_parser.DocstringStyle.GOOGLE)
    return {
        name.strip(): plain(each.description or "") for each in documented.params for name in each.arg_name.split(",")
    }


def plain(text: str) -> str:
    """A docstring's markup as a terminal shows it; None is ``null``, as it is written in a shell and in YAML."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([\w.]+)`", r"\1", text).replace("``", "")
    text = re.sub(r"(?<![\w*])\*(\w[^*]*\w)\*(?![\w*])", r"\1", text)
    return " ".join(re.sub(r"\bNone\b", "null", text).split())


def shell_type(hint: Any) -> Any:
    """What of a type can be written in a shell; None for nothing.

    A path or a sequence is text where text is allowed too; objects in hand are left out.
    """
    if hint is Path:
        return str
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [shell_type(each) for each in members(hint)]
        kinds = list(dict.fromkeys(kind for kind in kinds if kind is not None))
        if str in kinds:
            kinds = [kind for kind in kinds if get_origin(kind) not in (list, Literal)]
        return Union[tuple(kinds)] if set(kinds) - {types.NoneType} else None  # noqa: UP007
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        return dict[get_args(hint)]  # type: ignore[misc]
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Sequence) and get_origin(hint) is not tuple:
        return list[get_args(hint)] if shell_type(get_args(hint)[0]) else None  # type: ignore[misc]
    if hint in (str, int, float, bool, types.NoneType, Any) or get_origin(hint) in (Literal, tuple):
        return hint
    return hint if dataclasses.is_dataclass(hint) else None


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function.__init__ if inspect.isclass(function) else function)


def _default(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Of a dataclass whose default is made anew each time, what is made."""
    for each in dataclasses.fields(function) if dataclasses.is_dataclass(function) else ():
        if each.name == parameter.name and each.default_factory is not dataclasses.MISSING:
            return each.default_factory()
    return parameter.default


def _group(hint: Any) -> Any:
    """Of settings that may be left to the library, the dataclass, where it needs none of them."""
    kinds = [kind for kind in members(hint) if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
    needs_none = all(
        each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
        for kind in kinds
        for each in dataclasses.fields(kind)
    )
    return kinds[0] if kinds and needs_none else None


def _place(hint: Any, default: Any) -> str:
    if default is not REQUIRED:
        return ""
    return "+" if get_origin(hint) is list else "1"
