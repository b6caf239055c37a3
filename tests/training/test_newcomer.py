"""What a training does where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.cli.commands.classifier_fit import following
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.training import newcomer
from explanans.training.run_settings import Run, epochs_for

PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)


def classifier(module: nn.Module) -> Explanandum:
    return Explanandum(module, classes=["a", "b"], activation="sigmoid", preprocessing=PREPROCESSING)


@pytest.mark.parametrize(
    # 1,677 photos in batches of 16 are 104 steps: 750 / 104 = 7.2.
    ("steps", "epochs"),
    [(104, 8), (1, 60), (12, 60), (13, 58), (250, 3), (7000, 3), (0, 60)],
)
def test_the_length_follows_from_the_size_of_the_data(steps: int, epochs: int) -> None:
    assert epochs_for(steps) == epochs


def test_a_length_that_is_given_is_checked() -> None:
    assert newcomer.RUN.max_epochs is None
    with pytest.raises(InputError, match=r"run\.max_epochs"):
        Run(max_epochs=0)


class Numb(SmallResNet):
    """Its features can be read, and have no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(images)


@pytest.mark.parametrize(
    ("module", "network"),
    [
        (SmallResNet(2, (4, 8)), "copy"),
        (Numb(2, (4, 8)), "trunk"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), "light/mobilenetv3_large_100"),
    ],
)
def test_the_network_follows_from_the_classifier(module: nn.Module, network: str) -> None:
    explainer = Explainer(classifier(module), encoder_weights=None).eval()
    assert explainer.network_name == network
    assert explainer(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)


@pytest.mark.parametrize("network", [None, 3, SmallResNet])
def test_what_is_no_network_is_refused(network: object) -> None:
    with pytest.raises(InputError, match=r"network is a .*give a name, such as 'trunk', or a module"):
        Explainer(classifier(SmallResNet(2, (4, 8))), network)  # type: ignore[arg-type]


def test_the_next_command_trains_on_the_same_pictures() -> None:
    given = {"data": "table:my photos.csv", "train_split": "all[:90%]", "validation": None, "validation_split": "val"}
    assert following(given, Path("runs/c")) == "explanans fit runs/c 'table:my photos.csv' '--train_split=all[:90%]'"
