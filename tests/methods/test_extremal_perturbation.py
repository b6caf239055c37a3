from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans import Explanandum, InputError, Preprocessing
from explanans.methods.extremal_perturbation import (
    BlurPyramid,
    ExtremalPerturbation,
    area_loss,
    contrastive_reward,
    gaussian_smoothing,
    smallest_sufficient,
)

SIZE = 32
PATCHES = ((slice(4, 12), slice(18, 26)), (slice(20, 28), slice(4, 12)))


class Patches(nn.Module):
    """Class 0 reads the red of one patch, class 1 the blue of another; remembers the size of what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []
        self.with_gradients: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.counts.append(len(images))
        self.with_gradients.append(images.requires_grad)
        (top, right), (bottom, left) = PATCHES
        return 20 * torch.stack([images[:, 0, top, right].mean((1, 2)), images[:, 2, bottom, left].mean((1, 2))], 1)


def patches() -> tuple[Explanandum, Patches]:
    module = Patches()
    classifier = Explanandum(
        module, classes=("red", "blue"), activation="softmax", preprocessing=Preprocessing(SIZE, (0, 0, 0), (1, 1, 1))
    )
    module.counts.clear()
    module.with_gradients.clear()
    return classifier, module


def picture() -> Tensor:
    image = torch.zeros(1, 3, SIZE, SIZE)
    for channel, (rows, columns) in zip((0, 2), PATCHES, strict=True):
        image[0, channel, rows, columns] = 1
    return image


def test_area_loss_by_hand() -> None:
    masks = torch.tensor([[[0.9, 0.1], [0.4, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    # Sorted 0.1 0.4 0.9 1.0 against 0 0 1 1 and against 0 0 0 1; the second mask has exactly half of the pixels.
    expected = torch.tensor([(0.01 + 0.16 + 0.01 + 0) / 4, 0.0])
    torch.testing.assert_close(area_loss(masks, torch.tensor([0.5, 0.5])), expected)
    expected = torch.tensor([(0.01 + 0.16 + 0.81 + 0) / 4, 0.25])
    torch.testing.assert_close(area_loss(masks, torch.tensor([0.25, 0.25])), expected)


def test_area_loss_is_the_distance_of_the_sorted_masks() -> None:
    masks = torch.rand(3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    areas = torch.tensor([0.05, 0.3, 0.77], dtype=torch.float64)
    reference = torch.ones(3, 99, dtype=torch.float64)
    for row, area in zip(reference, areas.tolist(), strict=True):
        row[: 99 - round(99 * area)] = 0
    naive = (masks.flatten(1).sort(1).values - reference).square().mean(1)
    ours = area_loss(masks, areas)
    torch.testing.assert_close(ours, naive)
    for theirs, mine in zip(
        torch.autograd.grad(naive.sum(), masks), torch.autograd.grad(ours.sum(), masks), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_values_that_tie_share_the_gradient() -> None:
    masks = torch.full((1, 4, 5), 0.5, requires_grad=True)
    loss = area_loss(masks, torch.tensor([0.3]))
    torch.testing.assert_close(loss.detach(), torch.tensor([0.25]))
    (gradient,) = torch.autograd.grad(loss.sum(), masks)
    # (2 · 0.5 − 2 · 6/20) / 20 everywhere.
    torch.testing.assert_close(gradient, torch.full((1, 4, 5), 0.02))


def test_contrastive_reward_by_hand() -> None:
    logits = torch.tensor([[1.0, 4.0, -2.0], [1.0, 4.0, -2.0]])
    torch.testing.assert_close(contrastive_reward(logits, torch.tensor([0, 1])), torch.tensor([-3.0, 3.0]))
    torch.testing.assert_close(contrastive_reward(logits[:, :1], torch.tensor([0, 0])), torch.tensor([1.0, 1.0]))


def test_smallest_sufficient_by_hand() -> None:
    reached = torch.tensor([[1.0, 3.0, 2.0], [4.0, 5.0, 6.0], [0.0, 2.0, 1.0]])
    assert smallest_sufficient(reached, torch.tensor([2.0, 3.0, 9.0])).tolist() == [1, 0, 1]


def test_pyramid_interpolates_between_levels() -> None:
    images = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    pyramid = BlurPyramid(images, levels=3, blur=4.0)
    levels = pyramid.colours.view(2, 3, 24, 20, 3).permute(0, 1, 4, 2, 3)
    torch.testing.assert_close(levels[:, 2], images)
    assert levels[:, 0].std() < levels[:, 1].std() < images.std()
    rows = torch.tensor([1, 0, 0])
    masks = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(1))
    masks[1], masks[2] = 1, 0
    masks[0, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
    seen = pyramid(masks, rows)
    torch.testing.assert_close(seen[1], images[0])
    torch.testing.assert_close(seen[2], levels[0, 0])
    for y, x in [(0, 0), (0, 1), (0, 2), (3, 4), (23, 19)]:
        level = 2 * float(masks[0, y, x])
        below = min(int(level), 1)
        expected = (1 - level + below) * levels[1, below, :, y, x] + (level - below) * levels[1, below + 1, :, y, x]
        torch.testing.assert_close(seen[0, :, y, x], expected)


def test_smoothing_keeps_the_sum_inside_and_loses_it_at_the_border() -> None:
    masks = torch.zeros(2, 41, 31)
    masks[0, 20, 15], masks[1, 0, 15] = 1, 1
    smooth = gaussian_smoothing(masks, 2.0)
    torch.testing.assert_close(smooth[0].sum(), torch.tensor(1.0))
    assert 0.5 < smooth[1].sum() < 0.65
    # exp(−d² / 8) beside exp(0).
    torch.testing.assert_close(smooth[0, 22, 15] / smooth[0, 20, 15], torch.tensor(-0.5).exp())


def quick(classifier: Explanandum, **settings: object) -> ExtremalPerturbation:
    defaults = {
        "iterations": 40,
        "step": 4,
        "sigma": 6.0,
        "blur": 8.0,
        "smoothing": 0.0,
        "areas": (0.1, 0.3),
        "mirror": False,
    }
    return ExtremalPerturbation(classifier, **{**defaults, **settings})  # type: ignore[arg-type]


def test_finds_planted_evidence_of_the_area_asked_for() -> None:
    classifier, _ = patches()
    images = torch.cat([picture(), picture().flip(3)])
    maps = quick(classifier, areas=(0.1,), iterations=80)(images, torch.tensor([[1, 1], [0, 0]]))
    for own, (rows, columns) in zip((0, 1), PATCHES, strict=True):
        mask = maps[0, own]
        assert mask[rows, columns].mean() > 0.75
        assert mask.mean() < 0.22
        assert mask[PATCHES[1 - own]].mean() < 0.1
    assert (maps[1] == 0).all()


def test_corners_are_not_cheap() -> None:
    # Without evidence only the area decides where the mask lies; what it covers outside the image counts.
    mask = quick(patches()[0], areas=(0.1,))(torch.zeros(1, 3, SIZE, SIZE), "red")[0, 0]
    assert mask.mean() > 0.05
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.05


def test_rows_are_independent_and_batches_bounded() -> None:
    classifier, module = patches()
    images = torch.cat([picture(), picture() * torch.linspace(0.3, 1, SIZE)])
    targets = torch.tensor([[1, 1], [0, 1]])
    settings = {"iterations": 4, "areas": (0.05, 0.1, 0.2)}
    maps = quick(classifier, batch_size=32, **settings)(images, targets)
    # 3 pairs × 3 areas, once per iteration and once at the end, and each image once.
    assert sum(module.counts) == 9 * 5 + 2
    assert sum(n for n, gradients in zip(module.counts, module.with_gradients, strict=True) if gradients) == 9 * 4
    for batch_size in (2, 4):
        module.counts.clear()
        torch.testing.assert_close(quick(classifier, batch_size=batch_size, **settings)(images, targets), maps)
        assert max(module.counts) <= batch_size
    torch.testing.assert_close(quick(classifier, **settings)(images[1:], "blue")[:, 1], maps[1:, 1])


def test_no_grad_and_inference_mode() -> None:
    classifier, _ = patches()
    method = quick(classifier, iterations=3)
    with torch.no_grad():
        maps = method(picture(), "red")
    torch.testing.assert_close(maps, method(picture(), "red"))
    with torch.inference_mode(), pytest.raises(InputError, match="no_grad"):
        method(picture(), "red")
    with torch.inference_mode():
        image = picture()
    torch.testing.assert_close(method(image, "red"), maps)
    double = method(picture().double(), "red")
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), maps, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("areas", ()), ("areas", (0.1, 1.0)), ("iterations", 0), ("step", 0), ("sigma", 0.0), ("levels", 1)],
)
def test_wrong_settings(setting: str, value: object) -> None:
    with pytest.raises(InputError, match=setting):
        quick(patches()[0], **{setting: value})
