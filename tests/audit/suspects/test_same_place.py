from __future__ import annotations

import numpy as np

from explanans.audit.suspects.same_place import fixed_region, where


def masks(count: int, seed: int) -> np.ndarray:
    """Blocks of 4 × 4 cells anywhere on the grid."""
    random = np.random.default_rng(seed)
    found = np.zeros((count, 16, 16), np.float32)
    for mask in found:
        top, left = random.integers(0, 13, 2)
        mask[top : top + 4, left : left + 4] = 1
    return found


def test_a_corner_in_a_third_of_the_masks_is_found() -> None:
    own, others = masks(90, 0), masks(200, 1)
    own[::3, 13:, 13:] = 1
    expected = np.zeros((16, 16), bool)
    expected[13:, 13:] = True
    assert (fixed_region(own, others) == expected).all()


def test_masks_in_any_place_have_no_region() -> None:
    assert not any(fixed_region(masks(90, seed), masks(200, seed + 100)).any() for seed in range(10))
    assert not fixed_region(masks(2, 0), masks(90, 1)).any()


def test_a_place_in_words() -> None:
    region = np.zeros((16, 16), bool)
    region[14:, 14:] = True
    assert where(region) == "lower right"
    region[:] = False
    region[7:9, 7:9] = True
    assert where(region) == "in the middle"
    region[:] = True
    region[2:-2, 2:-2] = False
    assert where(region) == "around the edge"
