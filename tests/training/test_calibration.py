from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

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
from explanans.training.cut_curve import summary

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


def rivals(**asked: Any) -> Calibration:
    return Calibration(**{"by": "rivals", "fill": "mean", **asked})


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
    facts = calibrate(explainer, pictures, rivals(images=1))
    # The two inner rings hold the whole square, and the cut at exactly 1 still keeps the second of them.
    assert facts["cut"] == 1
    assert facts["images"] == 1
    keeps, holds_four = (torch.tensor(24 * share - 4).sigmoid().item() for share in (16 / 64, 4 / 64))
    nothing = torch.tensor(-4.0).sigmoid().item()
    # The rival's mask, 10 lower, is empty at every cut, and an empty mask lets through what black pixels say.
    assert facts["gaps"]["-3"] == pytest.approx(keeps - nothing, abs=1e-4)
    assert facts["gaps"]["1"] == pytest.approx(keeps - nothing, abs=1e-4)
    assert facts["gaps"]["1.5"] == pytest.approx(holds_four - nothing, abs=1e-4)


def test_masks_that_are_equal_are_shown_once(explainer: Explainer, pictures: LabelledImages) -> None:
    """Thirteen cuts of two classes, and four rings: 4, 16, 36 and 64 pixels, and none."""

    class Counted(Reddish):
        shown = 0

        def forward(self, images: Tensor) -> Tensor:
            self.shown += len(images)
            return super().forward(images)

    counted, before = Counted(), explainer.explanandum
    again = Explanandum(counted, classes=before.classes, activation="sigmoid", preprocessing=before.preprocessing)
    counted.shown = 0
    calibrate(Explainer(again, Rings()).eval(), pictures, rivals(images=1))
    assert counted.shown == 5


def test_masks_are_sharpened_around_the_cut(explainer: Explainer, pictures: LabelledImages) -> None:
    image = pictures[0]["image"][None]
    before = explainer.head_logits(image)
    calibrate(explainer, pictures, rivals(images=1, sharpness=2))
    assert torch.equal(explainer.head_logits(image), 2 * (before - 1))
    assert torch.allclose(explainer.folded().head_logits(image), 2 * (before - 1))
    # Only a cut that looked at pictures lets masks follow them.
    assert (explainer.reach, explainer.refine, explainer.compete) == (0, 0, False)
    # Again: the network's own logits are looked at, not the calibrated ones.
    assert calibrate(explainer, pictures, rivals(images=1))["cut"] == 1


def test_a_leak_counts_against_a_cut(explainer: Explainer, pictures: LabelledImages) -> None:
    class Same(Rings):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images)[:, :1].expand(-1, 2, -1, -1).clone()

    explainer.network = Same()
    # What one class keeps, the other lets through: all cuts are alike, and none is better than the masks as trained.
    facts = calibrate(explainer, pictures, rivals(images=1))
    assert set(facts["gaps"].values()) == {0.0}
    assert (facts["cut"], facts["sharpness"], facts["as_trained"]) == (0, 1, True)
    assert (float(explainer.scale), float(explainer.shift)) == (1, 0)
    assert summary(facts) == (
        "calibrated on 1 pictures, cuts -12 to 12: masks stay as trained, since at no cut do the masks of a class keep "
        "more of it than those of other classes"
    )


class Moved(Rings):
    """The rings by so much higher: the right cut is 1 + ``by``."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + self.by


@pytest.mark.parametrize("right", [1, 3, 4.5, 9, -3, -4.5, -11.5])
def test_a_right_cut_beyond_the_grid_is_found(explainer: Explainer, pictures: LabelledImages, right: float) -> None:
    explainer.network = Moved(right - 1)
    facts = calibrate(explainer, pictures, rivals(images=1))
    assert facts["cut"] == right
    assert (float(explainer.scale), float(explainer.shift)) == (4, -right)
    assert min(map(float, facts["gaps"])) < right < max(map(float, facts["gaps"]))


@pytest.mark.parametrize(("right", "last"), [(12, "12"), (14, "12"), (-12, "-12"), (-14, "-12")])
def test_a_best_cut_at_an_end_of_the_widest_grid_is_refused(
    explainer: Explainer, pictures: LabelledImages, right: float, last: str
) -> None:
    explainer.calibrate(2.0, 1.0)
    explainer.network = Moved(right - 1)
    facts = calibrate(explainer, pictures, rivals(images=1))
    assert facts["as_trained"]
    assert (float(explainer.scale), float(explainer.shift)) == (1, 0)
    assert facts["remark"] == f"the best of all cuts, {last}, is the last that was tried"
    assert last in facts["gaps"]


class Everywhere(nn.Module):
    """Two classes, the logit of each 12 · (the share of the picture that is not black) − 8: the more the better."""

    def forward(self, images: Tensor) -> Tensor:
        share = (images.abs().sum(1) > 0).to(images.dtype).mean((1, 2))
        return (12 * share - 8)[:, None].expand(-1, 2)


def test_a_classifier_that_likes_the_whole_frame_gets_no_full_masks(
    tmp_path: Path, explainer: Explainer, pictures: LabelledImages
) -> None:
    Image.fromarray(np.full((SIZE, SIZE, 3), 255, np.uint8)).save(tmp_path / "val" / "red" / "square.png")
    preprocessing = explainer.explanandum.preprocessing
    white = open_dataset(f"folder:{tmp_path}", "val", classes=("red", "green"), preprocessing=preprocessing)
    likes = Explanandum(Everywhere(), classes=("red", "green"), activation="sigmoid", preprocessing=preprocessing)
    eager = Explainer(likes, Rings()).eval()
    facts = calibrate(eager, white, rivals(images=1))
    # The lowest cuts keep all 64 pixels and have the best gap; the rings at −1 keep 36, which is the most that is not
    # full. The rival's masks, 10 lower, are empty.
    assert max(facts["gaps"], key=lambda cut: facts["gaps"][cut]) == "-3"
    assert facts["full"]["-3"] == 1
    assert facts["areas"]["-1"] == pytest.approx(36 / 64, abs=1e-4)
    assert facts["cut"] == -1
    assert facts["remark"] == "not at -3, where 100% of the masks fill the frame"
    assert summary(facts).endswith(f"(at 0: {facts['gaps']['0']:.2f}, 0.25); {facts['remark']}")


def test_masks_that_are_full_as_trained_may_stay_so(
    tmp_path: Path, explainer: Explainer, pictures: LabelledImages
) -> None:
    explainer.network = Moved(20)
    assert calibrate(explainer, pictures, rivals(images=1))["as_trained"]


def test_saved_and_loaded(tmp_path: Path, pictures: LabelledImages, explainer: Explainer) -> None:
    calibrate(explainer, pictures, rivals(images=1, sharpness=3))
    explainer.save_pretrained(tmp_path / "saved")
    loaded = Explainer.from_pretrained(tmp_path / "saved", explanandum=explainer.explanandum, network=Rings())
    assert (float(loaded.scale), float(loaded.shift)) == (3, -1)


@pytest.mark.parametrize(("tolerance", "cut"), [(0.0, 1), (0.8, 1), (0.81, 3)])
def test_the_highest_cut_within_the_tolerance(
    explainer: Explainer, pictures: LabelledImages, tolerance: float, cut: float
) -> None:
    """From four pixels of red, p = σ(−2.5), to the whole square, p = σ(2), the gap is 0.805."""
    assert calibrate(explainer, pictures, rivals(images=1, tolerance=tolerance))["cut"] == cut
    assert float(explainer.shift) == -cut


def test_the_mode_of_every_part_is_restored(explainer: Explainer, pictures: LabelledImages) -> None:
    explainer.network.train()
    calibrate(explainer, pictures, rivals(images=1))
    assert explainer.network.training
    assert not explainer.explanandum.module.training


def test_without_a_label_there_is_nothing_to_go_by(explainer: Explainer, pictures: LabelledImages) -> None:
    pictures.labels = torch.zeros_like(pictures.labels)
    with pytest.raises(InputError, match=r"calibration: no image of .* has a label"):
        calibrate(explainer, pictures, rivals(images=1))
    assert (float(explainer.scale), float(explainer.shift)) == (1, 0)


def test_what_is_asked_where_nothing_is_said() -> None:
    """Nothing; and of a calibration, what its docstring says."""
    asked = Calibration()
    assert dataclasses.astuple(asked) == (None, "picture", 4.0, 1.5, 1.43, True, 0.01, 5, "blur")
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.images = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "edge",
    [
        {"tolerance": 0},
        {"tolerance": 1},
        {"rivals": 1},
        {"images": 0},
        {"reach": 0},
        {"reach": 12},
        {"refine": 0},
        {"refine": 4},
    ],
)
def test_settings_at_their_bounds(edge: dict[str, float]) -> None:
    Calibration(**edge)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "size"},
        {"sharpness": 0},
        {"tolerance": 1.01},
        {"tolerance": -0.01},
        {"rivals": 0},
        {"images": -1},
        {"reach": -1},
        {"reach": 13},
        {"refine": -1},
        {"refine": 4.1},
        {"compete": "yes"},
    ],
)
def test_settings_that_mean_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="calibration"):
        Calibration(**wrong)  # type: ignore[arg-type]
