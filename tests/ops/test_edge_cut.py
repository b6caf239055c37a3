from __future__ import annotations

import pytest
import torch

from explanans.ops.edge_cut import moved_to_edges

ONE = torch.zeros(1, dtype=torch.long)


def striped(edge: int, width: int = 8) -> torch.Tensor:
    """Dark left of the edge, light from it on."""
    image = torch.zeros(1, 3, 4, width)
    image[..., edge:] = 1
    return image


def ramp(start: float, step: float, width: int = 8) -> torch.Tensor:
    """Logits (1, 4, W) that fall from left to right."""
    return (start - step * torch.arange(float(width))).expand(1, 4, width)


@pytest.mark.parametrize(("edge", "move"), [(2, 1.0), (3, 0.5), (4, 0.0), (5, -0.5), (6, -1.0)])
def test_a_mask_ends_where_its_picture_changes(edge: int, move: float) -> None:
    """Logits 1.75, 1.25, 0.75, 0.25, -0.25, …: four columns are inside; each half more or less is one column."""
    logits = ramp(1.75, 0.5)
    moved = moved_to_edges(logits, striped(edge), ONE, 1.5)
    assert torch.equal(moved, logits - move)
    assert (moved[0, 0] >= 0).sum() == edge
    # Calibrated masks are steeper by their scale, and move as far.
    torch.testing.assert_close(moved_to_edges(4 * logits, striped(edge), ONE, 1.5, 4.0), 4 * moved)


def test_no_farther_than_the_reach() -> None:
    logits = ramp(1.75, 0.5)
    assert (moved_to_edges(logits, striped(7), ONE, 1.5)[0, 0] >= 0).sum() == 7
    assert (moved_to_edges(logits, striped(7), ONE, 1.0)[0, 0] >= 0).sum() < 7
    for reach in (0.0, 0.49):
        assert moved_to_edges(logits, striped(7), ONE, reach) is logits


def test_a_little_more_contrast_is_not_worth_the_way() -> None:
    """Columns 0 | 1 ± 1/2 | 1 + d: B is 1 / (1 + 2/4) before the second and d² / (d² + 2/4) behind it, half a logit on,
    whose price is 0.03."""
    logits = ramp(3.5, 1)
    image = torch.zeros(1, 3, 4, 8)
    image[..., :2, 4], image[..., 2:, 4] = 1.5, 0.5
    image[..., 5:] = 1 + 1.05
    assert torch.equal(moved_to_edges(logits, image, ONE, 1.5), logits)
    image[..., 5:] = 1 + 1.2
    assert torch.equal(moved_to_edges(logits, image, ONE, 1.5), logits + 0.5)


def test_a_picture_of_one_colour_and_an_empty_mask_stay() -> None:
    flat = torch.full((1, 3, 4, 8), 0.3)
    assert torch.equal(moved_to_edges(ramp(1.75, 0.5), flat, ONE, 1.5), ramp(1.75, 0.5))
    empty = ramp(-0.25, 0.5)
    assert torch.equal(moved_to_edges(empty, striped(2), ONE, 1.5), empty)
    none = torch.zeros(0, 4, 8)
    assert moved_to_edges(none, striped(2), torch.zeros(0, dtype=torch.long), 1.5) is none


def test_each_mask_looks_at_its_own_picture() -> None:
    images = torch.cat([striped(3), striped(5)])
    logits = ramp(1.75, 0.5).expand(3, 4, 8)
    moved = moved_to_edges(logits, images, torch.tensor([1, 0, 1]), 1.5)
    assert (moved[:, 0] >= 0).sum(1).tolist() == [5, 3, 5]
