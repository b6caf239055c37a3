from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.errors import InputError
from explanans.explainers import refining
from explanans.explainers.explainer import Explainer
from explanans.explainers.refining import Refinement, possible_enlargement
from explanans.images.preprocessing import Preprocessing
from explanans.ops.edge_cut import moved_to_edges
from explanans.ops.refinement import enlarge

ONE = torch.zeros(1, dtype=torch.long)


class Colours(nn.Module):
    """Its features are the mean colours of 4 × 4 pixels."""

    def __init__(self, side: int = 4) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, side, stride=side, bias=False)
        self.features.weight.data = torch.eye(3)[:, :, None, None].expand(-1, -1, side, side) / side**2
        self.head = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def classifier(module: nn.Module | None = None, size: int = 64) -> Explanandum:
    preprocessing = Preprocessing(size, (0, 0, 0), (1, 1, 1))
    return Explanandum(module or Colours(), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing)


def picture(left: int = 8) -> Tensor:
    """A red square of 32 pixels on green."""
    image = torch.zeros(1, 3, 64, 64)
    image[:, 1] = 1
    image[:, :, 16:48, left : left + 32] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    return image


def rough(rows: slice, columns: slice, high: float = 8.0, low: float = -8.0) -> Tensor:
    """Mask logits at 16 × 16, high in a rectangle."""
    logits = torch.full((1, 16, 16), low)
    logits[:, rows, columns] = high
    return logits


def test_a_part_is_carried_over_the_whole_thing_and_no_farther() -> None:
    """The network found a quarter of the square, and a strip beside it."""
    part = rough(slice(4, 8), slice(1, 6))
    found = Refinement(classifier(), 1.0)(part, picture(), ONE)
    assert found.shape == (1, 32, 32)
    square = torch.zeros(32, 32, dtype=torch.bool)
    square[8:24, 4:20] = True
    inside = found[0] >= 0
    assert (inside & square).sum() >= 0.95 * square.sum()
    assert (inside & ~square).sum() <= 0.03 * (~square).sum()


def test_the_values_are_those_of_the_formula() -> None:
    """In the middle of the square v = S = 1, far from it both are 0, where only the network says nothing v = 1."""
    refine = Refinement(classifier(), 1.0)
    found = refine(rough(slice(4, 8), slice(2, 10)), picture(), ONE)[0]
    sure, off = torch.tensor(8.0).sigmoid().item(), torch.tensor(-8.0).sigmoid().item()
    assert found[12, 12].item() == pytest.approx(10 * (0.8 + 0.2 * sure - 0.6), abs=0.1)
    assert found[20, 12].item() == pytest.approx(10 * (0.8 + 0.2 * off - 0.6), abs=0.1)
    assert found[30, 30].item() == pytest.approx(10 * (0.2 * off - 0.6), abs=0.1)
    # Logits that were multiplied by a scale come back multiplied by it.
    torch.testing.assert_close(refine(rough(slice(4, 8), slice(2, 10)), picture(), ONE, 4.0)[0], 4 * found)


def test_a_mask_that_is_empty_or_full_stays() -> None:
    refine = Refinement(classifier(), 1.0)
    for high, low in ((-1.0, -3.0), (3.0, 0.5)):
        flat = rough(slice(4, 8), slice(2, 6), high, low)
        found = refine(flat, picture(), ONE)
        torch.testing.assert_close(found, enlarge(flat[None], (32, 32))[0])
    nothing = torch.zeros(0, 16, 16)
    assert refine(nothing, picture(), torch.zeros(0, dtype=torch.long)).shape == (0, 32, 32)


def test_features_that_are_all_alike_lose_no_mask() -> None:
    part = rough(slice(4, 8), slice(2, 6))
    found = Refinement(classifier(), 1.0)(part, torch.full((1, 3, 64, 64), 0.5), ONE)
    torch.testing.assert_close(found, enlarge(part[None], (32, 32))[0])


def test_many_masks_of_a_picture_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = torch.cat([rough(slice(4, 5 + row), slice(2, 6)) for row in range(5)])
    image = torch.zeros(5, dtype=torch.long)
    together = Refinement(classifier(), 1.0)(parts, picture(), image)
    monkeypatch.setattr(refining, "TOGETHER", 2)
    torch.testing.assert_close(Refinement(classifier(), 1.0)(parts, picture(), image), together)


def test_masks_do_not_depend_on_each_other() -> None:
    refine = Refinement(classifier(), 1.0)
    parts = [rough(slice(4, 8), slice(2, 6)), rough(slice(6, 9), slice(8, 12)), rough(slice(12, 16), slice(0, 16))]
    images = torch.cat([picture(), picture(24)])
    image = torch.tensor([1, 0, 1])
    together = refine(torch.cat(parts), images, image)
    for row, (part, of) in enumerate(zip(parts, image.tolist(), strict=True)):
        torch.testing.assert_close(together[row], refine(part, images[of, None], ONE)[0])


def test_odd_sides_large_grids_and_networks_that_are_finer() -> None:
    wide = torch.rand(1, 3, 35, 91, generator=torch.Generator().manual_seed(0))
    fine = torch.randn(1, 35, 91, generator=torch.Generator().manual_seed(1))
    assert Refinement(classifier(), 1.43)(fine, wide, ONE).shape == (1, 17, 45)
    # Features of every pixel would walk on 4096 × 4096 pairs.
    refine = Refinement(classifier(Colours(1)), 1.0)
    assert refine.features(picture()).shape == (1, 3, refining.POSITIONS, refining.POSITIONS)


def test_what_a_classifier_allows() -> None:
    assert possible_enlargement(classifier(), 1.43) == 1.43
    assert possible_enlargement(classifier(), 0) == 0
    torch.manual_seed(0)
    fixed = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=64, depth=2)
    assert possible_enlargement(classifier(fixed), 1.43) == 1
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2))
    assert possible_enlargement(classifier(flat), 1.43) == 0
    with pytest.raises(InputError, match="no spatial output of stride 16"):
        Refinement(classifier(flat), 1.0)(rough(slice(2), slice(2)), picture(), ONE)


def noise(count: int) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def explainer() -> Explainer:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 2})
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explanandum = Explanandum(
        SmallResNet(2), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing, source=source
    )
    made = Explainer(explanandum, "compact")
    nn.init.normal_(made.network.head.weight, std=2.0)
    # Half of the pixels are inside.
    with torch.no_grad():
        made.calibrate(4.0, -float(made.eval().head_logits(noise(1)).median()), 1.0, 1.5)
    return made


def test_masks_that_are_asked_for_are_refined_and_then_moved(explainer: Explainer) -> None:
    images = noise(2)
    asked = torch.tensor([[True, True], [False, True]])
    image, column = asked.nonzero(as_tuple=True)
    masks = explainer.masks_of(images, asked)
    with torch.no_grad():
        head = explainer.head_logits(images)[image, column]
        refined = Refinement(explainer.explanandum, 1.5)(head, images, image, 4.0)
        moved = moved_to_edges(enlarge(refined[:, None], (32, 32))[:, 0], images, image, 1.0, 4.0)
    torch.testing.assert_close(masks, moved.sigmoid())
    # All at once, and whole evidence, are what the network says.
    whole = explainer(images)[image, column]
    assert not torch.allclose(masks, whole, atol=0.05)
    torch.testing.assert_close(explainer.whole_evidence().masks_of(images, asked), whole)
    assert explainer.refine == 1.5
    torch.testing.assert_close(explainer.folded().masks_of(images, asked), masks, atol=1e-4, rtol=1e-4)


def test_what_is_saved_is_refined_alike(explainer: Explainer, tmp_path: Path) -> None:
    images = noise(1)
    asked = torch.tensor([[True, True]])
    explainer.save_pretrained(tmp_path / "saved")
    again = Explainer.from_pretrained(tmp_path / "saved")
    assert (again.reach, again.refine) == (1.0, 1.5)
    assert torch.equal(again.masks_of(images, asked), explainer.masks_of(images, asked))
    assert again.identity() == explainer.identity()
    told = explainer.identity()["explainer"]["calibration"]
    explainer.calibrate(4.0, float(explainer.shift), 1.0, 0.0)
    assert explainer.identity()["explainer"]["calibration"] != told
    assert not torch.equal(explainer.masks_of(images, asked), again.masks_of(images, asked))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ((float("nan"), 0.0), "scale"),
        ((1.0, float("inf")), "shift"),
        ((1.0, 0.0, 12.1), "reach"),
        ((1.0, 0.0, 1.5, -0.1), "refine"),
        ((1.0, 0.0, 1.5, 4.1), "refine"),
    ],
)
def test_a_calibration_that_means_nothing_sets_nothing(
    explainer: Explainer, wrong: tuple[float, ...], named: str
) -> None:
    before = explainer.config()["calibration"]
    with pytest.raises(InputError, match=rf"calibration\.{named}"):
        explainer.calibrate(*wrong)
    assert explainer.config()["calibration"] == before
