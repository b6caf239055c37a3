"""The command line: choose a command, parse its options, call it, turn what happens into a message and a status."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from explanans.cli.ahead import begin
from explanans.cli.commands import COMMANDS
from explanans.errors import InputError, TrainingDiverged
from explanans.utils.text import did_you_mean, shown
from explanans.version import __version__

if TYPE_CHECKING:
    from explanans.cli.options import Part
    from explanans.cli.parse import Parser

EXPLAIN = "explain"
GOOD, FAILED, WRONG_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

_WRONG_PATHS = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
"""A path that can be no such thing, whatever the machine does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done. 1: it failed, or failed for some images. 2: wrong input. 130: interrupted by Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        _show_everything(stream)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except InputError as error:
        return _complain(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        return _complain("stopped. What was finished is kept; repeat the command to go on.", INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.errno in _WRONG_PATHS:
            reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            return _complain(f"{reason}; name another file or folder.", WRONG_INPUT)
        return _complain(str(error), FAILED)
    except TrainingDiverged as error:
        return _complain(str(error), FAILED)


def _dispatch(words: list[str]) -> int:
    if words and words[0] in ("--version", "-V"):
        print(f"explanans {__version__}")
        return GOOD
    if not words or words[0] in ("--help", "-h"):
        print(_overview())
        return GOOD if words else WRONG_INPUT
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return _run(name, words[length:])
    within = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
    if within and words[1:2] in ([], ["--help"], ["-h"]):
        print(_overview(within))
        return GOOD if words[1:] else WRONG_INPUT
    near = did_you_mean(" ".join(words[:2]), COMMANDS) or did_you_mean(words[0], COMMANDS)
    raise InputError(f"there is no command {' '.join(words[:2])!r}{near}; explanans --help lists them.")


def _run(name: str, words: list[str]) -> int:
    asked = words[: words.index("--")] if "--" in words else words
    if {"--help", "-h"} & set(asked):
        from explanans.cli.kept_help import kept_help

        print(kept_help(name, lambda: _help(name)))
        return GOOD
    begin(words)
    # Only now, because the modules behind the commands import torch.
    from explanans.cli.help import settings_help
    from explanans.cli.late_compiler import import_without_compiler
    from explanans.cli.options import Given, Part
    from explanans.cli.output import plain_output
    from explanans.utils.memory import keep_freed_memory

    if name == EXPLAIN:
        import_without_compiler()
    command, parts, parser = _command(name)
    request = parser.parse(words)
    if request.show == "config":
        print(request.values.configuration(request.changed), end="")
    elif request.show:
        print(settings_help(request.values.options[request.show]))
    else:
        given = Given(request.values.build(), parts)
        keep_freed_memory()
        with plain_output(given.get("quiet", False)):
            return command.run(**Part(command.run).arguments(given, 0), **({"given": given} if parts else {}))
    return GOOD


def _help(name: str) -> str:
    from explanans.cli.help import command_help

    command, _, parser = _command(name)
    return command_help(parser, command.__doc__ or "")


def _command(name: str) -> tuple[Any, Sequence[Part], Parser]:
    """The module of a command, the functions that it calls, and its options."""
    from explanans.cli.options import options_of
    from explanans.cli.parse import Parser
    from explanans.cli.recipes import resolve

    command: Any = importlib.import_module(COMMANDS[name].module)
    parts = getattr(command, "PARTS", ())
    return command, parts, Parser(f"explanans {name}", options_of(parts, command.run), lambda it: resolve(it, name))


def _overview(names: Sequence[str] = ()) -> str:
    chosen = {name: COMMANDS[name] for name in names or COMMANDS}
    width = max(map(len, chosen))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in chosen.items()]
    return "\n".join(
        [
            "Which pixels speak for which class: masks for every class of an image classifier.",
            "",
            "usage: explanans COMMAND [options]     explanans COMMAND --help",
            "",
            "commands:",
            *lines,
            "",
            "  --version  the version of explanans",
            "",
            "Every command takes --config FILE.yaml, and --print_config prints such a file.",
            "Ready-made ones are used by their name: explanans recipes lists them.",
            "Start with: explanans demo",
        ]
    )


def _show_everything(stream: TextIO) -> None:
    """Print what a terminal's encoding lacks as an escape, instead of failing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def _complain(message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"explanans: {shown(message)}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
