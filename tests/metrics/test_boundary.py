from __future__ import annotations

import math

import numpy
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import BoundaryF1, BoundaryIoU, boundary_f1, boundary_iou

# The diagonal of a picture of 30 x 40 pixels is 50: a width of 0.02 is one pixel, of 0.04 two.
ONE, TWO = 0.02, 0.04


def square(top: int, left: int, side: int) -> Tensor:
    region = torch.zeros(1, 30, 40, dtype=torch.bool)
    region[0, top : top + side, left : left + side] = True
    return region


def test_a_shifted_square_by_hand() -> None:
    mask, target = square(10, 11, 10).float(), square(10, 10, 10)
    # Rings of 36 pixels; the upper and the lower sides share 9 each.
    assert boundary_iou(mask, target, width=ONE).item() == pytest.approx(18 / (36 + 36 - 18))
    # Rings two wide of 100 - 36 = 64 pixels. Rows 10, 11, 18, 19 share 9 each; in the 6 rows between, column 11 is in
    # both and so is column 19 - of 10, 11, 18, 19 and 11, 12, 19, 20.
    assert boundary_iou(mask, target, width=TWO).item() == pytest.approx(48 / (64 + 64 - 48))
    # Every pixel of each outline is one from the other.
    assert boundary_f1(mask, target, width=ONE).item() == 1


def test_outlines_further_apart_by_hand() -> None:
    mask, target = square(10, 13, 10).float(), square(10, 10, 10)
    # Of the mask's 36 pixels, columns 13 to 22: in the two rows of the top and the bottom columns 13 to 19 lie on the
    # target's outline and column 20 beside it, 16 in all; of its left side (8 more pixels) none is near column 10 or
    # 19, but the two next to the corners lie beside the target's top and bottom; its right side is out of reach.
    # The target's outline sees the mask's in the same way, mirrored.
    share = (16 + 2) / 36
    assert boundary_f1(mask, target, width=ONE).item() == pytest.approx(share)


def test_a_full_mask_has_no_part_in_an_object_inside() -> None:
    target = square(10, 10, 10)
    full = torch.ones(1, 30, 40)
    assert boundary_iou(full, target).item() == 0
    assert boundary_f1(full, target).item() == 0
    # A picture that is all object has the frame for a band, and no outline.
    assert boundary_iou(full, full.bool()).item() == boundary_f1(full, full.bool()).item() == 1


def test_the_frame_is_an_edge_for_the_band_and_none_for_the_outline() -> None:
    target, mask = torch.zeros(1, 30, 40, dtype=torch.bool), torch.zeros(1, 30, 40)
    target[0, :, :20] = True
    mask[0, :, :10] = 1
    # Bands: 3 sides of a rectangle of 30 x 20 without its corners twice, and of 30 x 10, and the fourth sides.
    band, found = 2 * 20 + 2 * 28, 2 * 10 + 2 * 28
    shared = 10 + 10 + 28
    assert boundary_iou(mask, target, width=ONE).item() == pytest.approx(shared / (band + found - shared))
    assert boundary_f1(mask, target, width=9 / 50).item() == 0
    assert boundary_f1(mask, target, width=10 / 50).item() == 1


def test_void_pixels_never_count() -> None:
    target = square(10, 10, 10)
    ring = torch.zeros_like(target)
    ring[0, 8:22, 8:22] = True
    valid = ~(ring & ~target)
    for margin in (0, 1, 2):
        # Whatever the mask says within the void ring, its outline is the object's.
        mask = square(10 - margin, 10 - margin, 10 + 2 * margin).float()
        assert boundary_iou(mask, target, valid, width=ONE).item() == 1
        assert boundary_f1(mask, target, valid, width=ONE).item() == 1
    # But one that goes on is wrong, and one that covers all has no outline there to be praised for.
    for wrong in (square(5, 5, 20).float(), torch.ones(1, 30, 40)):
        assert boundary_iou(wrong, target, valid, width=ONE).item() == 0
    assert boundary_f1(torch.ones(1, 30, 40), target, valid, width=ONE).item() == 0


def test_the_mask_is_cut_at_the_threshold() -> None:
    target = square(10, 10, 10)
    mask = target * 0.6 + square(8, 8, 14) * 0.3
    assert boundary_iou(mask, target).item() == 1
    assert boundary_iou(mask, target, threshold=0.9).item() == 1
    assert boundary_iou(mask, target, threshold=0.25).item() == 0
    assert boundary_iou(mask, target, threshold=0.95).item() == 0


def test_nothing_and_nan() -> None:
    nothing, target = torch.zeros(1, 30, 40), square(10, 10, 10)
    for function, metric in ((boundary_iou, BoundaryIoU()), (boundary_f1, BoundaryF1())):
        assert function(nothing, nothing.bool()).item() == 1
        assert function(nothing, target).item() == function(target.float(), nothing.bool()).item() == 0
        assert function(torch.full((1, 30, 40), math.nan), target).item() == 0
        metric.update(torch.cat([nothing, target.float(), nothing * math.nan]), torch.cat([target, target, target]))
        metric.update(nothing, nothing.bool())
        assert (metric.compute().item(), metric.count, metric.nan_count, metric.empty_count) == (0.5, 4, 1, 1)
        assert function(nothing[:0], target[:0]).shape == (0,)


@pytest.mark.parametrize("width", [0.01, 0.02, 0.08])
def test_agree_with_distances_between_all_pixels(width: float) -> None:
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(4, 1, 6, 8, generator=generator)
    mask = torch.nn.functional.interpolate(coarse, (30, 40), mode="bilinear")[:, 0]
    target = mask.roll((1, 2), (1, 2)) > 0.5
    distance = max(1, round(width * 50))
    for n in range(4):
        found, truth = (mask[n] >= 0.5).numpy(), target[n].numpy()
        band, outline = (
            [_inner(region, steps, edge) for region in (found, truth)] for steps, edge in ((distance, 1), (1, 0))
        )
        expected = (band[0] & band[1]).sum() / (band[0] | band[1]).sum()
        assert boundary_iou(mask[n : n + 1], target[n : n + 1], width=width).item() == pytest.approx(expected)
        precision, recall = _close(outline[0], outline[1], distance), _close(outline[1], outline[0], distance)
        expected = 2 * precision * recall / (precision + recall)
        assert boundary_f1(mask[n : n + 1], target[n : n + 1], width=width).item() == pytest.approx(expected)


def _inner(region: numpy.ndarray, steps: int, edge: int) -> numpy.ndarray:
    """By repeated erosion with a square of 3 x 3, as Cheng et al. do it."""
    kept = region
    for _ in range(steps):
        padded = numpy.pad(kept, 1, constant_values=not edge)
        kept = numpy.min([padded[y : y + 30, x : x + 40] for y in range(3) for x in range(3)], axis=0)
    return region & ~kept


def _close(outline: numpy.ndarray, other: numpy.ndarray, distance: int) -> float:
    places = numpy.argwhere(other)
    near = [numpy.hypot(*(places - place).T).min() <= distance for place in numpy.argwhere(outline)]
    return float(numpy.mean(near))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"threshold": 1.5}, "threshold=1.5"), ({"width": 0.0}, "width=0.0"), ({"width": math.nan}, "width=nan")],
)
def test_bad_settings(settings: dict[str, float], message: str) -> None:
    for function in (boundary_iou, boundary_f1):
        with pytest.raises(InputError, match=message):
            function(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4).bool(), **settings)
    with pytest.raises(InputError, match="scores need"):
        boundary_iou(torch.full((1, 4, 4), 2.0), torch.zeros(1, 4, 4).bool())
