from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.benchmark.calling import Caller
from explanans.benchmark.scoring import Pictures
from explanans.benchmark.stability import sensitivity
from explanans.metrics.sensitivity import LIMIT

PICTURES = Pictures(
    torch.full((3, 3, 6, 6), 0.5), torch.tensor([[1, 0], [0, 1], [1, 1]]).bool(), None, None, None, (4, 7, 9)
)


def of(method, places=(0, 1, 2)) -> dict[int, float]:
    return sensitivity(Caller("m", method, seed=0), PICTURES, places, "raw", samples=3)


def test_a_map_that_ignores_the_image_is_stable_even_if_it_draws() -> None:
    def drawn(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(*targets.shape, 6, 6, generator=generator) * targets[:, :, None, None]

    assert of(drawn) == {0: 0.0, 1: 0.0, 2: 0.0}


def test_what_changes_with_the_image_is_counted_relative_to_the_map() -> None:
    seen: list[Tensor] = []

    def image(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        seen.append(images)
        return images[:, :1] * targets[:, :, None, None]

    found = of(image, places=(1,))
    original, *noisy = (each[0, 0] for each in seen)
    expected = max((each - original).norm() / original.norm() for each in noisy)
    assert found == {1: pytest.approx(expected.item(), rel=1e-5)}
    assert len(noisy) == 3
    assert max((each - original).abs().max() for each in noisy) <= 0.02 + 1e-6

    # Every method meets the same noise.
    first = [each.clone() for each in seen]
    seen.clear()
    sensitivity(Caller("another", image, seed=0), PICTURES, (1,), "raw", samples=3)
    assert all(torch.equal(a, b) for a, b in zip(first, seen, strict=True))


def test_a_failure_on_a_copy_is_the_worst() -> None:
    def particular(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if not (images == 0.5).all():
            raise RuntimeError("no")
        return images[:, :1] * targets[:, :, None, None]

    assert of(particular, places=(0, 2)) == {0: LIMIT, 2: LIMIT}
