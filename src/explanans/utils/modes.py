"""Training and evaluation mode, without side effects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_changing = threading.Lock()
_before: dict[nn.Module, tuple[int, bool]] = {}
"""Parts that are kept in evaluation mode: by how many blocks, and the mode that each had before the first."""


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, every part's own mode restored afterwards.

    Blocks of several threads may overlap: a part gets its mode back when the last of them ends.
    """
    parts = list(module.modules())
    with _changing:
        for part in parts:
            blocks, mode = _before.get(part, (0, part.training))
            _before[part] = (blocks + 1, mode)
        module.eval()
    try:
        yield
    finally:
        with _changing:
            for part in parts:
                blocks, mode = _before.pop(part)
                if blocks > 1:
                    _before[part] = (blocks - 1, mode)
                else:
                    part.training = mode
