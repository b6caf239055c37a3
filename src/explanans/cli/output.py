"""What a command prints."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from explanans.utils.progress import silent
from explanans.utils.text import shown


def say(text: str, to: TextIO | None = None) -> None:
    """Print lines that may hold names from outside: no file or class sends codes to the terminal."""
    print(shown(text), file=to or sys.stdout)


@contextlib.contextmanager
def plain_output(quiet: bool = False) -> Iterator[None]:
    """Silences what the libraries below say about themselves; with ``quiet`` also progress and standard output."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.filterwarnings("ignore", module=r"(lightning|torch)\b.*")
        if quiet:
            stack.enter_context(silent())
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        yield
        sys.stdout.flush()
