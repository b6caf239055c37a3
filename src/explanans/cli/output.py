"""What a command prints."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from explanans.utils.text import shown


def say(text: str, to: TextIO | None = None) -> None:
    """Print lines that may hold names from outside: no file or class sends codes to the terminal."""
    print(shown(text), file=to or sys.stdout)


def run_of(given: Mapping[str, Any]) -> Any:
    """A training's ``run``; it says nothing of its progress where nothing is to be printed."""
    return replace(given["run"], progress=given["run"].progress and not given["quiet"])


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
