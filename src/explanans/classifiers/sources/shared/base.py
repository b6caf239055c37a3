"""What a source of classifiers gives: a module, how to build it again, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

WRONG_SETTINGS = (TypeError, ValueError, KeyError, AssertionError, AttributeError)
"""What the constructors of other libraries raise for settings that an architecture does not have or take."""

TOO_LARGE = (RuntimeError, ArithmeticError, MemoryError)
"""What they raise for sizes that no memory could hold; where weights are fetched too, it may be the network."""


@dataclass(frozen=True)
class Source:
    """How to build a module again: ``spec`` names it, ``arguments`` go to its constructor."""

    spec: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def unfit_settings(source: Source, error: Exception) -> InputError:
    """The message for one of ``WRONG_SETTINGS`` or ``TOO_LARGE``."""
    given = ", ".join(f"{name}={value}" for name, value in source.arguments.items())
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"classifier {source.spec!r} cannot be built with {given or 'its own settings'} ({reason}); leave out what it "
        "does not have."
    )


@dataclass(frozen=True)
class Loaded:
    """A module and what its source knows about it; None where it does not know.

    ``check`` raises InputError for a preprocessing that the module cannot take; ``unknown`` says why something is not
    known.
    """

    module: nn.Module
    source: Source
    classes: Sequence[str] | None = None
    activation: Any = None
    preprocessing: Preprocessing | None = None
    weights_hash: str | None = None
    check: Callable[[Preprocessing], None] | None = None
    unknown: str = ""
