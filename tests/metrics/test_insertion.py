from __future__ import annotations

import numpy as np
import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import Deletion, Insertion, curve_auc, deletion, insertion

FUNCTIONS = [insertion, deletion]


def test_hand_worked_values(halves) -> None:
    images, background = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    maps, labels = torch.tensor([[[9.0, 4.0], [7.0, -1.0]]]), torch.tensor([[1, 0]])
    # Both pixels on the left come first, and class 0 sees only these.
    appear = insertion(halves, images, maps, labels, background, steps=4)
    vanish = deletion(halves, images, maps, labels, background, steps=4)
    assert appear.tolist() == [[0, 0.5, 1, 1, 1]]
    assert vanish.tolist() == [[1, 0.5, 0, 0, 0]]
    assert curve_auc(appear).item() == pytest.approx((0.25 + 0.75 + 1 + 1) / 4)
    assert curve_auc(vanish).item() == pytest.approx((0.75 + 0.25) / 4)
    both = insertion(halves, images, maps, torch.tensor([[1, 1]]), background, steps=4)
    assert both.tolist() == [[0, 0.25, 0.5, 0.75, 1]]
    assert insertion(halves, images, maps, labels, background, steps=3).shape == (1, 4)


def test_constant_maps_take_pixels_row_by_row_and_the_object_is_best(halves) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 6, 6, generator=generator)
    images[:, :, :, :3] = 1  # the object of class 0
    background, labels = torch.zeros_like(images), torch.tensor([[1, 0]]).expand(3, 2)
    found = torch.zeros(3, 6, 6)
    found[:, :, :3] = 1
    best = curve_auc(insertion(halves, images, found, labels, background, steps=36))
    # 18 pixels that raise the probability by 1/18 each, then 18 at 1.
    torch.testing.assert_close(best, torch.full((3,), (0.5 * 18 + 18) / 36))
    rows = insertion(halves, images, torch.full((3, 6, 6), 0.7), labels, background, steps=6)
    torch.testing.assert_close(rows, torch.linspace(0, 1, 7).expand(3, 7))
    worst = curve_auc(insertion(halves, images, 1 - found, labels, background, steps=36))
    torch.testing.assert_close(worst, torch.full((3,), 0.5 * 18 / 36))
    for guess in torch.rand(5, 3, 6, 6, generator=generator):
        area = curve_auc(insertion(halves, images, guess, labels, background, steps=36))
        assert ((worst < area) & (area < best)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_ends_of_the_curves(function, halves) -> None:
    images, background, maps = torch.rand(3, 3, 7, 5), torch.zeros(3, 3, 7, 5), torch.randn(3, 7, 5)
    labels = torch.tensor([[1, 0], [0, 1], [1, 1]])
    curve = function(halves, images, maps, labels, background, steps=8)
    whole = (halves(images) * labels).sum(1) / labels.sum(1)
    first, last = (0, -1) if function is deletion else (-1, 0)
    torch.testing.assert_close(curve[:, first], whole)
    assert (curve[:, last] == 0).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_order_counts_and_batches_do_not(function, halves) -> None:
    images, maps, labels = torch.rand(3, 3, 8, 8), torch.rand(3, 8, 8), torch.ones(3, 2)
    background = torch.zeros_like(images)
    curve = function(halves, images, maps, labels, background, steps=5)
    halves.batches.clear()
    again = function(halves, images, (20 * maps - 9)[:, None], labels, background, steps=5, batch_size=4)
    torch.testing.assert_close(curve, again)
    assert max(halves.batches) == 4
    assert sum(halves.batches) == 3 * 6


def test_deletion_agrees_with_pixel_flipping_of_quantus(halves) -> None:
    quantus = pytest.importorskip("quantus")

    # Quantus counts each channel as a feature of its own and leaves out the whole image, the first point of our curve;
    # with one channel the rest is the same.
    class Model(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return halves(images)

    generator = torch.Generator().manual_seed(0)
    images, maps = torch.rand(4, 1, 6, 6, generator=generator), torch.rand(4, 6, 6, generator=generator)
    classes = torch.tensor([0, 1, 1, 0])
    theirs = quantus.PixelFlipping(features_in_step=4, perturb_baseline=0.0, normalise=False, disable_warnings=True)(
        model=Model().eval(),
        x_batch=images.numpy(),
        y_batch=classes.numpy(),
        a_batch=maps[:, None].numpy(),
        softmax=False,
        device="cpu",
    )
    labels = torch.nn.functional.one_hot(classes, 2)
    ours = deletion(halves, images, maps, labels, torch.zeros_like(images), steps=9)
    np.testing.assert_allclose(ours[:, 1:].numpy(), theirs, atol=1e-6)


@pytest.mark.parametrize(("function", "metric", "worst"), [(insertion, Insertion, 0), (deletion, Deletion, 1)])
def test_nan_is_the_worst_score_and_is_counted(function, metric, worst: int, halves) -> None:
    images, maps, labels = torch.rand(4, 3, 4, 4), torch.rand(4, 4, 4), torch.ones(4, 2)
    background = torch.zeros_like(images)
    maps[0, 1, 1], maps[1, 0, 0] = torch.nan, torch.inf
    images[2, 0, 0, 0] = torch.nan  # so that the classifier answers NaN
    curve = function(halves, images, maps, labels, background, steps=4)
    assert (curve[:3] == worst).all()
    assert (curve[3] != worst).any()
    state = metric(steps=4)
    state.update(halves, images, maps, labels, background)
    torch.testing.assert_close(state.compute(), curve_auc(curve).mean())
    torch.testing.assert_close(state.means(), curve.mean(0))
    assert (state.nan_count, state.count, state.higher_is_better) == (3, 4, worst == 0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_input(function, halves) -> None:
    images, maps, labels = torch.rand(2, 3, 4, 4), torch.rand(2, 4, 4), torch.ones(2, 2)
    for steps in (0, 17):
        with pytest.raises(InputError, match=f"steps={steps}"):
            function(halves, images, maps, labels, images, steps=steps)
    with pytest.raises(InputError, match="maps has shape"):
        function(halves, images, maps[:, :3], labels, images)
    with pytest.raises(InputError, match="background has shape"):
        function(halves, images, maps, labels, images[:, :1])
    with pytest.raises(InputError, match="has none"):
        function(halves, images, maps, labels * 0, images)
    with pytest.raises(InputError, match="do not fit"):
        function(halves, images, maps, torch.ones(2, 3), images)
    with pytest.raises(InputError, match="curve has shape"):
        curve_auc(torch.rand(3, 1))
