"""From a segmentation with one number per class to the objects that masks are compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.images.segmentations import BACKGROUND, FEW, not_void, void_of


def label_region(segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the label classes are, and which pixels count.

    Args:
        segmentation: (N, H, W): 0 background, c + 1 for class c; uint8, where 255 is void, or for more than 254 classes
            int32, where 65535 is.
        labels: (N, C) multi-hot.

    Returns:
        target (N, H, W) bool, true on the union of the label classes; valid (N, H, W) bool, false on void.

    Raises:
        InputError: shapes or types that do not fit, a class number above C.
    """
    numbers, valid = _checked(segmentation, labels)
    chosen = torch.zeros(len(labels), labels.shape[1] + 1, dtype=torch.bool, device=labels.device)
    chosen[:, 1:] = labels.bool()
    return chosen.gather(1, numbers.flatten(1).long()).view_as(numbers), valid


def class_regions(segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where each label class is by itself, for the P pairs of an image and a label of it, in their order.

    Arguments and errors as in :func:`label_region`.

    Returns:
        target and valid, each (P, H, W) bool.
    """
    numbers, valid = _checked(segmentation, labels)
    image, index = labels.bool().nonzero(as_tuple=True)
    # In uint8 a later class would take the number of an earlier one.
    wanted = (index + 1).to(numbers.dtype if labels.shape[1] <= FEW else torch.int32)
    return numbers[image] == wanted[:, None, None], valid[image]


def renumbered(segmentation: Tensor, columns: Tensor, classes: int) -> Tensor:
    """The segmentation in which the class at ``columns[k]`` has the number k + 1 and all others are background.

    Args:
        columns: (K,), some of ``classes``.
    """
    table = torch.full((classes + 1,), BACKGROUND, dtype=segmentation.dtype, device=segmentation.device)
    table[columns + 1] = torch.arange(1, len(columns) + 1, dtype=table.dtype, device=table.device)
    valid = not_void(segmentation)
    numbers = table[segmentation.masked_fill(~valid, BACKGROUND).long()]
    return numbers.masked_fill(~valid, void_of(segmentation.dtype))


def _checked(segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The class numbers, background where it is void, and which pixels are not, each (N, H, W)."""
    if segmentation.ndim != 3:
        raise InputError(f"segmentation has shape {tuple(segmentation.shape)}; give (N, H, W).")
    valid = not_void(segmentation)
    if labels.ndim != 2 or len(labels) != len(segmentation):
        raise InputError(f"labels have shape {tuple(labels.shape)} for {len(segmentation)} segmentations; give (N, C).")
    numbers = segmentation.masked_fill(~valid, BACKGROUND)
    void = void_of(segmentation.dtype)
    # A number that the type cannot hold would be compared as another.
    wrong = (numbers < 0) | (numbers > min(labels.shape[1], void))
    if wrong.any():
        raise InputError(
            f"segmentation holds the number {int(numbers[wrong][0])}; write class c as c + 1, at most "
            f"{labels.shape[1]} with these labels, and void as {void} in {segmentation.dtype}."
        )
    return numbers, valid
