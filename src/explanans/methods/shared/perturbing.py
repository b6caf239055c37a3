"""What methods that ask the classifier about altered pictures have in common: checks of settings, layout, pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError


def check_count(name: str, value: int, minimum: int = 1) -> int:
    """``value``, if it is a whole number of at least ``minimum``; an :class:`InputError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise InputError(f"{name}={value!r}; give a whole number of at least {minimum}.")
    return value


def check_number(
    name: str, value: float, low: float = 0.0, high: float = float("inf"), *, above: bool = False
) -> float:
    """``value``, if it lies in [low, high], or in (low, high] if ``above``; an :class:`InputError` otherwise."""
    if not (low < value <= high if above else low <= value <= high):
        raise InputError(f"{name}={value!r}; give a number {'above' if above else 'from'} {low} up to {high}.")
    return value


def check_gradients_possible(method: str) -> None:
    """An :class:`InputError` under ``torch.inference_mode``, where nothing can enable gradients."""
    if torch.is_inference_mode_enabled():
        raise InputError(
            f"{method} needs gradients, which torch.inference_mode() forbids; call it outside, or use torch.no_grad() "
            "there."
        )


def layout(channels_last: bool) -> torch.memory_format:
    """The order in memory of the pictures that a classifier is given."""
    return torch.channels_last if channels_last else torch.contiguous_format


def working_dtype(images: Tensor) -> torch.dtype:
    """What masks and sums are kept in: the images' type, but never less than float32."""
    return torch.promote_types(images.dtype, torch.float32)
