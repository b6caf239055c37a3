"""Progress bars on standard error, for people who look at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn


@contextmanager
def progress_bar(*columns: ProgressColumn, show: bool = True) -> Iterator[Progress]:
    """rich's bar with these columns; it draws nothing without ``show``, or where standard error is no terminal."""
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as bar:
        yield bar
