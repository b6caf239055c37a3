from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.training import Calibration, calibrate

SIZE = 8


class Reddish(nn.Module):
    """The logits of red and green: 24 · (their share of the picture) − 4, so six pixels of 64 and more are seen."""

    def forward(self, images: Tensor) -> Tensor:
        return 24 * images[:, :2].clamp(min=0).mean((2, 3)) - 4


class Rings(nn.Module):
    """For both classes 3, 1, −1 or −3, falling from the middle outwards; class 1 is 10 lower."""

    def forward(self, images: Tensor) -> Tensor:
        distance = (torch.arange(SIZE) - 3.5).abs().floor()
        ring = torch.maximum(distance[:, None], distance[None])
        logits = torch.stack([3 - 2 * ring, -7 - 2 * ring])
        return logits.expand(len(images), -1, -1, -1).clone()


@pytest.fixture
def explainer() -> Explainer:
    preprocessing = Preprocessing(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    classifier = Explanandum(Reddish(), classes=("red", "green"), activation="sigmoid", preprocessing=preprocessing)
    return Explainer(classifier, Rings()).eval()


@pytest.fixture
def pictures(tmp_path: Path, explainer: Explainer) -> LabelledImages:
    """Black with a red square of 4 × 4 in the middle."""
    (tmp_path / "val" / "red").mkdir(parents=True)
    (tmp_path / "val" / "green").mkdir()
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[2:6, 2:6, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "val" / "red" / "square.png")
    return open_dataset(
        f"folder:{tmp_path}", "val", classes=("red", "green"), preprocessing=explainer.explanandum.preprocessing
    )


def test_the_smallest_mask_that_keeps_what_larger_ones_keep(explainer: Explainer, pictures: LabelledImages) -> None:
    facts = calibrate(explainer, pictures, Calibration(images=1))
    # The two inner rings hold the whole square, and the cut at exactly 1 still keeps the second of them.
    assert facts["cut"] == 1
    assert facts["images"] == 1
    keeps, holds_four = (torch.tensor(24 * share - 4).sigmoid().item() for share in (16 / 64, 4 / 64))
    nothing = torch.tensor(-4.0).sigmoid().item()
    # The rival's mask, 10 lower, is empty at every cut, and an empty mask lets through what black pixels say.
    assert facts["gaps"]["-3"] == pytest.approx(keeps - nothing, abs=1e-4)
    assert facts["gaps"]["1"] == pytest.approx(keeps - nothing, abs=1e-4)
    assert facts["gaps"]["1.5"] == pytest.approx(holds_four - nothing, abs=1e-4)


def test_masks_are_sharpened_around_the_cut(explainer: Explainer, pictures: LabelledImages) -> None:
    image = pictures[0]["image"][None]
    before = explainer.head_logits(image)
    calibrate(explainer, pictures, Calibration(images=1, sharpness=2))
    assert torch.equal(explainer.head_logits(image), 2 * (before - 1))
    assert torch.allclose(explainer.folded().head_logits(image), 2 * (before - 1))
    # Again: the network's own logits are looked at, not the calibrated ones.
    assert calibrate(explainer, pictures, Calibration(images=1))["cut"] == 1


def test_a_leak_counts_against_a_cut(explainer: Explainer, pictures: LabelledImages) -> None:
    class Same(Rings):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)[:, :1].expand(-1, 2, -1, -1).clone()

    explainer.network = Same()
    # What one class keeps, the other lets through: all cuts are alike, and the highest is the smallest mask.
    facts = calibrate(explainer, pictures, Calibration(images=1))
    assert set(facts["gaps"].values()) == {0.0}
    assert facts["cut"] == 3


def test_saved_and_loaded(tmp_path: Path, pictures: LabelledImages, explainer: Explainer) -> None:
    calibrate(explainer, pictures, Calibration(images=1, sharpness=3))
    explainer.save_pretrained(tmp_path / "saved")
    loaded = Explainer.from_pretrained(tmp_path / "saved", explanandum=explainer.explanandum, network=Rings())
    assert (float(loaded.scale), float(loaded.shift)) == (3, -1)


@pytest.mark.parametrize("wrong", [{"sharpness": 0}, {"tolerance": 2}, {"rivals": 0}, {"images": -1}])
def test_settings_that_mean_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="calibration"):
        Calibration(**wrong)  # type: ignore[arg-type]
