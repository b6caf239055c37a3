from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.ops.contest import contested

HORSE, RIDER = 0, 1


class Seen(nn.Module):
    """Its logits are the picture's colours in the first pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, 0, 0].clone()


class Halves(nn.Module):
    """Horse: 1 everywhere, 3 in the lower half; rider: 2 everywhere; cart: nothing."""

    def forward(self, images: Tensor) -> Tensor:
        horse = torch.ones(4, 4)
        horse[2:] = 3
        maps = torch.stack([horse, torch.full((4, 4), 2.0), torch.full((4, 4), -5.0)])
        return maps.expand(len(images), -1, -1, -1).clone()


def explainer_of(activation: str = "sigmoid", compete: bool = True) -> Explainer:
    preprocessing = Preprocessing(4, (0, 0, 0), (1, 1, 1))
    classes = ("horse", "rider", "cart")
    made = Explainer(
        Explanandum(Seen(), classes=classes, activation=activation, preprocessing=preprocessing),  # type: ignore[arg-type]
        Halves(),
    )
    made.calibrate(1.0, 0.0, compete=compete)
    return made.eval()


def pictures() -> Tensor:
    """One with a horse and its rider, one with a horse alone."""
    images = torch.zeros(2, 3, 4, 4)
    images[0, :, 0, 0] = torch.tensor([2.0, 2.0, -2.0])
    images[1, :, 0, 0] = torch.tensor([2.0, -2.0, -2.0])
    return images


def inside(masks: Tensor) -> list[list[int]]:
    """Pixels of the upper and of the lower half."""
    return [[int((mask[rows] >= 0.5).sum()) for rows in (slice(2), slice(2, 4))] for mask in masks]


def test_what_is_seen_together_competes_and_what_is_seen_alone_does_not() -> None:
    explainer = explainer_of()
    asked = torch.tensor([[True, True, False], [True, True, False]])
    assert inside(explainer.masks_of(pictures(), asked)) == [[0, 8], [8, 0], [8, 8], [8, 8]]
    assert inside(explainer_of(compete=False).masks_of(pictures(), asked)) == [[8, 8]] * 4
    # All at once, and whole evidence, are what the network says.
    assert inside(explainer(pictures())[0, :2]) == [[8, 8]] * 2
    assert inside(explainer.whole_evidence().masks_of(pictures(), asked)) == [[8, 8]] * 4
    assert explainer.competes


def test_a_mask_does_not_depend_on_what_else_is_asked_for() -> None:
    explainer = explainer_of()
    everything = explainer.masks_of(pictures(), torch.ones(2, 3, dtype=torch.bool)).view(2, 3, 4, 4)
    for row in range(2):
        for column in range(3):
            asked = torch.zeros(2, 3, dtype=torch.bool)
            asked[row, column] = True
            assert torch.equal(explainer.masks_of(pictures(), asked)[0], everything[row, column])
    assert explainer.masks_of(pictures(), torch.zeros(2, 3, dtype=torch.bool)).shape == (0, 4, 4)


def test_explain_and_attribute_ask_for_the_same_masks() -> None:
    explainer, asked = explainer_of(), torch.tensor([[True, True, False], [True, False, False]])
    seen, draw = explainer.look(pictures())
    torch.testing.assert_close(seen, pictures()[:, :, 0, 0].sigmoid())
    assert torch.equal(draw(asked), explainer.masks_of(pictures(), asked))
    attributed = explainer.attribute(pictures(), torch.tensor([RIDER, HORSE]))
    assert inside(attributed[:, 0]) == [[8, 0], [8, 8]]


def test_a_softmax_sees_one_class_and_is_not_asked_for_it() -> None:
    explainer = explainer_of("softmax")
    assert not explainer.competes
    assert inside(explainer.masks_of(pictures(), torch.tensor([[True, True, False]] * 2))) == [[8, 8]] * 4


@pytest.mark.parametrize("network", ["compact", "trunk?width=8"])
def test_networks_that_answer_for_some_classes_alone(network: str, tmp_path: Path) -> None:
    """Of five classes one is asked for; its rivals' maps are made too."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    arguments = {"num_classes": 5, "widths": [8, 16]}
    source = Source("explanans:small_resnet", arguments)
    classifier = Explanandum(
        SmallResNet(**arguments),
        classes=tuple("abcde"),
        activation="sigmoid",
        preprocessing=preprocessing,
        source=source,
    )
    explainer = Explainer(classifier, network, encoder_weights=None).eval()
    for part in explainer.network.modules():
        if isinstance(part, nn.Conv2d) and part.out_channels == 5:
            nn.init.normal_(part.weight, std=2.0)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    # The classifier is sure of every class, by a bias of its head.
    with torch.no_grad():
        classifier.module.head.bias += 5
        middle = float(explainer.head_logits(images).median())
    explainer.calibrate(4.0, -middle, compete=True)
    asked = torch.zeros(2, 5, dtype=torch.bool)
    asked[:, 2] = True
    with torch.no_grad():
        expected = contested(explainer.head_logits(images), classifier.probabilities(images), 4.0)[:, 2]
        plain = explainer.head_logits(images)[:, 2]
        enlarged = nn.functional.interpolate(expected[:, None], (32, 32), mode="bilinear")[:, 0].sigmoid()
    assert not torch.equal(expected, plain)
    torch.testing.assert_close(explainer.masks_of(images, asked), enlarged)
    torch.testing.assert_close(explainer.look(images)[1](asked), enlarged)
    explainer.save_pretrained(tmp_path / "saved")
    again = Explainer.from_pretrained(tmp_path / "saved", explanandum=classifier)
    assert again.compete
    assert torch.equal(again.masks_of(images, asked), explainer.masks_of(images, asked))
    assert again.folded().competes


def test_a_calibration_tells_apart_what_competes() -> None:
    explainer = explainer_of()
    told = explainer.config()["calibration"]
    assert told["compete"] is True
    # Of an own network there is nothing to hash but its weights; these have none.
    assert explainer.identity()["explainer"]["calibration"] == [1, 0, 0, 0, True]
    assert explainer_of(compete=False).identity()["explainer"]["calibration"] == [1, 0]


@pytest.mark.bad_input
def test_competing_is_yes_or_no() -> None:
    explainer = explainer_of()
    with pytest.raises(InputError, match=r"calibration\.compete='yes' is not a truth value"):
        explainer.calibrate(2.0, 0.0, compete="yes")  # type: ignore[arg-type]
    assert float(explainer.scale) == 1
