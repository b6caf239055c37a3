"""What a source of classifiers gives: a module, how to build it again, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from explanans.images.preprocessing import Preprocessing


@dataclass(frozen=True)
class Source:
    """How to build a module again: ``spec`` names it, ``arguments`` go to its constructor."""

    spec: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
