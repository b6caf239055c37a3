"""Sorting rows of integers and finding true values: the two steps for which numpy is far faster on a processor."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sort_rows(keys: Tensor) -> Tensor:
    """Each row of integers (N, P) in ascending order; ``keys`` may be overwritten."""
    if keys.device.type == "cpu":
        # A vectorised sort of plain integers; torch also makes the indices, which takes ten times as long.
        keys.numpy().sort(axis=1)
        return keys
    return keys.sort(dim=1).values


def true_positions(marked: Tensor) -> Tensor:
    """Where a bool tensor, flattened, is true: ascending indices."""
    if marked.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(marked.numpy()))
    return marked.flatten().nonzero()[:, 0]
