"""From a segmentation with one number per class to the objects that masks are compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError

VOID = 255


def label_region(segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the label classes are, and which pixels count.

    Args:
        segmentation: (N, H, W) uint8: 0 background, c + 1 for class c, 255 void.
        labels: (N, C) multi-hot, at most 254 classes.

    Returns:
        target (N, H, W) bool, true on the union of the label classes; valid (N, H, W) bool, false on void.

    Raises:
        InputError: shapes or types that do not fit, a class number above C.
    """
    valid = _checked(segmentation, labels)
    chosen = torch.zeros(len(labels), VOID + 1, dtype=torch.bool, device=labels.device)
    chosen[:, 1 : labels.shape[1] + 1] = labels.bool()
    return chosen.gather(1, segmentation.flatten(1).long()).view_as(segmentation), valid


def class_regions(segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where each label class is by itself, for the P pairs of an image and a label of it, in their order.

    Arguments and errors as in :func:`label_region`.

    Returns:
        target and valid, each (P, H, W) bool.
    """
    valid = _checked(segmentation, labels)
    image, index = labels.bool().nonzero(as_tuple=True)
    return segmentation[image] == (index + 1).to(torch.uint8)[:, None, None], valid[image]


def _checked(segmentation: Tensor, labels: Tensor) -> Tensor:
    """Which pixels are not void, (N, H, W) bool."""
    if segmentation.ndim != 3 or segmentation.dtype != torch.uint8:
        raise InputError(
            f"segmentation is {segmentation.dtype} of shape {tuple(segmentation.shape)}; give uint8 (N, H, W)."
        )
    if labels.ndim != 2 or len(labels) != len(segmentation) or labels.shape[1] >= VOID:
        raise InputError(
            f"labels have shape {tuple(labels.shape)} for {len(segmentation)} segmentations; give (N, C), C < {VOID}."
        )
    valid = segmentation != VOID
    if ((segmentation > labels.shape[1]) & valid).any():
        raise InputError(
            f"segmentation holds numbers above {labels.shape[1]} that are not void ({VOID}); write class c as c + 1."
        )
    return valid
