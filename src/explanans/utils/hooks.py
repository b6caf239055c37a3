"""Watch what the parts of a network return, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

See = Callable[[str, nn.Module, Any, Any], Any]
"""(name, module, inputs, output) → None, or what the rest of the network gets in the output's place."""


@contextmanager
def watching(parts: Iterable[tuple[str, nn.Module]], see: See) -> Iterator[None]:
    """Inside, ``see`` is told of every pass through one of the ``parts``; afterwards none of them has a hook.

    A network is watched by one thread at a time. The parts of a TorchScript program are never heard of, only the whole.

    Args:
        parts: by name, as in ``module.named_modules()``.
        see: what to do with a part's inputs and output.
    """
    handles = []
    try:
        for name, part in parts:
            handles.append(part.register_forward_hook(partial(see, name)))
        yield
    finally:
        for handle in handles:
            handle.remove()
