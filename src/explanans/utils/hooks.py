"""Watch what the parts of a network return, for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

# PyTorch numbers hooks by a counter of its own that two threads may read at once.
_registering = threading.Lock()

See = Callable[[str, nn.Module, Any, Any], Any]
"""(name, module, inputs, output) → None, or what the rest of the network gets in the output's place."""


@contextmanager
def watching(
    parts: Iterable[tuple[str, nn.Module]], see: See, before: Callable[[], None] | None = None
) -> Iterator[None]:
    """Inside, ``see`` is told of every pass through one of the ``parts``; afterwards none of them has a hook.

    Several threads may watch a network at once: each hears of its own passes alone. The parts of a TorchScript program
    are never heard of, only the whole.

    Args:
        parts: by name, as in ``module.named_modules()``.
        see: what to do with a part's inputs and output.
        before: is called when a pass through a part begins.
    """
    here = threading.get_ident()

    def hear(name: str, module: nn.Module, inputs: Any, output: Any) -> Any:
        return see(name, module, inputs, output) if threading.get_ident() == here else None

    def begin(module: nn.Module, inputs: Any) -> None:
        if before is not None and threading.get_ident() == here:
            before()

    handles = []
    try:
        for name, part in parts:
            with _registering:
                handles.append(part.register_forward_hook(partial(hear, name)))
                if before is not None:
                    handles.append(part.register_forward_pre_hook(begin))
        yield
    finally:
        for handle in handles:
            handle.remove()
