"""From the words of a command line to the values of its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from explanans.cli.configs import read_config
from explanans.cli.options import REQUIRED, Option
from explanans.cli.values import CONFIG, HELP, PRINT_CONFIG, Values
from explanans.errors import InputError
from explanans.utils.typed import read, wanted
from explanans.utils.yaml_text import parse_yaml

_PRINTED = ("--print_config", "--print_config=skip_default")


@dataclass
class Request:
    """What a command line asks for.

    Attributes:
        values: what was given.
        show: "config", or the name of an option whose settings are to be explained; "" to run the command.
        changed: in the configuration, nothing that is as it is by default.
    """

    values: Values
    show: str = ""
    changed: bool = False


class Parser:
    """The command line of one command.

    Args:
        program: how errors call it: "explanans fit".
        options: in the order of the help.
        locate: from what ``--config`` names to a file.
    """

    def __init__(self, program: str, options: Sequence[Option], locate: Callable[[str], str]) -> None:
        self.program, self.options, self.locate = program, options, locate
        self.placed = [option for option in options if option.place]

    @property
    def usage(self) -> str:
        forms = {"1": "{}", "+": "{}...", "?": "[{}]"}
        placed = [forms[each.place].format(each.name.upper()) for each in self.placed]
        return " ".join([self.program, *placed, "[options]"])

    def parse(self, words: Sequence[str]) -> Request:
        """Read the words from left to right.

        Raises:
            InputError: a word that is no option, an option without its value, a value of another type, or something
                that is missing.
        """
        values = Values(self.options, self.program)
        request, placed, rest = Request(values), [], list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                placed += rest
                break
            if not word.startswith("-") or word == "-" or _is_number(word):
                placed.append(word)
                continue
            name, equals, text = word.removeprefix("--").partition("=")
            described, _, ending = name.rpartition(".")
            if name == PRINT_CONFIG:
                request.show, request.changed = CONFIG, _is_changed_only(text)
            elif ending == HELP and described in values.options and values.options[described].settings:
                return Request(values, described)
            elif name == CONFIG:
                values.apply_file(self.locate(text if equals else _next(rest, word, "a YAML file or a recipe")))
            else:
                self._apply(values, word, name, _filled(text, f"--{name}") if equals else None, rest)
        self._place(values, placed)
        missing = [each.name for each in self.placed if each.default is REQUIRED and each.name not in values.held]
        if missing and not request.show:
            raise InputError(f"{' and '.join(map(str.upper, missing))} missing; write {self.usage}")
        return request

    def _apply(self, values: Values, word: str, name: str, text: str | None, rest: list[str]) -> None:
        off = name.startswith("no_") and values.is_switch(name[3:])
        if off or values.is_switch(name):
            if text is None and rest and rest[0] in ("true", "false"):
                text = rest.pop(0)
            said = True if text is None else read(text, bool, f"--{name}")
            values.target(name[3:] if off else name, word)[1](said != off)
            return
        adds, name = name.endswith("+"), name.removesuffix("+")
        where = word if not word.startswith("--") else f"--{name}"
        hint, put = values.target(name, where)
        text = _next(rest, where, wanted(hint)) if text is None else text
        if adds:
            put([*values.list_of(name, where), read(text, (get_args(hint) or (Any,))[0], where)])
        elif name in values.options and values.options[name].is_group:
            put(read_config(text) if Path(text).is_file() else parse_yaml(text, where))
        else:
            put(read(text, hint, where))

    def _place(self, values: Values, words: list[str]) -> None:
        for option in self.placed:
            where = option.name.upper()
            if option.place == "+" and words:
                values.held[option.name] = [read(_filled(word, where), str, where) for word in words]
                words = []
            elif words:
                values.held[option.name] = read(_filled(words.pop(0), where), option.hint, where)
        if words:
            raise InputError(
                f"{words[0]!r} is one argument too many, or a second value of an option that takes one; write "
                f"{self.usage}"
            )


def _next(rest: list[str], word: str, what: str) -> str:
    """The value of an option, which is the word behind it."""
    if not rest or (rest[0].startswith("--") and rest[0] != "--"):
        raise InputError(f"{word} has no value; give {what} after it.")
    return _filled(rest.pop(0), word)


def _filled(text: str, where: str) -> str:
    if not text:
        raise InputError(f"{where} is empty, perhaps a variable of the shell that is not set; give a value.")
    return text


def _is_number(word: str) -> bool:
    return word.removeprefix("-").replace(".", "", 1).isdecimal()


def _is_changed_only(flags: str) -> bool:
    known = ("", "skip_default", "skip_unset")
    wrong = [flag for flag in flags.split(",") if flag not in known]
    if wrong:
        raise InputError(f"--print_config={flags}: {wrong[0]!r} is unknown; write {' or '.join(_PRINTED)}.")
    return "skip_default" in flags
