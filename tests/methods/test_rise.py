from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explanans import Explanandum, InputError, Preprocessing
from explanans.methods.rise import RISE, upsampling


class Watched(nn.Module):
    """A classifier of three classes that remembers the batches that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 3)
        )
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return 5 * self.inner(images)


def watched(size: tuple[int, int], activation: str = "sigmoid") -> tuple[Explanandum, Watched]:
    module = Watched()
    classifier = Explanandum(
        module,
        classes=("a", "b", "c"),
        activation=activation,  # type: ignore[arg-type]
        preprocessing=Preprocessing(size, (0, 0, 0), (1, 1, 1)),
    )
    module.seen.clear()
    return classifier, module


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_agrees_with_the_formula_over_the_masks_that_were_used(activation: str) -> None:
    # On an image of ones the classifier is shown the masks themselves.
    classifier, module = watched((17, 22), activation)
    image = torch.ones(1, 3, 17, 22)
    rise = RISE(classifier, masks=40, cells=3, probability=0.4, batch_size=7)
    maps = rise(image, ["a", "b", "c"], torch.Generator().manual_seed(1))
    masks = torch.cat(module.seen)[:, 0]
    assert len(masks) == 40
    expected = torch.zeros(3, 17, 22, dtype=torch.float64)
    for mask in masks:
        with torch.no_grad():
            logits = module(mask.expand(1, 3, -1, -1)).double()[0]
        probabilities = logits.sigmoid() if activation == "sigmoid" else logits.softmax(0)
        for index in range(3):
            expected[index] += probabilities[index] * mask.double() / (0.4 * 40)
    assert expected.max() > 0.1
    torch.testing.assert_close(maps[0].double(), expected, rtol=0, atol=1e-6)


def test_masks_are_shifted_windows_of_enlarged_grids() -> None:
    size, cells = (17, 22), 4
    classifier, module = watched(size)
    RISE(classifier, masks=300, cells=cells, batch_size=50)(
        torch.ones(1, 3, *size), "a", torch.Generator().manual_seed(2)
    )
    masks = torch.cat(module.seen)[:, 0]
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert abs(float(masks.mean()) - 0.5) < 0.05
    # Nothing is preferred: over many masks every pixel is seen alike.
    assert (masks.mean(0) - 0.5).abs().max() < 0.15
    assert masks.flatten(1).unique(dim=0).shape[0] > 290


def test_upsampling_is_bilinear_and_cut_out() -> None:
    grid = torch.rand(3, 3, generator=torch.Generator().manual_seed(0))
    rows, columns = upsampling(3, 8, grid), upsampling(3, 10, grid)
    assert rows.shape == (3, 8, 3)
    assert columns.shape == (4, 10, 3)
    whole = F.interpolate(grid[None, None], (12, 16), mode="bilinear", align_corners=False)[0, 0]
    for y in range(3):
        for x in range(4):
            torch.testing.assert_close(rows[y] @ grid @ columns[x].T, whole[y : y + 8, x : x + 10])


class Patch(nn.Module):
    """Class 0 is seen with the red of rows 4…7, columns 20…27; class 1 with the blue of rows 20…27, columns 2…5."""

    def forward(self, images: Tensor) -> Tensor:
        red, blue = images[:, 0, 4:8, 20:28].mean((1, 2)), images[:, 2, 20:28, 2:6].mean((1, 2))
        return 20 * torch.stack([red, blue], 1) - 10


def test_finds_planted_evidence() -> None:
    classifier = Explanandum(
        Patch(), classes=("red", "blue"), activation="sigmoid", preprocessing=Preprocessing(32, (0, 0, 0), (1, 1, 1))
    )
    maps = RISE(classifier, masks=600, batch_size=100)(
        torch.ones(2, 3, 32, 32), torch.tensor([[1, 1], [0, 1]]), torch.Generator().manual_seed(0)
    )
    for index, (rows, columns) in enumerate([(slice(4, 8), slice(20, 28)), (slice(20, 28), slice(2, 6))]):
        assert maps[0, index, rows, columns].mean() > maps[0, index].mean() + 2 * maps[0, index].std()
        row, column = divmod(int(maps[0, index].argmax()), 32)
        assert rows.start - 2 <= row < rows.stop + 2
        assert columns.start - 2 <= column < columns.stop + 2
    assert (maps[1, 0] == 0).all()
    torch.testing.assert_close(maps[1, 1], maps[0, 1])


def test_forward_passes_and_batches() -> None:
    classifier, module = watched((16, 16))
    images = torch.rand(3, 3, 16, 16)
    targets = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 1, 1]])
    maps = RISE(classifier, masks=25, batch_size=8)(images, targets, torch.Generator().manual_seed(0))
    assert max(map(len, module.seen)) == 8
    # 25 for each image that is asked about, whatever the number of classes.
    assert sum(map(len, module.seen)) == 2 * 25
    alone = RISE(classifier, masks=25, batch_size=25)(images[2:], targets[2:], torch.Generator().manual_seed(0))
    assert alone.shape == (1, 3, 16, 16)
    module.seen.clear()
    again = RISE(classifier, masks=25, batch_size=8)(images[2:], targets[2:], torch.Generator().manual_seed(0))
    torch.testing.assert_close(again, maps[2:])
    other = RISE(classifier, masks=25, batch_size=8)(images, targets, torch.Generator().manual_seed(1))
    assert not torch.allclose(other, maps)


@pytest.mark.parametrize("channels_last", [True, False])
def test_layout_and_precision(channels_last: bool) -> None:
    classifier, module = watched((16, 16))
    module.double()
    rise = RISE(classifier, masks=10, batch_size=4, channels_last=channels_last)
    maps = rise(torch.rand(1, 3, 16, 16, dtype=torch.float64), "a", torch.Generator().manual_seed(0))
    assert maps.dtype == torch.float64
    assert all(batch.is_contiguous(memory_format=torch.channels_last) == channels_last for batch in module.seen)
    assert all(batch.dtype == torch.float64 for batch in module.seen)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("masks", 0), ("cells", 0), ("batch_size", 0), ("probability", 0.0), ("probability", math.nan)],
)
def test_wrong_settings(setting: str, value: float) -> None:
    classifier, _ = watched((16, 16))
    with pytest.raises(InputError, match=setting):
        RISE(classifier, **{setting: value})  # type: ignore[arg-type]
