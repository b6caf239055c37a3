"""With more classes than a segmentation can name, maps are made of those that are asked for; scores stay the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explanans.benchmark import calling
from explanans.benchmark.batches import scored
from explanans.benchmark.calling import Called, Caller
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.robustness import cascade, sensitivity
from explanans.benchmark.scoring import Scorer
from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.classifiers.small_resnet import SmallResNet
from explanans.images.preprocessing import Preprocessing
from explanans.methods import GradCAM, make_method
from explanans.methods.base import Method
from explanans.metrics import label_region
from explanans.ops.targets import Target

CLASSES, SIZE = 300, 32
GROUPS = ("kept", "top_area", "saliency", "insertion", "road")
COMPARED = ("classes", "predicted", "segmentation", "boundary")


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


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_segmentations_are_compared_with_as_with_all_maps(
    classifier: Explanandum, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, activation: Activation
) -> None:
    classifier = Explanandum(
        classifier.module, classes=classifier.classes, activation=activation, preprocessing=classifier.preprocessing
    )
    segmentation = torch.zeros(3, SIZE, SIZE, dtype=torch.int32)
    # Number 255 is class 254, which is no label and has no map; it is missed, and no void.
    segmentation[:, :8], segmentation[:, 8:16, :20], segmentation[:, 28:] = 255, 300, 65535
    segmentation[1, 16:24], segmentation[2, 16:24] = 8, 41
    with torch.no_grad():
        whole = classifier.probabilities(pictures.images)
    target, valid = label_region(segmentation, pictures.labels)
    pictures = replace(pictures, whole=whole, segmentation=segmentation, target=target, valid=valid)
    # What the first picture shows most is background: nobody is named there under softmax.
    scorer = Scorer(classifier, background=[int(whole[0].argmax())])
    asked = pictures.labels | scorer.named(pictures)
    groups = {group: torch.ones(3, dtype=torch.bool) for group in COMPARED}
    values = []
    for most in (254, CLASSES):
        monkeypatch.setattr(calling, "WHOLE", most)
        caller = Caller("method", GradCAM(classifier), 0)
        with torch.no_grad():
            called = caller(pictures.images, asked, pictures.indices)
            found, errors = scored(scorer, pictures, called, "minmax", groups, threshold=0.5)
        assert (called.columns is None) == (most == CLASSES)
        assert errors == [""] * 3
        values.append(found.values)
    few, all_ = values
    assert few.keys() == all_.keys() > {"class_iou_soft", "voc_counts", "voc_counts_predicted", "iou_best"}
    for name, column in all_.items():
        torch.testing.assert_close(few[name], column, equal_nan=True, atol=1e-6, rtol=0, msg=name)
    unions = few["voc_counts"].view(3, 2, CLASSES + 1)[:, 1]
    assert unions[:, 255].tolist() == [8 * SIZE] * 3
    assert few["voc_counts"].view(3, 2, CLASSES + 1)[:, 0, 255].tolist() == [0] * 3
    assert few["class_iou_soft"].max() > 0
