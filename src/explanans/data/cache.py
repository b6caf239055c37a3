"""Resized pictures kept in memory, one copy for all loader workers."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError


class PixelCache:
    """Fixed slots for uint8 pictures (channels, H, W) and, where wanted, segmentations (H, W) in shared memory.

    The tensors are allocated here, before a loader starts its workers: what one process puts in, all get.

    Args:
        wide: segmentations are int32, of which 16 bits are kept, and not uint8.
    """

    def __init__(
        self, count: int, size: tuple[int, int], segmentations: bool, channels: int = 3, *, wide: bool = False
    ) -> None:
        self._given, kept = (torch.int32, torch.uint16) if wide else (torch.uint8, torch.uint8)
        try:
            self.images = torch.empty(count, channels, *size, dtype=torch.uint8).share_memory_()
            self.segmentations = torch.empty(count, *size, dtype=kept).share_memory_() if segmentations else None
            self.filled = torch.zeros(count, dtype=torch.bool).share_memory_()
        except (RuntimeError, OSError) as error:
            need = count * (channels + segmentations * kept.itemsize) * size[0] * size[1] / 2**20
            raise InputError(
                f"cache=True needs {need:,.0f} MiB of shared memory for {count} images, which the system does not give "
                f"({' '.join(str(error).split())}); enlarge /dev/shm or take cache=False."
            ) from error

    def get(self, slot: int) -> tuple[Tensor, Tensor | None] | None:
        """Copies of what lies in a slot, or None while it is empty."""
        if not self.filled[slot]:
            return None
        segmentation = None if self.segmentations is None else self.segmentations[slot].to(self._given, copy=True)
        return self.images[slot].clone(), segmentation

    def put(self, slot: int, image: Tensor, segmentation: Tensor | None) -> None:
        self.images[slot] = image
        if self.segmentations is not None and segmentation is not None:
            self.segmentations[slot] = segmentation
        # Last: another process must not read a slot that is half full.
        self.filled[slot] = True
