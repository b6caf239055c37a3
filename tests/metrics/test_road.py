from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import Road, impute, road


def example() -> tuple[Tensor, Tensor, Tensor]:
    """Noise on the left, the evidence of class 0 being its brightness; dark on the right."""
    generator = torch.Generator().manual_seed(0)
    images = 0.05 * torch.rand(3, 3, 10, 10, generator=generator)
    images[:, :, 2:8, 1:4] += 0.9
    maps = torch.rand(3, 10, 10, generator=generator)
    return images, maps, torch.tensor([[1, 0], [0, 1], [1, 1]])


def test_is_the_mean_over_shares_of_both_orders(halves) -> None:
    images, maps, labels = example()
    shares = (0.1, 0.5, 0.9)
    expected = []
    for image, values, label in zip(images, maps, labels, strict=True):
        order = values.flatten().argsort(descending=True)
        differences = []
        for share in shares:
            count = round(share * 100)
            scores = []
            for removed in (order[:count], order[-count:]):
                gone = torch.zeros(100, dtype=torch.bool)
                gone[removed] = True
                filled = impute(image[None], gone.view(1, 10, 10), noise=0)
                scores.append((halves(filled)[0] * label).sum() / label.sum())
            differences.append((scores[1] - scores[0]) / 2)
        expected.append(torch.stack(differences).mean())
    ours = road(halves, images, maps, labels, shares, generator=torch.Generator().manual_seed(0))
    # The noise of 0.01 on 50 pixels or fewer, averaged over six pictures.
    torch.testing.assert_close(ours, torch.stack(expected), atol=5e-3, rtol=0)


def test_agrees_with_grad_cam(halves) -> None:
    theirs = pytest.importorskip("pytorch_grad_cam.metrics.road")

    class Model(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return halves(images)

    images, maps, _ = example()
    labels = torch.tensor([[1, 0], [0, 1], [1, 0]])
    targets = [lambda output, c=int(c): output[c] for c in labels.argmax(1)]
    # Its percentiles say where the removed part begins, not how large it is. Without ties both orders are the same.
    expected = theirs.ROADCombined(percentiles=[80, 60, 40, 20])(images, maps.numpy(), targets, Model())
    ours = road(halves, images, maps, labels, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(ours.numpy(), expected, atol=5e-3)


def test_the_object_beats_a_guess_and_its_opposite_loses(halves) -> None:
    images, maps, _ = example()
    labels = torch.tensor([[1, 0]]).expand(3, 2)
    found = images[:, 0] + maps / 100
    best, guess, worst = (road(halves, images, m, labels) for m in (found, maps, 1 - found))
    assert (best > guess + 0.05).all()
    assert (guess > worst + 0.05).all()
    # Both orders are swapped, up to the noise.
    torch.testing.assert_close(best, -worst, atol=1e-2, rtol=0)


def test_constant_image_scores_chance(halves) -> None:
    _, maps, labels = example()
    scores = road(halves, torch.full((3, 3, 10, 10), 0.5), maps, labels)
    torch.testing.assert_close(scores, torch.zeros(3), atol=5e-3, rtol=0)


def test_constant_maps_take_pixels_row_by_row(halves) -> None:
    images, _, labels = example()
    rows = -torch.arange(100.0).view(1, 10, 10).expand(3, 10, 10)
    first, second = (
        road(halves, images, m, labels, generator=torch.Generator().manual_seed(1)) for m in (rows * 0, rows)
    )
    assert torch.equal(first, second)


def test_memory_is_bounded_and_the_generator_decides(halves) -> None:
    images, maps, labels = example()
    scores = road(halves, images, maps, labels, batch_size=5, generator=torch.Generator().manual_seed(2))
    assert (max(halves.batches), sum(halves.batches)) == (5, 3 * 2 * 4)
    again = road(halves, images, maps, labels, batch_size=5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(scores, again)
    assert not torch.equal(scores, road(halves, images, maps, labels, generator=torch.Generator().manual_seed(3)))


def test_nan_is_the_worst_score_and_is_counted(halves) -> None:
    images, maps, labels = example()
    maps[0, 1, 1] = torch.nan

    def classify(batch: Tensor) -> Tensor:
        return torch.where(batch[:, :1].mean((1, 2, 3), keepdim=True)[:, :, 0, 0] > 0.5, torch.nan, halves(batch))

    images[2] += 0.6
    scores = road(classify, images, maps, labels)
    assert scores[[0, 2]].tolist() == [-0.5, -0.5]
    assert scores[1] > -0.5
    state = Road()
    state.update(classify, images, maps, labels, torch.Generator().manual_seed(0))
    assert (state.nan_count, state.count, state.higher_is_better) == (2, 3, True)
    assert state.compute().item() == pytest.approx((scores[1].item() - 1) / 3, abs=5e-3)


def test_states_of_two_processes_sum_to_one(halves) -> None:
    images, maps, labels = example()
    first, second = Road(), Road()
    expected = []
    for state, rows in ((first, slice(0, 2)), (second, slice(2, 3))):
        asked = halves, images[rows], maps[rows], labels[rows]
        state.update(*asked, torch.Generator().manual_seed(0))
        expected.append(road(*asked, generator=torch.Generator().manual_seed(0)))
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), torch.cat(expected).mean())
    assert first.count == 3


def test_bad_input(halves) -> None:
    images, maps, labels = example()
    for shares in ((), (0.0, 0.5), (1.0,), (20, 40)):
        with pytest.raises(InputError, match="percentages="):
            road(halves, images, maps, labels, shares)
    with pytest.raises(InputError, match="maps has shape"):
        road(halves, images, maps[:, :4], labels)
    with pytest.raises(InputError, match="has none"):
        road(halves, images, maps, labels * 0)
