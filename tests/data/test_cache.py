from __future__ import annotations

import pytest
import torch

from explanans.data.cache import PixelCache
from explanans.errors import InputError


def test_slots() -> None:
    cache = PixelCache(2, (3, 4), segmentations=True)
    assert cache.images.is_shared()
    assert cache.get(0) is None
    cache.put(0, torch.full((3, 3, 4), 7, dtype=torch.uint8), torch.ones(3, 4, dtype=torch.uint8))
    kept = cache.get(0)
    assert kept is not None
    assert kept[1] is not None
    assert (kept[0] == 7).all()
    kept[0].zero_()
    assert (cache.images[0] == 7).all()
    assert cache.get(1) is None


def test_too_little_memory_says_how_much_is_needed() -> None:
    with pytest.raises(InputError, match=r"needs 286,102,294,922 MiB"):
        PixelCache(10**11, (1000, 1000), segmentations=False)


def test_wide_segmentations_take_two_bytes_a_pixel() -> None:
    cache = PixelCache(2, (3, 4), segmentations=True, wide=True)
    numbers = torch.tensor([[0, 255, 300, 65535]] * 3, dtype=torch.int32)
    cache.put(1, torch.zeros(3, 3, 4, dtype=torch.uint8), numbers)
    kept = cache.get(1)
    assert kept is not None
    assert kept[1] is not None
    assert kept[1].dtype == torch.int32
    assert torch.equal(kept[1], numbers)
    assert cache.segmentations is not None
    assert cache.segmentations.element_size() == 2
    assert PixelCache(2, (3, 4), segmentations=True).segmentations.element_size() == 1  # type: ignore[union-attr]
