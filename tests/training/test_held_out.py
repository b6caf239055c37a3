"""Comparisons with planted answers: chequered squares of four colours, and a classifier that counts their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.training.held_out import Figures, measured, spread, untrained
from explanans.training.verdict import EXPLAINER, Circumstances, judged

SIZE, SQUARE = 24, 10
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0), "white": (255, 255, 255)}
PREPROCESSING = Preprocessing(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def colours(images: Tensor) -> Tensor:
    """How much of each of the four colours every pixel has, (N, 4, H, W)."""
    red, green, blue = images.clamp(0, 1).unbind(1)
    pure = [blue - red - green, green - red - blue, red - green - blue, images.amin(1)]
    return torch.stack(pure, 1).clamp(min=0)


class Counts(nn.Module):
    """A fifth of the pixels that are all of a colour, − 4; a blur leaves none of a chequered square."""

    def forward(self, images: Tensor) -> Tensor:
        return (colours(images) > 0.9).sum((2, 3)) / 5 - 4


class Truth(nn.Module):
    """A mask network that marks what is of the class's colour, and what lies between."""

    def forward(self, images: Tensor) -> Tensor:
        return 40 * (functional.max_pool2d(colours(images), 3, 1, 1) - 0.3)


class Everything(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 4, *images.shape[-2:]), 9.0)


def classifier() -> Explanandum:
    return Explanandum(Counts(), classes=tuple(COLOURS), activation="sigmoid", preprocessing=PREPROCESSING)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    """Three pictures of each colour, a square in another place."""
    folder = tmp_path_factory.mktemp("squares")
    for number in range(12):
        name = list(COLOURS)[number // 3]
        pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
        left, top = 1 + number, 12 - number
        chequered = np.indices((SQUARE, SQUARE)).sum(0)[:, :, None] % 2
        pixels[top : top + SQUARE, left : left + SQUARE] = chequered * np.array(COLOURS[name], np.uint8)
        (folder / "val" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "val" / name / f"{number:02d}.png")
    return open_dataset(f"folder:{folder}", "val", preprocessing=PREPROCESSING)


@pytest.fixture(scope="module")
def drawn(squares: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    """The same, with the squares drawn in; the first blue one is called red as well, and the last white one is void."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = ["image,labels,split,segmentation"]
    for path in squares.paths:
        number = int(path.stem)
        pixels = np.zeros((SIZE, SIZE), np.uint8)
        left, top = 1 + number, 12 - number
        pixels[top : top + SQUARE, left : left + SQUARE] = 255 if number == 11 else number // 3 + 1
        Image.fromarray(pixels).save(folder / path.name)
        labels = "blue;red" if number == 0 else list(COLOURS)[number // 3]
        rows.append(f"{path},{labels},val,{path.name}")
    (folder / "squares.csv").write_text("\n".join(rows))
    return open_dataset(f"table:{folder / 'squares.csv'}", "val", classes=tuple(COLOURS), preprocessing=PREPROCESSING)


def figures(network: nn.Module, squares: LabelledImages, images: int = 12, **options: Any) -> dict[str, Figures]:
    explanandum = classifier()
    makers = {EXPLAINER: Explainer(explanandum, network), "a full mask": Explainer(explanandum, Everything())}
    return measured(makers, explanandum, squares, images, **options)


def test_of_a_classifier_that_sees_everything_the_most_probable_classes_are_taken(squares: LabelledImages) -> None:
    class Rising(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.linspace(1, 3, 40).expand(len(images), 40) + images.mean((1, 2, 3))[:, None]

    asked: list[int] = []

    class Asked(Everything):
        def forward(self, images: Tensor) -> Tensor:
            asked.append(len(images))
            return torch.full((len(images), 40, *images.shape[-2:]), 9.0)

    explanandum = Explanandum(
        Rising(), classes=[str(each) for each in range(40)], activation="sigmoid", preprocessing=PREPROCESSING
    )
    found = measured({EXPLAINER: Explainer(explanandum, Asked())}, explanandum, squares, 3)
    assert asked == [3]
    # Ten for each of three pictures, though all forty are seen.
    assert len(found[EXPLAINER].receipts) == 3 * 10


def test_masks_that_are_the_truth(squares: LabelledImages) -> None:
    found = figures(Truth(), squares)
    means = found[EXPLAINER].means()
    # 50 pixels: σ(6), and σ(−4) without any.
    assert means["kept"] == pytest.approx(0.9975, abs=1e-3)
    assert means["removed"] == pytest.approx(0.018, abs=1e-3)
    # The square and a pixel around it, but for what is cut off and some corners.
    assert means["area"] == pytest.approx(142 / 576, abs=0.02)
    assert (means["full"], means["empty"], means["holds"]) == (0, 0, 1)
    assert means["grid"] == pytest.approx(1, abs=0.05)
    assert (found[EXPLAINER].pictures, len(found[EXPLAINER].receipts), len(found[EXPLAINER].grids)) == (12, 12, 12)


def test_masks_are_held_against_what_is_drawn(squares: LabelledImages, drawn: LabelledImages) -> None:
    found = figures(Truth(), drawn)
    # Eleven: the last square is void.
    assert len(found[EXPLAINER].overlaps) == len(found["a full mask"].overlaps) == 11
    assert found["a full mask"].overlaps == pytest.approx([SQUARE**2 / SIZE**2] * 11, rel=1e-3)
    # The square and a pixel around it.
    assert found[EXPLAINER].means()["iou"] == pytest.approx(SQUARE**2 / 142, abs=0.03)
    without = figures(Truth(), squares)
    assert without[EXPLAINER].means()["iou"] is None
    assert without[EXPLAINER].scores == found[EXPLAINER].scores


def test_masks_that_are_everything(squares: LabelledImages) -> None:
    means = figures(Everything(), squares)[EXPLAINER].means()
    assert means["grid"] == 0.25
    assert (means["area"], means["full"], means["empty"], means["holds"]) == (1, 1, 0, 0)
    assert means["score"] == pytest.approx(0, abs=1e-6)


def test_every_maker_gets_the_same_masks_to_make_and_the_same_montages(squares: LabelledImages) -> None:
    found = figures(Everything(), squares)
    assert found["a full mask"].grids == found[EXPLAINER].grids
    assert len(found["a full mask"].receipts) == 12
    again = figures(Truth(), squares, seed=3)
    assert again[EXPLAINER].means()["kept"] == figures(Truth(), squares)[EXPLAINER].means()["kept"]


def test_pictures_are_taken_from_everywhere() -> None:
    assert spread(12, 4) == [1, 4, 7, 10]
    assert spread(3, 10) == [0, 1, 2]
    assert spread(10, 1) == [5]


def test_fewer_than_four_classes_make_no_montage(squares: LabelledImages) -> None:
    found = figures(Truth(), squares.subset((squares.labels[:, 3] == 0).nonzero().flatten()))
    assert found[EXPLAINER].grids == []
    assert found[EXPLAINER].means()["grid"] is None


def test_a_good_and_a_bad_explainer_beside_what_needs_no_training(squares: LabelledImages) -> None:
    explanandum = classifier()
    rivals = untrained(explanandum)
    # No layer can be watched here.
    assert list(rivals) == ["Occlusion"]
    circumstances = Circumstances(3, False, 4000, "light/x", False)

    def verdict(network: nn.Module) -> dict[str, Any]:
        makers = {EXPLAINER: Explainer(explanandum, network), **rivals}
        return judged(measured(makers, explanandum, squares, 40), circumstances)

    good, bad = verdict(Truth()), verdict(Everything())
    # Occlusion asks so often that ten pictures must do.
    assert good["pictures"] == bad["pictures"] == 10
    assert good["better"]
    assert good["says"].startswith(
        "By what the classifier answers, the Explainer is better than what needs no training: "
    )
    assert good["advice"] == []
    assert not bad["better"]
    # Occlusion finds nothing in the montages, where the squares are so small that no pixel has a pure colour.
    assert bad["says"].startswith(
        "By what the classifier answers, the Explainer is better in one thing and worse in another: score 0.00 against "
    )
    assert bad["advice"][0].startswith("100% of the masks fill the frame: try ")


def test_a_picture_for_which_a_maker_has_nan_counts_as_the_worst(squares: LabelledImages) -> None:
    class Broken(Truth):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.nan

    found = figures(Broken(), squares)[EXPLAINER]
    assert set(found.scores) == {-2.0}
    assert found.means()["kept"] is None
    assert found.means()["grid"] == 0


def test_and_has_no_overlap_with_anything(drawn: LabelledImages) -> None:
    class Broken(Truth):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.nan

    assert figures(Broken(), drawn)[EXPLAINER].overlaps == [0] * 11
