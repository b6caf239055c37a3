"""What several commands have in common."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docstring_parser
from jsonargparse import ActionConfigFile, ActionYesNo, ArgumentParser

from explanans.cli.recipes import resolve


def add_function(parser: ArgumentParser, function: Callable[..., Any], optional: str | None = None) -> None:
    """The parameters of ``function`` as options.

    Those without a default are given by position, a last one of type ``list[str]`` as often as wanted, or by name
    (``--data``) to change one of a recipe's; switches take no value. ``optional`` names one that is given by position
    or left out.
    """
    parameters = inspect.signature(function).parameters.values()
    switches = {each.name: each.default for each in parameters if each.annotation in (bool, "bool")}
    several = [each.name for each in parameters if each.annotation == "list[str]"]
    described = {each.arg_name: each.description for each in docstring_parser.parse(function.__doc__ or "").params}
    parser.add_function_arguments(
        function, as_group=False, as_positional=True, skip={*switches, *several, optional or ""}
    )
    for name in several:
        parser.add_argument(name, nargs="+", type=str, help=described[name])
    for name, default in switches.items():
        parser.add_argument(f"--{name}", action=ActionYesNo, default=default, help=described[name])
    if optional:
        parser.add_argument(optional, nargs="?", type=str, help=described[optional])
    required = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    for name in set(required) - set(several):
        parser.add_argument(f"--{name}", action=_ByName, const=name, help=argparse.SUPPRESS)
    words = [f"{name.upper()}..." if name in several else name.upper() for name in required]
    words += [f"[{optional.upper()}]"] if optional else []
    parser.usage = " ".join([parser.prog, *words, "[options]"])


class _ByName(argparse.Action):
    """Sets a positional argument; it has no entry of its own in what is parsed."""

    def __init__(self, option_strings: list[str], const: str, help: str, **ignored: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, const=const, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        cfg[self.const] = values


def named_config(command: str) -> type[ActionConfigFile]:
    """The action of ``--config``: a file as jsonargparse reads it, or a recipe of the command by its name."""

    class NamedConfig(ActionConfigFile):
        def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
            super().__call__(parser, cfg, resolve(values, command), option_string)

    return NamedConfig


def comma_list(text: str | None) -> list[str] | None:
    """Names separated by commas; an empty one stays, to be refused by whoever knows the names."""
    return None if text is None else [name.strip() for name in text.split(",")]


def class_list(text: str | None) -> list[str] | Path | None:
    """``--classes``: a file with one name per line, or names separated by commas."""
    if text is None:
        return None
    if Path(text).is_file():
        return Path(text)
    return [name.strip() for name in text.split(",") if name.strip()]


@contextlib.contextmanager
def plain_output(quiet: bool = False) -> Iterator[None]:
    """Silences what the libraries below say about themselves, and with ``quiet`` everything on standard output."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.filterwarnings("ignore", module=r"(lightning|torch)\b.*")
        if quiet:
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        yield
        sys.stdout.flush()
