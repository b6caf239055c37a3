"""The values of a command's options, as a configuration and a command line set them one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

import yaml

from explanans.cli.configs import read_config
from explanans.cli.hints import hint_for
from explanans.cli.options import REQUIRED, Option
from explanans.errors import InputError
from explanans.utils.typed import convert, fields_of, members, wanted

CONFIG, PRINT_CONFIG, HELP = "config", "print_config", "help"


class Values:
    """What was set so far; of two that set the same, the later one wins.

    Args:
        options: of the command.
        program: how errors call the command: "explanans fit".
    """

    def __init__(self, options: Sequence[Option], program: str) -> None:
        self.options = {option.name: option for option in options}
        self.program = program
        # Settings of a group, or of a dataclass, are names and values until they are built.
        self.held: dict[str, Any] = {}

    def target(self, name: str, where: str) -> tuple[Any, Callable[[Any], None]]:
        """The type of what ``name`` means (``size``, ``run.seed``, ``methods.mine.settings.layer``), and how to set it.

        Raises:
            InputError: there is no such option; the message begins with ``where`` and has the nearest.
        """
        found = self._find(name)
        if found is None:
            near = hint_for(name, self.names())
            raise InputError(f"{where} is no option of {self.program}{near}; {self.program} --help lists them.")
        path, hint = found
        if len(path) == 1 and self.options[name].is_group:
            return hint, lambda value: self.held.update({name: self._merged(self.options[name], value, where)})
        return hint, lambda value: _set(self.held, path, value)

    def is_switch(self, name: str) -> bool:
        """Whether ``--name`` and ``--no_name`` say it without a value."""
        found = self._find(name)
        return found is not None and found[1] is bool

    def _find(self, name: str) -> tuple[tuple[str, ...], Any] | None:
        """The keys that lead to what ``name`` means, and its type."""
        if name in self.options:
            return (name,), self.options[name].hint
        base = next((each for each in self.options if name.startswith(f"{each}.")), None)
        inner = None if base is None else _within(self.options[base].hint, name[len(base) + 1 :])
        return None if base is None or inner is None else ((base, *inner[0]), inner[1])

    def list_of(self, name: str, where: str) -> list[Any]:
        """The list that an option has so far."""
        option = self.options.get(name)
        if option is None or get_origin(option.hint) is not list:
            raise InputError(f"{where}+: it is no list that something could be added to; write {where} VALUE.")
        return list(self.held.get(name, option.default))

    def names(self) -> Iterator[str]:
        """Everything that may follow ``--``, the fields of settings included."""
        yield from (CONFIG, PRINT_CONFIG, HELP)
        for option in self.options.values():
            yield option.name
            for kind in filter(dataclasses.is_dataclass, members(option.hint)):
                yield from (f"{option.name}.{name}" for name in fields_of(kind))

    def apply_file(self, file: str) -> None:
        """Set what a YAML file has."""
        for key, value in read_config(file).items():
            where = f"config {file}: {key}"
            option = self.options.get(key)
            hint, put = self.target(key, where)
            if option is not None and option.is_group and isinstance(value, Mapping):
                for name, each in value.items():
                    inner, put_inner = self.target(f"{key}.{name}", f"{where}.{name}")
                    put_inner(_checked(each, inner, f"{where}.{name}"))
            # None is what --print_config writes where nothing was given.
            elif value is not None or option is None or option.default is not REQUIRED:
                put(_checked(value, hint, where))

    def build(self) -> dict[str, Any]:
        """Every option's value, defaults included; settings become what they are settings of.

        Raises:
            InputError: settings that do not fit together.
        """
        built: dict[str, Any] = {}
        for name, option in self.options.items():
            value = self.held.get(name, option.default)
            if option.is_group and isinstance(value, Mapping):
                value = {**_plain(option.default), **value}
            built[name] = convert(value, option.hint, f"--{name}") if name in self.held else value
        return built

    def configuration(self, changed: bool = False) -> str:
        """The YAML that says the same; with ``changed`` without what is as it is by default."""
        content: dict[str, Any] = {}
        for name, option in self.options.items():
            default = None if option.default is REQUIRED else _plain(option.default)
            value = _plain(self.held.get(name, default))
            if option.is_group:
                value = {each: value.get(each, default[each]) for each in default}  # type: ignore[index, union-attr]
                if changed:
                    value = {each: value[each] for each in value if value[each] != default[each]}  # type: ignore[index]
            if not changed or value not in (default, {}):
                content[name] = value
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)

    def _merged(self, option: Option, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise InputError(f"{where}={value!r}; give {wanted(option.hint)}, or a YAML file with them.")
        return {**self.held.get(option.name, {}), **value}


def _within(hint: Any, rest: str) -> tuple[tuple[str, ...], Any] | None:
    """What ``rest`` means in a value of a type: the keys that lead to it, and its type."""
    for kind in members(hint):
        if dataclasses.is_dataclass(kind):
            return _in_fields(fields_of(kind), rest)
        if get_origin(kind) is dict:
            return _in_mapping(get_args(kind)[1], rest)
    return None


def _in_fields(known: Mapping[str, Any], rest: str) -> tuple[tuple[str, ...], Any] | None:
    first, _, more = rest.partition(".")
    if first not in known or not more:
        return ((first,), known[first]) if first in known else None
    inner = _within(known[first], more)
    return ((first, *inner[0]), inner[1]) if inner else None


def _in_mapping(hint: Any, rest: str) -> tuple[tuple[str, ...], Any]:
    parts = rest.split(".")
    if hint is Any:
        return tuple(parts), Any
    # A name may have dots itself (constant_0.5), so the last field that fits is the field.
    for cut in range(len(parts) - 1, 0, -1):
        if inner := _within(hint, ".".join(parts[cut:])):
            return (".".join(parts[:cut]), *inner[0]), inner[1]
    return (rest,), hint


def _set(held: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        inner = held.get(key)
        held[key] = dict(inner) if isinstance(inner, Mapping) else {}
        held = held[key]
    held[path[-1]] = value


def _checked(value: Any, hint: Any, where: str) -> Any:
    """A value of a file, once it is known to fit; settings stay names and values, to be changed further."""
    converted = convert(value, hint, where)
    return value if isinstance(value, Mapping) else converted


def _plain(value: Any) -> Any:
    """A value as YAML has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
