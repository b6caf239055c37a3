from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import Road, impute, road

LABELS = torch.tensor([[1, 0]])


def corner(images: Tensor) -> Tensor:
    """Class 0 has the mean of the upper left quarter, cut to [0, 1]."""
    mean = images[..., :8, :8].mean((1, 2, 3)).clamp(0, 1)
    return torch.stack([mean, 1 - mean], 1)


def bright_corner() -> tuple[Tensor, Tensor]:
    """An image that is 1 in the corner and 0 elsewhere, and the map of it."""
    image = torch.zeros(1, 3, 16, 16)
    image[..., :8, :8] = 1
    return image, image[:, 0]


def test_imputation_solves_the_linear_system() -> None:
    linalg, sparse = pytest.importorskip("scipy.sparse.linalg"), pytest.importorskip("scipy.sparse")
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 9, 11, generator=generator)
    removed = torch.rand(2, 9, 11, generator=generator) < 0.6
    got = impute(images, removed, noise=0.0, tolerance=1e-7)
    for n in range(2):
        unknown = {tuple(place): k for k, place in enumerate(removed[n].nonzero().tolist())}
        matrix = sparse.lil_matrix((len(unknown), len(unknown)))
        right = np.zeros((len(unknown), 3))
        for (y, x), k in unknown.items():
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy, dx) == (0, 0) or not (0 <= y + dy < 9 and 0 <= x + dx < 11):
                        continue
                    weight = 1 / 12 if dy and dx else 1 / 6
                    matrix[k, k] += weight
                    if (y + dy, x + dx) in unknown:
                        matrix[k, unknown[y + dy, x + dx]] -= weight
                    else:
                        right[k] += weight * images[n, :, y + dy, x + dx].numpy()
        solution = linalg.spsolve(matrix.tocsr(), right)
        expected = images[n].clone()
        for (y, x), k in unknown.items():
            expected[:, y, x] = torch.from_numpy(solution[k])
        torch.testing.assert_close(got[n], expected, atol=1e-4, rtol=1e-4)


def test_imputation_keeps_what_is_left_and_draws_from_the_generator() -> None:
    images, removed = torch.rand(1, 3, 8, 8), torch.rand(1, 8, 8) < 0.5
    first, again, other = (
        impute(images, removed, noise=0.1, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(
        first.where(~removed[:, None], torch.zeros(())), images.where(~removed[:, None], torch.zeros(()))
    )


def test_nothing_left_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is left"):
        impute(torch.ones(1, 3, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool))


def test_finding_the_evidence_is_good_missing_it_is_bad() -> None:
    image, found = bright_corner()
    arguments = {"percentages": (0.25, 0.5), "generator": torch.Generator().manual_seed(0)}
    good = road(corner, image, found, LABELS, **arguments)
    bad = road(corner, image, 1 - found, LABELS, **arguments)
    # Without the corner nothing is left to impute it from but darkness; without the rest all of it is there.
    assert good.item() > 0.4
    torch.testing.assert_close(bad, -good, atol=0.02, rtol=0)


def test_by_the_definition() -> None:
    image, found = bright_corner()
    order = found.flatten().argsort(descending=True, stable=True)
    scores = []
    for count in (64, 128):
        values = []
        for removed_places in (order[:count], order[256 - count :]):
            removed = torch.zeros(256, dtype=torch.bool)
            removed[removed_places] = True
            values.append(corner(impute(image, removed.view(1, 16, 16), noise=0.0))[0, 0])
        scores.append((values[1] - values[0]) / 2)
    got = road(corner, image, found, LABELS, percentages=(0.25, 0.5), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(got[0], torch.stack(scores).mean(), atol=5e-3, rtol=0)


def test_nan_gets_the_worst_value_and_is_counted() -> None:
    image, found = bright_corner()
    metric = Road(percentages=(0.5,))
    metric.update(corner, image, found.masked_fill(found > 0, torch.nan), LABELS)
    assert metric.compute().item() == -0.5
    assert int(metric.nan_count) == 1


@pytest.mark.parametrize("shares", [(), (0.0,), (0.5, 1.0)])
def test_shares_outside_the_unit_interval_are_refused(shares: tuple[float, ...]) -> None:
    image, found = bright_corner()
    with pytest.raises(InputError, match="percentages"):
        road(corner, image, found, LABELS, percentages=shares)
