"""Explanations without training: which method, what it was made with, and that it is the same pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import explanans
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.by_method import ByMethod
from explanans.explanations.choice import choose_method
from explanans.explanations.cut import AREAS, EDGES
from explanans.explanations.explanation import Explanation
from explanans.images.preprocessing import Preprocessing

RED, GREY = (255, 0, 0), (128, 128, 128)


def explanandum(module: nn.Module, side: int = 32, classes: int = 2) -> Explanandum:
    preprocessing = Preprocessing(side, (0.5,) * 3, (0.25,) * 3)
    names = [f"class {number}" for number in range(classes)]
    return Explanandum(module, classes=names, activation="sigmoid", preprocessing=preprocessing)


class Reddest(nn.Sequential):
    """Two convolutions that leave red in the first class and blue in the second, and their mean."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 2, 2, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        weight = torch.zeros(2, 3, 2, 2)
        weight[0, 0], weight[0, 1] = 2, -2
        weight[1, 2], weight[1, 1] = 2, -2
        self[0].weight.data, self[0].bias.data = weight, torch.zeros(2)
        self.append(nn.Linear(2, 2))
        self[4].weight.data, self[4].bias.data = torch.eye(2) * 4, torch.tensor([-16.0, -16.0])


class OneSize(Reddest):
    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] == 32, "takes 32 pixels only"
        return super().forward(images)


def red_square(left: int = 8) -> Image.Image:
    picture = Image.new("RGB", (32, 32), GREY)
    picture.paste(RED, (left, 8, left + 12, 20))
    return picture


def only(found: Explanation | list[Explanation]) -> Explanation:
    assert isinstance(found, Explanation)
    return found


def test_a_convolutional_network_gets_spread_cam_and_the_mask_lies_on_the_object() -> None:
    found = only(explanans.explain(explanandum(Reddest()), red_square(), fills="mean"))
    assert found.facts["method"]["name"] == "spread_cam"
    assert found.classes == ("class 0",)
    inside = found["class 0"].mask >= 0.5
    square = np.zeros((32, 32), bool)
    square[8:20, 8:20] = True
    assert (inside & square).sum() / (inside | square).sum() > 0.5
    receipt = found["class 0"].receipt
    assert receipt is not None
    assert receipt.area == inside.mean()
    assert receipt.removed < receipt.kept


@pytest.mark.parametrize(
    ("module", "name", "settings"),
    [
        (Reddest(), "spread_cam", {}),
        (OneSize(), "spread_cam", {"scale": 1.0}),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), "occlusion", {"window": 3 / 9, "stride": 1 / 9}),
    ],
)
def test_the_best_that_a_classifier_allows(module: nn.Module, name: str, settings: dict) -> None:
    choice = choose_method(explanandum(module), calls=50)
    assert (choice.name, choice.settings) == (name, pytest.approx(settings))
    assert choice.why


def test_a_vision_transformer_is_explained_by_what_measured_best() -> None:
    network = VisionTransformer(img_size=32, patch_size=4, num_classes=2, embed_dim=16, depth=2, num_heads=2)
    choice = choose_method(explanandum(network))
    assert (choice.name, choice.settings) == ("spread_cam", {"scale": 1.0})
    assert "vision transformers" in choice.why


@pytest.mark.parametrize(("calls", "places"), [(400, 18), (325, 18), (324, 17), (10, 3), (2, 1)])
def test_a_box_is_asked_as_often_as_it_may_be(calls: int, places: int) -> None:
    """Squares of three steps on 200 pixels: 18 places in a row are 324, and the whole picture is one more."""
    counts: list[int] = []

    class Box(nn.Flatten):
        def forward(self, images: Tensor) -> Tensor:
            counts.append(len(images))
            return images[:, :2, 0, 0]

    size = Preprocessing(200, (0.5,) * 3, (0.5,) * 3)
    box = Explanandum(Box(), classes=["a", "b"], activation="sigmoid", preprocessing=size)
    choice = choose_method(box, calls)
    counts.clear()
    choice.method(torch.zeros(1, 3, 200, 200), ["a"])
    assert sum(counts) <= calls
    assert choice.settings["stride"] == pytest.approx(1 / (places + 2))
    assert f"asked {sum(counts)} times" in choice.why


def test_a_box_that_may_hardly_be_asked() -> None:
    with pytest.raises(InputError, match="calls=1: Occlusion asks at least 2 times"):
        choose_method(explanandum(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))), calls=1)


def test_without_gradients_the_classifier_is_asked() -> None:
    counts: list[int] = []

    def classify(pictures: np.ndarray) -> np.ndarray:
        counts.append(len(pictures))
        red = pictures[..., 0].mean((1, 2)) / 255
        return np.stack([red, 1 - red], 1)

    box = Explanandum.from_function(
        classify, classes=["red", "other"], outputs="softmax", preprocessing=Preprocessing(8, (0.5,) * 3, (0.5,) * 3)
    )
    counts.clear()
    found = only(explanans.explain(box, red_square(), calls=40, top_k=1))
    assert found.facts["method"]["name"] == "occlusion"
    assert "no gradients" in found.facts["method"]["why"]
    # The picture, again and with a square in 36 places, inside and outside of seven cuts, two fills kept and removed,
    # two other places.
    assert sum(counts) == 1 + 37 + 14 + 4 + 2


def test_whole_evidence_is_not_cut_by_the_pictures_edges() -> None:
    """Where the classifier says nothing, the map falls most below its second column, the picture's colours below the
    third."""
    image = torch.zeros(1, 3, 32, 32)
    image[:, 2, :, :24] = 1.0
    columns = torch.tensor([1.0, 1.0, 0.66, 0.3]).repeat_interleave(8)
    masker = ByMethod(explanandum(Reddest()), lambda images, asked, generator=None: columns.expand(1, 2, 32, 32))
    asked = torch.tensor([[True, False]])
    shares = {}
    for name, each in (("things", masker), ("evidence", masker.whole_evidence())):
        _, draw = each.look(image)
        shares[name] = (draw(asked) >= 0.5).float().mean().item()
    assert shares == {"things": 0.75, "evidence": 0.5}
    assert masker.whole_evidence().identity() != masker.identity()
    spread = ByMethod(explanandum(Reddest()), "spread_cam")
    assert (tuple(spread.areas), spread.edges) == ((), EDGES)
    assert (spread.whole_evidence().areas, spread.whole_evidence().edges) == (AREAS, 0)


def test_every_method_by_its_name_and_the_same_saved_file(tmp_path: Path) -> None:
    classifier = explanandum(Reddest())
    found = only(
        explanans.explain(classifier, red_square(), method="grad_cam", method_options={"layer": "0"}, classes=[0, 1])
    )
    assert found.facts["method"] == {"name": "grad_cam", "settings": {"layer": "0"}, "why": "asked for"}
    saved = json.loads((found.save(tmp_path / "out") / "explanation.json").read_text())
    assert saved["method"]["settings"] == {"layer": "0"}
    assert saved["classifier"]["weights_hash"] == classifier.weights_hash
    # No blue anywhere: Grad-CAM is 0, and the mask is empty.
    assert not found["class 1"].mask.any()


def test_what_draws_at_random_does_not_depend_on_the_batch() -> None:
    masker = ByMethod(explanandum(Reddest()), "rise", {"masks": 30})
    pictures = [red_square(), red_square(16)]
    together = explanans.explain(masker, pictures, classes=0, receipts=False)
    alone = only(explanans.explain(masker, pictures[1], classes=0, receipts=False))
    assert isinstance(together, list)
    assert together[1]["class 0"].input_mask == pytest.approx(alone["class 0"].input_mask, abs=1e-6)


def test_a_method_of_ones_own() -> None:
    def upper_half(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = images.new_zeros(len(images), 2, *images.shape[-2:])
        maps[:, :, :16] = 1
        return maps

    found = only(explanans.explain(explanandum(Reddest()), red_square(), method=upper_half, classes=0))
    assert (found["class 0"].input_mask[:16] == 1).all()
    assert (found["class 0"].input_mask[16:] == 0).all()
    assert found.facts["method"]["name"] == "upper_half"


def test_an_explainers_classifier_by_another_method() -> None:
    explainer = Explainer(explanandum(Reddest()), nn.Conv2d(3, 2, 1))
    predicted, mapped = (
        explainer.explain(red_square(), classes=0),
        explainer.explain(red_square(), classes=0, method="grad_cam"),
    )
    assert "explainer" in only(predicted).facts
    assert only(mapped).facts["method"]["name"] == "grad_cam"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"method": "grad_kam"}, "grad_kam"),
        ({"method": "grad_cam", "method_options": {"layers": "0"}}, "layers"),
        ({"method_options": {"layer": "0"}}, "nobody's: name the method"),
        ({"calls": 0}, "calls"),
        ({"method": lambda *given: given, "method_options": {"a": 1}}, "made already"),
    ],
)
def test_bad_input(options: dict, word: str) -> None:
    with pytest.raises(InputError, match=word):
        explanans.explain(explanandum(Reddest()), red_square(), **options)


def test_a_name_is_no_classifier() -> None:
    with pytest.raises(InputError, match=r"classifier is a str; give Explanandum\.load"):
        explanans.explain("timm:resnet18", red_square())  # type: ignore[arg-type]


def test_which_methods_ask_the_classifier_often() -> None:
    classifier = explanandum(Reddest())
    often = {name: ByMethod(classifier, name).asks_often for name in ("occlusion", "rise", "score_cam", "grad_cam")}
    assert often == {"occlusion": True, "rise": True, "score_cam": True, "grad_cam": False}
    assert not ByMethod(classifier, lambda images, targets, generator=None: images).asks_often
    assert not Explainer(classifier, "compact").asks_often
