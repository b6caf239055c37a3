"""The gaps of a calibration are those of a plain loop over labels, cuts and masks."""

from __future__ import annotations

from pathlib import Path

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
from explanans.training import Calibration, calibrate

SIZE = 8


class Palette(nn.Module):
    """Logits from the mean colours, so that every class asks for and against some."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.colours = nn.Linear(3, classes).double()
        nn.init.normal_(self.colours.weight, std=3.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.colours(images.double().mean((2, 3))).to(images.dtype)


LABELS = ((1, 0, 0, 1), (0, 0, 0, 0), (0, 1, 0, 0), (1, 1, 1, 1), (0, 0, 1, 0))


@pytest.fixture
def noisy(tmp_path: Path) -> tuple[Explainer, LabelledImages]:
    """Five pictures with none to all of four classes, and masks at half their size that hide more or less of them."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    names = tuple("abcd")
    classifier = Explanandum(Palette(4), classes=names, activation="sigmoid", preprocessing=preprocessing)
    network = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    nn.init.normal_(network.weight, std=0.3)
    rows = ["image," + ",".join(names)]
    pixels = np.random.default_rng(0)
    for number, labels in enumerate(LABELS):
        Image.fromarray(pixels.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png," + ",".join(map(str, labels)))
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    data = open_dataset(tmp_path / "table.csv", "all", classes=names, preprocessing=preprocessing)
    return Explainer(classifier, network).eval(), data


def naive_gaps(explainer: Explainer, data: LabelledImages, pictures: list[int]) -> dict[float, float]:
    """One label, one cut and one mask at a time, hidden pixels black: kept minus the mean of what is let through."""
    explanandum = explainer.explanandum
    black = explanandum.preprocessing.normalise(torch.zeros(3, SIZE, SIZE))
    gaps: dict[float, list[float]] = {step / 2: [] for step in range(-6, 7)}
    for index in pictures:
        image, labels = data[index]["image"], LABELS[index]
        coarse = explainer.network(image[None]).detach()
        logits = functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear", align_corners=False)[0]
        for label in (c for c in range(4) if labels[c]):
            for cut, found in gaps.items():
                shown = torch.where(logits[:, None] >= cut, image, black)
                through = explanandum.probabilities(shown)[:, label].tolist()
                rivals = [through[c] for c in range(4) if not labels[c]]
                found.append(through[label] - (sum(rivals) / len(rivals) if rivals else 0))
    return {cut: sum(found) / len(found) for cut, found in gaps.items()}


@pytest.mark.parametrize(("images", "pictures"), [(9, [0, 2, 3, 4]), (2, [0, 2]), (1, [0])])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_gaps_against_one_label_and_one_cut_at_a_time(
    noisy: tuple[Explainer, LabelledImages], images: int, pictures: list[int], batch_size: int
) -> None:
    explainer, data = noisy
    facts = calibrate(
        explainer, data, Calibration(by="rivals", images=images, fill="black", tolerance=0.0), batch_size=batch_size
    )
    expected = naive_gaps(explainer, data, pictures)
    assert facts["images"] == len(pictures)
    assert facts["data"] == data.name
    assert {cut: facts["gaps"][f"{cut:g}"] for cut in expected} == pytest.approx(expected, abs=6e-5)
    assert len(set(facts["gaps"].values())) > 5


def test_few_rivals_are_drawn_by_the_seed(noisy: tuple[Explainer, LabelledImages]) -> None:
    """The third picture has three classes that may be its rival."""
    explainer, data = noisy
    alone = data.subset([2])

    def gaps(seed: int, count: int) -> tuple[float, ...]:
        made = calibrate(explainer, alone, Calibration(by="rivals", images=1, rivals=count, fill="black"), seed=seed)
        return tuple(gap for cut, gap in made["gaps"].items() if abs(float(cut)) <= 3)

    one = {gaps(seed, 1) for seed in range(12)}
    assert gaps(0, 1) == gaps(0, 1)
    assert len(one) == 3
    every = torch.tensor(sorted(one)).mean(0)
    torch.testing.assert_close(torch.tensor(gaps(0, 3)), every, atol=2e-4, rtol=0)
    assert gaps(0, 3) == gaps(1, 5)

    def all_gaps(**seed: int) -> dict[str, float]:
        return calibrate(explainer, data, Calibration(by="rivals", images=9, rivals=1, fill="black"), **seed)["gaps"]

    assert all_gaps() == all_gaps(seed=0)
    assert all(all_gaps(seed=other) != all_gaps() for other in (-1, 1))
