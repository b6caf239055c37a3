"""The command line: choose a command, parse its options, call it, turn what happens into a message and a status."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import textwrap
from collections.abc import Sequence

from explanans.cli.commands import COMMANDS
from explanans.errors import InputError, TrainingDiverged
from explanans.utils.memory import keep_freed_memory
from explanans.version import __version__

GOOD, FAILED, WRONG_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done. 1: it failed, or failed for some images. 2: wrong input. 130: interrupted by Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except InputError as error:
        return _complain(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        return _complain("stopped. What is done is kept; the same command goes on from there.", INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (OSError, TrainingDiverged) as error:
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
            # Only now, because the modules behind the commands import torch.
            command = importlib.import_module(COMMANDS[name].module)
            return _run(command, name, words[length:])
    within = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
    if within and words[1:2] in ([], ["--help"], ["-h"]):
        print(_overview(within))
        return GOOD if words[1:] else WRONG_INPUT
    raise InputError(f"there is no command {' '.join(words[:2])!r}; the commands are {', '.join(COMMANDS)}.")


def _run(command: object, name: str, words: list[str]) -> int:
    from jsonargparse import ArgumentParser

    from explanans.cli.hints import hint_for
    from explanans.cli.options import named_config

    parser = ArgumentParser(
        prog=f"explanans {name}",
        description=textwrap.dedent(command.__doc__ or "").strip(),
        default_env=False,
        exit_on_error=False,
    )
    parser.add_argument(
        "--config",
        action=named_config(name),
        help="Options from a YAML file, or a recipe by its name (see explanans recipes); later options win.",
    )
    command.add_arguments(parser)  # type: ignore[attr-defined]
    if hasattr(command, "check_words"):
        command.check_words(words)
    try:
        parsed = parser.parse_args(words)
    except argparse.ArgumentError as error:
        known = [each.removeprefix("--") for each in parser._option_string_actions if each.startswith("--")]
        unknown = re.search(r"unrecognized arguments: (--\S+)", str(error))
        hint = hint_for(unknown[1], known) if unknown else ""
        raise InputError(f"{error}{hint}; explanans {name} --help lists all options.") from error
    keep_freed_memory()
    options = vars(parser.instantiate(parsed))
    options.pop("config", None)
    return command.run(**options)  # type: ignore[attr-defined]


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


def _complain(message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"explanans: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
