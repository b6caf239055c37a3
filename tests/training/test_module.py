from __future__ import annotations

import pytest
import torch

from explanans.errors import TrainingDiverged
from explanans.training.module import check_finite


def test_terms_are_added() -> None:
    terms = {"one": torch.tensor(1.0, requires_grad=True), "two": torch.tensor(2.5)}
    loss = check_finite(terms, 0)
    assert loss.item() == 3.5
    assert loss.requires_grad


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"good": 1.0, "bad": float("nan")}, r"step 7: \{'bad': nan\}"),
        ({"up": float("inf"), "down": -float("inf")}, r"'up': inf, 'down': -inf"),
        ({"large": 3e38, "larger": 3e38}, "the sum of its terms overflows"),
    ],
)
def test_what_is_not_finite_is_named(terms: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingDiverged, match=message):
        check_finite({name: torch.tensor(value) for name, value in terms.items()}, 7)
