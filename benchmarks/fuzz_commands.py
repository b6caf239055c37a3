"""Command lines for the fuzzer: words that mean something and others, and what has to come of any of them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from explanans.cli.commands import COMMANDS
from explanans.cli.main import main as explanans
from explanans.cli.options import options_of
from explanans.errors import InputError
from explanans.utils.text import shown

LONGEST = 2_000
RUN = ("explain", "report", "card", "recipes")
"""Commands that do their work here; of the others only the command line is read."""

WORDS = ["", "x", "0", "-1", "1e30", "nan", "inf", "null", "true", "[]", "{}", "{a: 1}", "a,b", "photos", "saved"]
WORDS += ["explainer", "explainer?x=1", "folder:sorted", "nowhere.zip", "~nobody/x", "s3:/x", "..", "--", "-", "--help"]
WORDS += ["\x1b[31m", "a\0b"]


def command_lines() -> st.SearchStrategy[list[str]]:
    """A command and options of it, or none of it, with words for values."""
    names = []
    for command in COMMANDS:
        module: Any = importlib.import_module(COMMANDS[command].module)
        options = [f"--{each.name}" for each in options_of(getattr(module, "PARTS", ()), module.run)]
        names.append((command, [*options, "--config", "--run.seed", "--methods.a.b", "--print_config"]))

    @st.composite
    def line(draw: Callable[..., Any]) -> list[str]:
        command, options = draw(st.sampled_from(names))
        words = draw(st.lists(st.sampled_from(WORDS), max_size=3))
        for _ in range(draw(st.integers(0, 3))):
            option = draw(st.one_of(st.sampled_from(options), st.text(max_size=8).map(lambda text: f"--{text}")))
            value = draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=10)))
            words += draw(st.sampled_from([[option, value], [f"{option}={value}"], [option], [f"{option}+", value]]))
        # Results go where nothing else is.
        kept = [word for word in words if not word.startswith(("--out", "--ray", "--workers", "--hub"))]
        return [*command.split(), *kept]

    return line()


def holds(work: Callable[[], object]) -> None:
    """An InputError with a message that can be shown."""
    try:
        work()
    except InputError as error:
        message = shown(error)
        assert message, "an empty message"
        assert len(message) < LONGEST, f"a message of {len(message)} characters"


def run_line(words: list[str]) -> None:
    """The command reads its options; it does its work where that is quick and fetches nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        for name, command in COMMANDS.items():
            if name not in RUN:
                stack.enter_context(_idle(importlib.import_module(command.module)))
        status = explanans(words)
    assert status in (0, 1, 2), f"status {status}"
    assert "Traceback" not in err.getvalue()
    assert status == 0 or err.getvalue().strip() or out.getvalue().strip(), "no message"
    assert len(err.getvalue()) < 2 * LONGEST, "a message too long"


@contextlib.contextmanager
def _idle(module: Any) -> Iterator[None]:
    run = module.run

    @functools.wraps(run)
    def nothing(*arguments: Any, **options: Any) -> int:
        return 0

    module.run = nothing
    try:
        yield
    finally:
        module.run = run
