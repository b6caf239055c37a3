"""The usual calibration: what classifier and picture say of a cut, each by itself and together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.ops.band_contrast import band_contrast
from explanans.training import Calibration, calibrate
from explanans.training.asked_cuts import Cuts, against_outside

SIZE = 12


class Reddish(nn.Module):
    """The logits of red and green: 40 · (their share of the picture) − 4."""

    def forward(self, images: Tensor) -> Tensor:
        return 40 * images[:, :2].clamp(min=0).mean((2, 3)) - 4


class Rings(nn.Module):
    """For both classes 5 in the middle 2 × 2, and 2 less with every ring around it; class 1 is 20 lower."""

    def forward(self, images: Tensor) -> Tensor:
        distance = (torch.arange(SIZE) - (SIZE - 1) / 2).abs().floor()
        ring = torch.maximum(distance[:, None], distance[None])
        return torch.stack([5 - 2 * ring, -15 - 2 * ring]).expand(len(images), -1, -1, -1).clone()


@pytest.fixture
def explainer() -> Explainer:
    preprocessing = Preprocessing(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    classifier = Explanandum(Reddish(), classes=("red", "green"), activation="sigmoid", preprocessing=preprocessing)
    return Explainer(classifier, Rings()).eval()


def square(folder: Path, side: int, explainer: Explainer) -> LabelledImages:
    """Black with a red square in the middle."""
    (folder / "val" / "red").mkdir(parents=True)
    (folder / "val" / "green").mkdir()
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    start = (SIZE - side) // 2
    pixels[start : start + side, start : start + side, 0] = 255
    Image.fromarray(pixels).save(folder / "val" / "red" / "square.png")
    preprocessing = explainer.explanandum.preprocessing
    return open_dataset(f"folder:{folder}", "val", classes=("red", "green"), preprocessing=preprocessing)


@pytest.mark.parametrize(("side", "cut"), [(4, 3), (6, 1), (8, -1)])
def test_the_cut_is_where_the_picture_changes(tmp_path: Path, explainer: Explainer, side: int, cut: float) -> None:
    facts = calibrate(explainer, square(tmp_path, side, explainer), Calibration(fill="black"))
    assert (facts["by"], facts["cut"], facts["as_trained"]) == ("picture", cut, False)
    assert facts["areas"][f"{cut:g}"] == pytest.approx(side**2 / SIZE**2, abs=1e-4)
    assert (float(explainer.scale), float(explainer.shift)) == (4, -cut)


@pytest.mark.parametrize(("reach", "side"), [(2.0, 6), (1.5, 4), (0.0, 4)])
def test_a_mask_that_is_asked_for_follows_its_own_picture(
    tmp_path: Path, explainer: Explainer, reach: float, side: int
) -> None:
    """The cut was found on a square of 4; in one of 6 the picture changes two logits away."""
    facts = calibrate(explainer, square(tmp_path / "small", 4, explainer), Calibration(fill="black", reach=reach))
    assert (facts["cut"], facts["reach"], explainer.reach) == (3, reach, reach)
    image = square(tmp_path / "large", 6, explainer)[0]["image"][None]
    red = torch.tensor([[True, False]])
    saved = tmp_path / "saved"
    explainer.save_pretrained(saved)
    loaded = Explainer.from_pretrained(saved, explanandum=explainer.explanandum, network=Rings())
    for found in (explainer, explainer.folded(), loaded):
        _, draw = found.look(image)
        for masks in (found.masks_of(image, red), draw(red)):
            assert (masks[0] >= 0.5).sum() == side**2
        # Whole evidence, and all classes at once, stay where the calibration cut them.
        assert (found.whole_evidence().masks_of(image, red)[0] >= 0.5).sum() == 4**2
        assert (found(image)[0, 0] >= 0.5).sum() == 4**2
    assert (explainer.identity() == loaded.identity()) is True
    explainer.calibrate(4, -3, reach + 1)
    assert explainer.identity() != loaded.identity()


def test_where_the_masks_lie_beside_the_class_they_stay_as_trained(tmp_path: Path, explainer: Explainer) -> None:
    data = square(tmp_path, 4, explainer)
    explainer.network = nn.Sequential(Rings(), Corner())
    facts = calibrate(explainer, data, Calibration(fill="black"))
    assert facts["as_trained"]
    assert facts["remark"] == "at no cut do the masks keep more of their class than what they leave out"


class Corner(nn.Module):
    """The upper left corner, whatever the network said."""

    def forward(self, logits: Tensor) -> Tensor:
        elsewhere = torch.full_like(logits, -20.0)
        elsewhere[:, :, :3, :3] = 5
        return elsewhere


def test_values_one_cut_at_a_time(tmp_path: Path, explainer: Explainer) -> None:
    data = square(tmp_path, 6, explainer)
    image, explanandum = data[0]["image"][None], explainer.explanandum
    logits, cuts = Rings()(image)[0], [-4.0, -1.0, 0.5, 2.0, 6.0]
    found = against_outside(
        explanandum, image, Cuts(logits[:1], cuts), torch.tensor([0]), torch.zeros_like(image), batch_size=2
    )
    assert found.contrasts is not None
    whole = explanandum.probabilities(image)[0, 0].item()
    for place, cut in enumerate(cuts):
        mask = logits[0] >= cut
        kept = explanandum.probabilities(image * mask)[0, 0].item() / whole
        removed = explanandum.probabilities(image * ~mask)[0, 0].item() / whole
        area = mask.double().mean().item()
        expected = max(min(kept, 1) - min(removed, 1), 0) * (1 - math.sqrt(area))
        assert found.answers[0, place].item() == pytest.approx(expected, abs=1e-6)
        assert found.shares[0, place].item() == pytest.approx(area)
        assert found.contrasts[0, place].item() == pytest.approx(band_contrast(image, mask[None], 1).item(), abs=1e-6)
    assert found.answers[0].tolist() != sorted(found.answers[0].tolist())


def test_the_gap_is_the_geometric_mean_of_both(tmp_path: Path, explainer: Explainer) -> None:
    """A square that no ring fits, so that colours differ a little where masks of 4 × 4 and of 6 × 6 end."""
    data = square(tmp_path, 5, explainer)
    facts = calibrate(explainer, data, Calibration(images=1, fill="black"))
    image = data[0]["image"][None]
    masks = Cuts(Rings()(image)[0, :1], [1.0, 3.0])
    found = against_outside(explainer.explanandum, image, masks, torch.tensor([0]), torch.zeros_like(image), 8)
    assert found.contrasts is not None
    expected = (found.answers * found.contrasts).sqrt()[0].tolist()
    assert [facts["gaps"]["1"], facts["gaps"]["3"]] == pytest.approx(expected, abs=1e-4)
    assert min(expected) > 0
