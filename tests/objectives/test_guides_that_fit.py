"""Guides of classifiers that take pictures of one size, and of those that have no layer to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from explanans import Explainer, Explanandum, Preprocessing, Run, fit
from explanans.errors import InputError
from explanans.objectives import Guided
from explanans.training import Calibration
from explanans.training.verdict import Verdict

SIZE = 48


def explained(module: nn.Module) -> Explanandum:
    preprocessing = Preprocessing(SIZE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(module, classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


@pytest.fixture(scope="module")
def transformer() -> Explanandum:
    """Tokens of 8 × 8 pixels, six in a row; 48 pixels are no multiple of 32 either."""
    torch.manual_seed(0)
    return explained(VisionTransformer(SIZE, 8, num_classes=2, embed_dim=16, depth=2, num_heads=2))


def test_a_transformer_is_asked_for_guides_of_pictures_as_they_are(transformer: Explanandum) -> None:
    fitted = Guided(level=0.5).fitted_to(transformer)
    assert fitted == Guided(level=0.5, scales=(1.0,))
    assert fitted.fitted_to(transformer) is fitted
    convolutions = explained(nn.Sequential(nn.Conv2d(3, 8, 3, 8), nn.ReLU(), Means(), nn.Linear(8, 2)))
    objective = Guided()
    assert objective.fitted_to(convolutions) is objective


class Means(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean((2, 3))


def test_scales_of_ones_own_are_not_changed_in_silence(transformer: Explanandum) -> None:
    with pytest.raises(InputError, match=r"scales=\[1.5\]: the classifier cannot be asked .* or take \[1.0\]"):
        Guided(scales=(1.5,)).fitted_to(transformer)


def test_without_a_layer_there_is_no_guide() -> None:
    flat = explained(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 2)))
    with pytest.raises(InputError, match=r"gives no guides .* take --objective stalder2022"):
        Guided().fitted_to(flat)
    without = Guided(guide_weight=0)
    assert without.fitted_to(flat) is without


def test_fit_trains_on_a_transformer_and_says_so(
    transformer: Explanandum, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count in (("train", 4), ("val", 2)):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count // 2):
                pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.png")
    explainer = Explainer(transformer, network="compact")
    fit(
        explainer,
        f"folder:{tmp_path}",
        run=Run(max_epochs=1, batch_size=2, precision="32-true"),
        calibration=Calibration(images=0),
        verdict=Verdict(images=0),
        out=tmp_path / "run",
    )
    assert "of one size, so they are made of these as they are" in capsys.readouterr().out
    assert explainer.facts["objective"]["settings"]["scales"] == (1.0,)
