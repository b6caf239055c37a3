from __future__ import annotations

import pytest
import torch

from explanans.classifiers.spatial import spatial_view, token_grid


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (196, (224, 224), (14, 14, 0)),
        (197, (224, 224), (14, 14, 1)),
        (198, (224, 224), (14, 14, 2)),
        (261, (224, 224), (16, 16, 5)),
        (4 * 6, (64, 96), (4, 6, 0)),
        (1 + 6 * 4, (96, 64), (6, 4, 1)),
        (14 * 12, (224, 192), (14, 12, 0)),
        (49, (224, 224), (7, 7, 0)),
        (3, (224, 224), None),
        # 20 is no grid of a square image with at most 9 tokens in front but 4 x 4.
        (20, (224, 224), (4, 4, 4)),
        (46 * 46 - 20, (736, 736), None),
        # More tokens than pixels.
        (100, (8, 8), None),
    ],
)
def test_how_tokens_lie(count: int, size: tuple[int, int], expected: tuple[int, int, int] | None) -> None:
    assert token_grid(count, size) == expected


def test_every_layout_shows_the_same_positions() -> None:
    features = torch.randn(2, 5, 4, 6)
    size = (64, 96)
    assert spatial_view(features, size) is features
    last = features.permute(0, 2, 3, 1)
    assert torch.equal(spatial_view(last, size), features)
    tokens = torch.cat([torch.full((2, 3, 5), 9.0), last.flatten(1, 2)], 1)
    assert torch.equal(spatial_view(tokens, size), features)


def test_gradients_flow_through_the_view_and_not_to_the_tokens_in_front() -> None:
    tokens = torch.randn(1, 17, 3, requires_grad=True)
    spatial_view(tokens, (32, 32)).sum().backward()
    assert tokens.grad[:, :1].unique().tolist() == [0]
    assert tokens.grad[:, 1:].unique().tolist() == [1]


@pytest.mark.parametrize("shape", [(2, 7), (2, 5, 1, 1), (2, 3, 9, 40), (2, 2, 3), (2, 6, 17, 8, 8)])
def test_what_has_no_positions_has_no_view(shape: tuple[int, ...]) -> None:
    assert spatial_view(torch.zeros(shape), (64, 64)) is None
