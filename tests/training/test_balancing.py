from __future__ import annotations

import pytest
import torch

from explanans.training.balancing import balance_weights


def test_by_hand() -> None:
    labels = torch.tensor([[1, 1], [1, 1], [1, 0], [1, 0], [0, 0]]).bool()
    having = torch.tensor([[1, 0], [1, 0], [1, 0], [0, 0], [1, 0]]).bool()
    weights = balance_weights(labels, having)
    # Of four pictures of the first class three have the region: 4 / (2 · 3) and 4 / (2 · 1); the second has none.
    assert weights[:, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 1])
    assert weights[:, 1].tolist() == [1] * 5
    assert float(weights[labels[:, 0], 0].sum()) == pytest.approx(4)
