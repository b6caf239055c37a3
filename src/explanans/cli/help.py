"""What ``--help`` prints."""

from __future__ import annotations

import inspect
import shutil
import textwrap
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from explanans.cli.options import REQUIRED, Option, descriptions, plain
from explanans.cli.parse import Parser
from explanans.utils.typed import fields_of, members

COLUMN = 26
WIDEST = 100

_COMMON = (
    ("-h, --help", "this text"),
    ("--config FILE", "options from a YAML file, or a recipe by its name (explanans recipes); later options win"),
    ("--print_config", "print such a file with all options as they are, and stop; =skip_default: those that differ"),
)


def command_help(parser: Parser, description: str) -> str:
    """Usage, what the command does, and every option with its type and default."""
    placed = [(each.name.upper(), _said(each)) for each in parser.placed]
    named = [each for each in parser.options if not each.place and not each.is_group]
    parts = [f"usage: {parser.usage}", _paragraphs(description)]
    if placed:
        parts.append(_section("arguments:", placed))
    parts.append(_section("options:", [*_COMMON, *((_form(each), _said(each)) for each in named)]))
    for group in (each for each in parser.options if each.is_group):
        rows = [(_form(each), _said(each)) for each in group.parts()]
        title = f"--{group.name} FILE.yaml, or one by one: {_summary(group.hint)}"
        parts.append(_section(title, rows))
    return "\n\n".join(part for part in parts if part)


def settings_help(option: Option) -> str:
    """What the settings inside an option mean: those of a dataclass, or of each value of a mapping by name."""
    kind = option.settings
    described = descriptions(kind)
    rows = [(f"{name} {_word(hint)}", described.get(name, "")) for name, hint in fields_of(kind).items()]
    named = "" if kind in members(option.hint) else ".NAME"
    return _section(f"--{option.name}{named}: {_summary(kind)}", rows)


def _summary(kind: Any) -> str:
    return plain((inspect.getdoc(kind) or "").partition("\n\n")[0])


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join([*textwrap.wrap(title, _width()), *(line for row in rows for line in _row(*row))])


def _row(form: str, said: str) -> Iterator[str]:
    lines = textwrap.wrap(said, _width() - COLUMN) or [""]
    if len(form) + 4 > COLUMN:
        yield f"  {form}"
        form = ""
    else:
        yield f"  {form:{COLUMN - 4}}  {lines.pop(0)}".rstrip()
    yield from (f"{'':{COLUMN}}{line}" for line in lines)


def _form(option: Option) -> str:
    if option.is_switch:
        return f"--{option.name}" if option.default is False else f"--no_{option.name}"
    return f"--{option.name} {_word(option.hint)}"


def _said(option: Option) -> str:
    text = option.help
    if option.is_switch and option.default is True:
        text = f"do not {text[:1].lower()}{text[1:]}"
    if get_origin(option.hint) is list and not option.place:
        text = f"{text} --{option.name}+ adds one."
    if option.is_switch or option.default is REQUIRED:
        return text
    if option.default in (None, "", [], {}):
        return text
    listed = option.default if isinstance(option.default, list | tuple) else [option.default]
    return f"{text} (default: {','.join(map(_value, listed))})"


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _word(hint: Any) -> str:
    """A type as it stands behind an option's name."""
    for kind in members(hint):
        if get_origin(kind) is Literal:
            return f"{{{','.join(map(str, get_args(kind)))}}}"
        if kind in _WORDS:
            return _WORDS[kind]
        if get_origin(kind) in (list, tuple):
            count = len(get_args(kind)) if get_origin(kind) is tuple else 2
            return ",".join([_word(get_args(kind)[0])] * count) + (",…" if get_origin(kind) is list else "")
        if kind is not types.NoneType:
            return "{NAME: VALUE}"
    return "VALUE"


_WORDS = {str: "TEXT", int: "N", float: "X", bool: "{true,false}", Any: "VALUE"}


def _paragraphs(text: str) -> str:
    """A docstring's paragraphs in the terminal's width."""
    return "\n\n".join(textwrap.fill(" ".join(part.split()), _width()) for part in text.split("\n\n")).strip()


def _width() -> int:
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
