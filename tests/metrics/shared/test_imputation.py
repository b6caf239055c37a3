from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import impute

WEIGHTS = {(y, x): 1 / 6 if 0 in (y, x) else 1 / 12 for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}


def example() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 2, 9, 7, generator=generator)
    removed = torch.rand(3, 9, 7, generator=generator) < torch.tensor([0.2, 0.6, 0.95])[:, None, None]
    removed[2, 4, 4] = False
    return images, removed


def solved(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """The same rule as a sparse linear system, one equation for each removed pixel, written down entry by entry."""
    sparse = pytest.importorskip("scipy.sparse")
    linalg = pytest.importorskip("scipy.sparse.linalg")
    height, width = removed.shape
    places = np.argwhere(removed)
    number = {tuple(place): k for k, place in enumerate(places)}
    matrix, right = sparse.lil_matrix((len(places), len(places))), np.zeros((len(places), len(image)))
    for k, (y, x) in enumerate(places):
        for (down, along), weight in WEIGHTS.items():
            b, a = y + down, x + along
            if not (0 <= b < height and 0 <= a < width):
                continue
            matrix[k, k] += weight
            if (b, a) in number:
                matrix[k, number[b, a]] -= weight
            else:
                right[k] += weight * image[:, b, a]
    result = image.copy()
    result[:, removed] = linalg.spsolve(matrix.tocsc(), right).reshape(len(places), -1).T
    return result


def test_agrees_with_a_sparse_solver() -> None:
    images, removed = example()
    ours = impute(images.double(), removed, noise=0, tolerance=1e-10)
    for image, gone, filled in zip(images.double().numpy(), removed.numpy(), ours.numpy(), strict=True):
        np.testing.assert_allclose(filled, solved(image, gone), atol=1e-8)
    torch.testing.assert_close(impute(images, removed, noise=0), ours.float(), atol=2e-3, rtol=0)


def test_agrees_with_grad_cam() -> None:
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    images, removed = example()
    theirs = torch.stack(
        [road.NoisyLinearImputer(noise=0)(x, (~gone).float()) for x, gone in zip(images, removed, strict=True)]
    )
    torch.testing.assert_close(impute(images, removed, noise=0, tolerance=1e-6), theirs, atol=1e-4, rtol=0)


def test_hand_worked_values() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 0.0, 6.0], [7.0, 8.0, 9.0]]]])
    removed = torch.zeros(1, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = True
    # Sides 2, 4, 6, 8 and corners 1, 3, 7, 9: 20 / 6 + 20 / 12.
    assert impute(image, removed, noise=0)[0, 0, 1, 1].item() == pytest.approx(5)
    corner = torch.zeros_like(removed)
    corner[0, 0, 0] = True
    # Sides 2 and 4, one corner 0; the weights that are left sum to 5/12.
    assert impute(image, corner, noise=0)[0, 0, 0, 0].item() == pytest.approx((2 / 6 + 4 / 6 + 0 / 12) / (5 / 12))


def test_what_is_left_stays_and_a_constant_is_continued() -> None:
    images, removed = example()
    filled = impute(images, removed)
    left = ~removed[:, None].expand_as(images)
    assert torch.equal(filled[left], images[left])
    constant = torch.full((3, 2, 9, 7), 0.7)
    torch.testing.assert_close(impute(constant, removed, noise=0), constant, atol=1e-3, rtol=0)
    assert torch.equal(impute(images, torch.zeros_like(removed)), images)


def test_noise_follows_the_generator_and_its_deviation() -> None:
    images, removed = torch.zeros(2, 3, 64, 64), torch.ones(2, 64, 64, dtype=torch.bool)
    removed[:, 0, 0] = False
    first = impute(images, removed, 0.1, torch.Generator().manual_seed(4))
    assert torch.equal(first, impute(images, removed, 0.1, torch.Generator().manual_seed(4)))
    assert not torch.equal(first, impute(images, removed, 0.1, torch.Generator().manual_seed(5)))
    assert first.std().item() == pytest.approx(0.1, rel=0.05)


def test_bad_input() -> None:
    images, removed = example()
    with pytest.raises(InputError, match="nothing is left"):
        impute(images, torch.ones_like(removed))
    with pytest.raises(InputError, match="give"):
        impute(images, removed[:, 1:])
    with pytest.raises(InputError, match="give"):
        impute(images, removed.float())
