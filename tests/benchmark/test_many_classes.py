"""With more classes than a segmentation can name, maps are made of those that are asked for; scores stay the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.benchmark import calling
from explanans.benchmark.batches import scored
from explanans.benchmark.calling import Called, Caller
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.robustness import cascade, sensitivity
from explanans.benchmark.scoring import Scorer
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.small_resnet import SmallResNet
from explanans.images.preprocessing import Preprocessing
from explanans.methods import GradCAM, make_method
from explanans.methods.base import Method
from explanans.ops.targets import Target

CLASSES, SIZE = 300, 32
GROUPS = ("kept", "top_area", "saliency", "insertion", "road")


@pytest.fixture
def classifier() -> Explanandum:
    torch.manual_seed(0)
    return Explanandum(
        SmallResNet(CLASSES, widths=(4, 8)),
        classes=[f"class {number}" for number in range(CLASSES)],
        activation="sigmoid",
        preprocessing=Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3),
    )


@pytest.fixture
def pictures(classifier: Explanandum) -> Pictures:
    images = torch.randn(3, 3, SIZE, SIZE)
    labels = torch.zeros(3, CLASSES, dtype=torch.bool)
    labels[[0, 1, 1, 2], [299, 7, 299, 40]] = True
    with torch.no_grad():
        whole = classifier.probabilities(images)
    return Pictures(images, labels, None, None, whole, (5, 6, 7))


class Bare:
    """A method that makes all maps, and fails on bright images."""

    def __init__(self, explanandum: Explanandum) -> None:
        self.made = GradCAM(explanandum)

    def __call__(self, images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        if images.mean() > 5:
            raise ValueError("too bright")
        return self.made(images, targets)


def everything(classifier: Explanandum, pictures: Pictures, method: Method) -> tuple[Called, dict[str, list[float]]]:
    caller = Caller("method", method, 0)
    with torch.no_grad():
        called = caller(pictures.images, pictures.labels, pictures.indices)
        groups = {group: torch.ones(3, dtype=torch.bool) for group in GROUPS}
        found, errors = scored(Scorer(classifier), pictures, called, "minmax", groups)
    assert errors == called.errors
    values = {name: column.flatten().tolist() for name, column in found.values.items()}
    values["sensitivity"] = list(sensitivity(caller, pictures, [0, 1], "minmax", 2).values())
    return called, values


@pytest.mark.parametrize("name", ["grad_cam", "occlusion", "rise", "bare"])
def test_scores_are_those_of_all_maps(
    classifier: Explanandum, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = {"masks": 8} if name == "rise" else {"window": 0.5, "stride": 0.5} if name == "occlusion" else {}
    method = Bare(classifier) if name == "bare" else make_method(name, classifier, **settings)
    if name == "bare":
        pictures.images[2] += 20
    few, quick = everything(classifier, pictures, method)
    assert few.maps.shape == (3, 3, SIZE, SIZE)
    assert few.columns is not None
    assert few.columns.tolist() == [7, 40, 299]
    monkeypatch.setattr(calling, "WHOLE", CLASSES)
    all_, slow = everything(classifier, pictures, method)
    assert all_.columns is None
    assert all_.maps.shape == (3, CLASSES, SIZE, SIZE)
    torch.testing.assert_close(all_.maps[:, few.columns], few.maps, equal_nan=True)
    assert all_.errors == few.errors == ["", "", "ValueError: too bright" if name == "bare" else ""]
    assert quick.keys() == slow.keys() > {"kept", "saliency", "insertion", "road", "average_drop_15", "whole"}
    for column in slow:
        assert quick[column] == pytest.approx(slow[column], nan_ok=True, abs=1e-6), column


def test_randomised_weights_with_many_classes(classifier: Explanandum, pictures: Pictures) -> None:
    caller = Caller("method", GradCAM(classifier), 0)
    with torch.no_grad():
        found = cascade(caller, classifier, GradCAM, pictures, "minmax", stages=1, seed=0)
    assert found["stages"][0]["failed"] == 0


def test_a_method_that_returns_something_else_is_told_what_is_expected(
    classifier: Explanandum, pictures: Pictures
) -> None:
    def wrong(images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        return images.mean(1)

    called = Caller("wrong", wrong, 0)(pictures.images, pictures.labels, pictures.indices)
    assert called.maps.isnan().all()
    assert "returned maps of shape (1, 32, 32); expected (1, 300, 32, 32)" in called.errors[0]
