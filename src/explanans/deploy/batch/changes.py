"""How a list of pictures differs from that of an earlier run: what was added, changed, gone since."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from explanans.utils.text import printable

SHOWN = 3
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Changes:
    """Names of pictures."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.gone)

    def __str__(self) -> str:
        parts = {"added": self.added, "changed": self.changed, "gone": self.gone}
        return "; ".join(f"{len(names):,} {what} ({_few(names)})" for what, names in parts.items() if names)


Told = Callable[[Changes], None]
"""Is told once, before any work, if the pictures are not those of an earlier run."""


def compare(before: Mapping[Key, Hashable], now: Mapping[Key, Hashable], name: Callable[[Key], str] = str) -> Changes:
    """Pictures by key, each with what tells its content from another; ``name`` makes a key readable."""
    return Changes(
        tuple(name(key) for key in now if key not in before),
        tuple(name(key) for key, stamp in now.items() if key in before and before[key] != stamp),
        tuple(name(key) for key in before if key not in now),
    )


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(map(printable, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
