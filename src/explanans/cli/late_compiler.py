"""torchvision and timm, imported without PyTorch's compiler: it takes as long as torch itself, and ``explain`` compiles
nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NAME = "torch._dynamo.utils"
ASKED = "is_compile_supported"
"""The one function that torchvision takes from it, for boxes on an accelerator."""

LIBRARIES = ("torchvision", "timm")


def import_without_compiler() -> None:
    """Import :data:`LIBRARIES`, and the compiler only when it is asked for something.

    Meanwhile another module stands where the compiler's own is looked for. What it is asked for it takes from there, so
    that a library which wants more of it is imported as ever, only no quicker. Functions that these libraries keep from
    being compiled are no longer kept from it.
    """
    if "torch._dynamo" in sys.modules:
        return
    with _compiler_stands_back():
        for library in LIBRARIES:
            importlib.import_module(library)


@contextmanager
def _compiler_stands_back() -> Iterator[None]:
    import torch

    stand_in, disable = _StandIn(NAME), torch.compiler.disable
    sys.modules[NAME] = stand_in
    torch.compiler.disable = _undecorated  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = disable
        stand_in.leave()


def _undecorated(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Callable[..., Any]:
    """``torch.compiler.disable`` where nothing is compiled, with arguments or without."""
    return (lambda given: given) if function is None else function


class _StandIn(ModuleType):
    def leave(self) -> None:
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        return _late if name == ASKED else getattr(self.own(), name)

    def own(self) -> ModuleType:
        """The module that this one stands for."""
        self.leave()
        return importlib.import_module(NAME)


def _late(*arguments: Any, **settings: Any) -> Any:
    function: Callable[..., Any] = getattr(importlib.import_module(NAME), ASKED)
    return function(*arguments, **settings)
