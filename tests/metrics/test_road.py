from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import Road, impute, road
from explanans.metrics.shared.imputation import neighbours


class Corner:
    """Probability of class 0 is the upper left value of the first channel, that of class 1 the rest to one."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        value = images[:, 0, 0, 0].clamp(0, 1)
        return torch.stack([value, 1 - value], 1)


class BrightCorner(Corner):
    """The same made 0 or 1, so that the noise of the imputation does not show."""

    def __call__(self, images: Tensor) -> Tensor:
        return super().__call__(images).round()


def corner_image(count: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """0.9 in the upper left pixel and 0.1 elsewhere; a map that descends from that pixel, row by row; label 0."""
    images = torch.full((count, 3, 5, 5), 0.1)
    images[:, :, 0, 0] = 0.9
    return images, torch.arange(25, 0, -1.0).view(1, 5, 5).repeat(count, 1, 1), torch.tensor([[1, 0]] * count)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def solved(image: Tensor, removed: Tensor) -> np.ndarray:
    """Noiseless imputation of one image (C, H, W) by a sparse direct solver in float64."""
    sparse = pytest.importorskip("scipy.sparse")
    linalg = pytest.importorskip("scipy.sparse.linalg")
    values, gone = image.double().numpy().copy(), removed.numpy()
    places = [tuple(place) for place in np.argwhere(gone)]
    number = {place: i for i, place in enumerate(places)}
    matrix = sparse.lil_matrix((len(places), len(places)))
    right = np.zeros((len(places), len(values)))
    for (y, x), i in number.items():
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                beside = (y + dy, x + dx)
                if (dy, dx) == (0, 0) or not (0 <= beside[0] < gone.shape[0] and 0 <= beside[1] < gone.shape[1]):
                    continue
                weight = 1 / 12 if dy and dx else 1 / 6
                matrix[i, i] += weight
                if beside in number:
                    matrix[i, number[beside]] -= weight
                else:
                    right[i] += weight * values[:, beside[0], beside[1]]
    solution = linalg.spsolve(matrix.tocsc(), right).reshape(len(places), len(values))
    values[:, gone] = solution.T
    return values


def test_one_removed_pixel_by_hand() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3) ** 2
    removed = torch.zeros(2, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = removed[1, 0, 0] = True
    filled = impute(image.repeat(2, 1, 1, 1), removed, noise=0)
    # The middle: sides 1, 9, 25, 49, corners 0, 4, 36, 64. The corner: right 1, below 9, diagonal 16, weights sum 5/12.
    assert filled[0, 0, 1, 1].item() == pytest.approx(84 / 6 + 104 / 12, rel=1e-4)
    assert filled[1, 0, 0, 0].item() == pytest.approx((10 / 6 + 16 / 12) / (5 / 12), rel=1e-4)
    assert torch.equal(filled[~removed[:, None]], image.repeat(2, 1, 1, 1)[~removed[:, None]])


def test_a_gap_in_a_row_is_filled_linearly() -> None:
    row = torch.tensor([0.0, -5, 7, 3])[None, None, None]
    removed = torch.tensor([[[False, True, True, False]]])
    # x₁ = (0 + x₂) / 2 and x₂ = (x₁ + 3) / 2
    torch.testing.assert_close(impute(row, removed, noise=0).flatten(), torch.tensor([0.0, 1, 2, 3]), rtol=1e-3, atol=0)


def test_the_weights_add_up_to_one_within_the_image() -> None:
    ones = neighbours(torch.ones(1, 1, 4, 5))[0, 0]
    assert ones[1, 1].item() == pytest.approx(1)
    assert ones[0, 0].item() == pytest.approx(5 / 12)
    assert ones[0, 2].item() == pytest.approx(8 / 12)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_imputation_agrees_with_a_direct_solver(share: float) -> None:
    generator = seeded()
    images = torch.randn(3, 3, 17, 12, generator=generator)
    removed = torch.rand(3, 17, 12, generator=generator) < share
    removed[:, 8, 6] = False
    filled = impute(images, removed, noise=0, tolerance=1e-6)
    expected = np.stack([solved(image, gone) for image, gone in zip(images, removed, strict=True)])
    np.testing.assert_allclose(filled.numpy(), expected, atol=1e-4)


def test_the_default_tolerance_is_below_the_noise() -> None:
    images = torch.randn(1, 3, 32, 32, generator=seeded())
    removed = torch.ones(1, 32, 32, dtype=torch.bool)
    removed[:, ::9, ::9] = False
    error = np.abs(impute(images, removed, noise=0)[0].numpy() - solved(images[0], removed[0]))
    assert error.max() < 0.005


def test_imputation_agrees_with_grad_cam() -> None:
    module = pytest.importorskip("pytorch_grad_cam.metrics.road")
    images = torch.randn(1, 3, 11, 9, generator=seeded())
    removed = torch.rand(1, 11, 9, generator=torch.Generator().manual_seed(1)) < 0.6
    theirs = module.NoisyLinearImputer(noise=0)(images[0].clone(), (~removed[0]).float())
    np.testing.assert_allclose(
        impute(images, removed, noise=0, tolerance=1e-6)[0].numpy(), np.asarray(theirs), atol=1e-4
    )


def test_the_noise_is_that_of_the_generator_and_only_on_removed_pixels() -> None:
    images = torch.zeros(1, 3, 40, 40)
    removed = torch.ones(1, 40, 40, dtype=torch.bool)
    removed[:, :2] = False
    filled = impute(images, removed, noise=0.05, generator=seeded())
    assert filled[:, :, 2:].std().item() == pytest.approx(0.05, rel=0.05)
    assert (filled[:, :, :2] == 0).all()
    assert torch.equal(filled, impute(images, removed, noise=0.05, generator=seeded()))
    assert not torch.equal(filled, impute(images, removed, noise=0.05, generator=torch.Generator().manual_seed(1)))


def test_an_image_of_nan_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(values: Tensor) -> Tensor:
        calls.append(len(values))
        return neighbours(values)

    monkeypatch.setattr("explanans.metrics.shared.imputation.neighbours", counted)
    images = torch.randn(2, 3, 9, 9, generator=seeded())
    removed = torch.rand(2, 9, 9, generator=seeded()) < 0.5
    expected = impute(images, removed, noise=0)
    images[1, 0] = torch.nan
    filled = impute(images, removed, noise=0)
    torch.testing.assert_close(filled[0], expected[0], rtol=1e-3, atol=1e-3)
    assert filled[1, 0].isnan().all()
    assert len(calls) < 100


def test_nothing_removed_changes_nothing() -> None:
    images = torch.randn(2, 3, 6, 6, generator=seeded())
    assert torch.equal(impute(images, torch.zeros(2, 6, 6, dtype=torch.bool)), images)


def test_hand_worked_score() -> None:
    images, maps, labels = corner_image()
    # Taken first, the corner becomes its neighbours' 0.1; taken last, it stays 0.9: (0.9 − 0.1) / 2, and the noise.
    assert road(Corner(), images, maps, labels, generator=seeded()).item() == pytest.approx(0.4, abs=0.02)
    assert road(Corner(), images, -maps, labels, generator=seeded()).item() == pytest.approx(-0.4, abs=0.02)
    # The classes' probabilities add up to one, so what speaks for class 0 speaks against class 1, and both cancel.
    assert road(Corner(), images, maps, torch.tensor([[0, 1]])).item() == pytest.approx(-0.4, abs=0.02)
    assert road(Corner(), images, maps, torch.tensor([[1, 1]])).item() == pytest.approx(0, abs=1e-6)


def test_the_shares_are_averaged() -> None:
    images, maps, labels = corner_image()
    maps[:, 0, 0] = 18.5
    # The corner is the eighth of 25 pixels: 20 % (5 pixels) leave it, 40 % (10) take it, from the other end 80 % (20).
    assert road(BrightCorner(), images, maps, labels, (0.2,)).item() == 0
    assert road(BrightCorner(), images, maps, labels, (0.4,)).item() == 0.5
    assert road(BrightCorner(), images, maps, labels, (0.8,)).item() == 0
    assert road(BrightCorner(), images, maps, labels, (0.2, 0.4)).item() == 0.25


@pytest.mark.parametrize("value", [-2.0, 0.0, 1.0])
def test_a_constant_map_goes_row_by_row(value: float) -> None:
    images, maps, labels = corner_image()
    constant = torch.full_like(maps, value)
    assert torch.equal(
        road(Corner(), images, constant, labels, generator=seeded()),
        road(Corner(), images, maps, labels, generator=seeded()),
    )


def test_agrees_with_a_loop_that_solves_directly() -> None:
    generator = seeded()
    images, maps = torch.randn(2, 3, 8, 9, generator=generator), torch.rand(2, 8, 9, generator=generator)
    weight = torch.randn(3 * 8 * 9, 2, generator=generator) / 10
    labels = torch.tensor([[1, 0], [1, 1]])

    def classify(batch: Tensor) -> Tensor:
        return (batch.flatten(1) @ weight).sigmoid()

    expected = []
    for image, map_, label in zip(images, maps, labels, strict=True):
        order, differences = map_.flatten().argsort(descending=True), []
        for share in (0.2, 0.4, 0.6, 0.8):
            taken = round(share * 72)
            kept = []
            for part in (order[:taken], order[-taken:]):
                removed = torch.zeros(72, dtype=torch.bool)
                removed[part] = True
                filled = torch.from_numpy(solved(image, removed.view(8, 9))).float()
                kept.append(classify(filled[None])[0, label.bool()].mean().item())
            differences.append((kept[1] - kept[0]) / 2)
        expected.append(np.mean(differences))
    assert max(np.abs(expected)) > 0.01
    np.testing.assert_allclose(road(classify, images, maps, labels, generator=generator).numpy(), expected, atol=0.004)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_are_bounded_and_change_nothing(batch_size: int) -> None:
    images, maps, labels = corner_image(3)
    maps[1] = -maps[1]
    classify = BrightCorner()
    assert road(classify, images, maps, labels, batch_size=batch_size).tolist() == [0.5, -0.5, 0.5]
    # Three images, two orders, four shares.
    assert max(classify.batches) == min(batch_size, 24)
    assert sum(classify.batches) == 24


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_is_the_worst_score_and_is_counted(value: float) -> None:
    images, maps, labels = corner_image(4)
    maps[1, 2, 2] = value
    images[2] = torch.nan
    assert road(BrightCorner(), images, maps, labels).tolist() == [0.5, -0.5, -0.5, 0.5]
    state = Road()
    state.update(BrightCorner(), images, maps, labels)
    assert state.compute().item() == 0
    assert (state.nan_count.item(), state.count.item()) == (2, 4)


def test_the_mean_does_not_depend_on_how_images_are_spread() -> None:
    images, maps, labels = corner_image(5)
    maps[1], maps[4] = -maps[1], torch.nan
    whole, first, second = Road(), Road(), Road()
    whole.update(BrightCorner(), images, maps, labels)
    first.update(BrightCorner(), images[:2], maps[:2], labels[:2])
    second.update(BrightCorner(), images[2:], maps[2:], labels[2:])
    first.merge_state(second)
    assert first.compute().item() == whole.compute().item() == pytest.approx(0.1)
    assert first.nan_count == whole.nan_count == 1
    assert whole.higher_is_better is True


def test_bad_input() -> None:
    images, maps, labels = corner_image()
    removed = torch.zeros(1, 5, 5, dtype=torch.bool)
    for message, call in {
        "percentages=": lambda: road(Corner(), images, maps, labels, ()),
        "between 0 and 1": lambda: road(Corner(), images, maps, labels, (0.5, 1.0)),
        "maps has shape": lambda: road(Corner(), images, maps[:, 1:], labels),
        "labels: an image has none": lambda: road(Corner(), images, maps, labels * 0),
        "batch_size=0": lambda: road(Corner(), images, maps, labels, batch_size=0),
        "nothing is left": lambda: impute(images, ~removed),
        "removed torch.float32": lambda: impute(images, removed.float()),
        "give .N, C, H, W.": lambda: impute(images[0], removed),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
