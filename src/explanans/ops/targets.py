"""The one rule for what a target is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.utils.text import did_you_mean, few

Target = str | int | Sequence[str | int] | Tensor

_SHOWN = 20
_NEAR = 5
_DIGITS = 10

_FORMS = (
    "A target is a class name, a class index, a list of either (these classes, for every image), a 1-D integer tensor "
    "(one class per image) or a multi-hot tensor (N, C) of zeros and ones."
)


def class_index(target: str | int, classes: Sequence[str], argument: str = "target") -> int:
    """Index of one class, given by name or by index in 0 … C−1 (bool and negative indices are refused).

    ``argument`` is what messages call it.
    """
    if isinstance(target, str):
        if target not in classes:
            names = ", ".join(map(repr, classes[:_SHOWN])) + (", …" if len(classes) > _SHOWN else "")
            raise InputError(
                f"{argument}: {target!r} is not a class{_meant(target, classes)}; the classes are {names}. {_FORMS}"
            )
        return list(classes).index(target)
    if isinstance(target, bool) or not isinstance(target, int):
        raise InputError(f"{argument}: {target!r} is a {type(target).__name__}. {_FORMS}")
    if not 0 <= target < len(classes):
        raise InputError(f"{argument}: index {target} is outside 0 … {len(classes) - 1}. {_FORMS}")
    return target


def _meant(target: str, classes: Sequence[str]) -> str:
    """What a name that is none may have been meant to be: the class of that number, those with the word in their name,
    the one that is spelt most like it."""
    if target.isascii() and target.isdigit() and len(target) < _DIGITS and int(target) < len(classes):
        return f" (did you mean {classes[int(target)]!r}, the class at that index? give its name)"
    words = target.lower().split()
    if found := [name for name in classes if words and set(words) <= set(name.lower().replace(",", " ").split())]:
        return f" (did you mean one of: {few(found, _NEAR)}?)"
    return did_you_mean(target, classes)


def multi_hot(
    target: Target | Any,
    classes: Sequence[str],
    batch: int,
    device: torch.device | None = None,
    argument: str = "target",
) -> Tensor:
    """Any target form → bool tensor (N, C), true where image n is asked about class c.

    Args:
        target: see the rule in the error message below; a list means these classes for every image of the batch,
            a 1-D integer tensor means one class per image.
        classes: the C class names.
        batch: N, the number of images.
        device: where the result lies; a tensor target stays on its device if this is None.
        argument: what messages call the target.

    Raises:
        InputError: any other form, an unknown class, a wrong length or a value other than 0 and 1.
    """
    count = len(classes)
    if isinstance(target, Tensor):
        return _from_tensor(target, count, batch, argument).to(device or target.device)
    if isinstance(target, str | int):
        target = [target]
    if not isinstance(target, Sequence):
        raise InputError(f"{argument} is a {type(target).__name__}. {_FORMS}")
    row = torch.zeros(count, dtype=torch.bool, device=device)
    row[[class_index(entry, classes, argument) for entry in target]] = True
    return row.expand(batch, count).clone()


def _from_tensor(target: Tensor, count: int, batch: int, argument: str) -> Tensor:
    if target.ndim == 1 and not target.is_floating_point() and target.dtype != torch.bool:
        if len(target) != batch:
            raise InputError(
                f"{argument} has {len(target)} entries for {batch} images; give one class per image. {_FORMS}"
            )
        if len(target) and (target.min() < 0 or target.max() >= count):
            raise InputError(f"{argument} has indices outside 0 … {count - 1}: {target.tolist()}. {_FORMS}")
        return torch.nn.functional.one_hot(target.long(), count).bool()
    if target.ndim == 2:
        if tuple(target.shape) != (batch, count):
            raise InputError(
                f"{argument} has shape {tuple(target.shape)}; multi-hot needs ({batch}, {count}). {_FORMS}"
            )
        if not ((target == 0) | (target == 1)).all():
            raise InputError(f"{argument} has values other than 0 and 1. {_FORMS}")
        return target.bool()
    raise InputError(f"{argument} is a {target.ndim}-D {target.dtype} tensor of shape {tuple(target.shape)}. {_FORMS}")
