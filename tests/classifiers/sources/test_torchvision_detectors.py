from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from explanans import Explanandum, Preprocessing, explain
from explanans.classifiers.sources.torchvision_detectors import detector_names
from explanans.errors import InputError

PIXELS = Preprocessing(32, (0.0,) * 3, (1.0,) * 3)


class RedAndGreen(nn.Module):
    """Finds a red and a green square (labels 1 and 2), as sure of each as the picture's corner is red or green."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = nn.Identity()

    def forward(self, images: Any) -> Any:
        assert isinstance(images, list)
        # As torchvision's, which take the first one's size.
        assert images
        sure = [image[:2, :8, :8].mean((1, 2)) for image in images]
        return [{"boxes": torch.ones(2, 4), "scores": each, "labels": torch.tensor([1, 2])} for each in sure]


class Segmenter(nn.Module):
    """Logits of background, bright and dark; it is as sure of bright as a pixel is bright."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        bright = images.mean(1).clamp(1e-4, 1 - 1e-4)
        return {"out": torch.stack([torch.full_like(bright, 1e-9), bright, 1 - bright], 1).log()}


def picture() -> Tensor:
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, :8, :8] = 0.9
    image[0, 1, :8, :8] = 0.2
    return image


def test_a_detector_is_a_classifier() -> None:
    classifier = Explanandum.from_detector(RedAndGreen(), classes=["red", "green"], preprocessing=PIXELS)
    torch.testing.assert_close(classifier.probabilities(picture()), torch.tensor([[0.9, 0.2]]))
    assert classifier.activation == "sigmoid"
    assert not classifier.differentiable


def test_its_mask_is_where_the_object_is() -> None:
    classifier = Explanandum.from_detector(RedAndGreen(), classes=["red", "green"], preprocessing=PIXELS)
    found = explain(classifier, picture()[0], classes=["red"], method="occlusion")
    assert not isinstance(found, list)
    mask, receipt = torch.as_tensor(found["red"].mask), found["red"].receipt
    assert mask[:8, :8].mean() > 3 * mask[16:, 16:].mean()
    assert receipt is not None
    assert receipt.kept > 0.8
    # A blurred red square is still red, a black one is not.
    assert receipt.fills["mean"].removed < 0.5


def test_a_picture_in_which_nothing_is_found() -> None:
    classifier = Explanandum.from_detector(RedAndGreen(), classes=["red", "green"], preprocessing=PIXELS)
    assert classifier.probabilities(torch.zeros(0, 3, 32, 32)).shape == (0, 2)
    found = explain(classifier, torch.zeros(3, 32, 32), method="occlusion")
    assert not isinstance(found, list)
    assert list(found) == []


def test_a_segmenter_is_a_classifier() -> None:
    image = torch.full((1, 3, 32, 32), 0.25)
    image[..., :16, :] = 0.75
    for reduce, bright in (("max", 0.75), ("mean", 0.5)):
        classifier = Explanandum.from_detector(
            Segmenter(),
            classes=["bright", "dark"],
            preprocessing=PIXELS,
            reduce=reduce,  # type: ignore[arg-type]
        )
        torch.testing.assert_close(classifier.probabilities(image), torch.tensor([[bright, bright]]))


def test_named_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    name = "torchvision:lraspp_mobilenet_v3_large?num_classes=3&reduce=mean"
    small = Preprocessing(64, (0.5,) * 3, (0.25,) * 3)
    asked = {"classes": ["cat", "dog"], "preprocessing": small}
    classifier = Explanandum.load(name, weights=tmp_path / "weights.safetensors", **asked)  # type: ignore[arg-type]
    image = torch.randn(2, 3, 64, 64)
    expected = module.eval()(image)["out"].softmax(1)[:, 1:].mean((2, 3))
    torch.testing.assert_close(classifier.probabilities(image), expected)
    again = Explanandum.load(classifier.save(tmp_path / "saved"))
    assert torch.equal(again.probabilities(image), classifier.probabilities(image))
    assert again.weights_hash == classifier.weights_hash


def test_published_names_are_known() -> None:
    assert {"fasterrcnn_mobilenet_v3_large_320_fpn", "deeplabv3_resnet50"} <= set(detector_names())
    assert "keypointrcnn_resnet50_fpn" not in detector_names()


class Wrong(RedAndGreen):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Any) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([{"scores": torch.ones(1), "labels": torch.tensor([3])}], "the label 3 for 2 classes"),
        ([{"boxes": torch.ones(1, 4)}], "returned \\['boxes'\\]"),
        ({"out": torch.zeros(1, 2, 4, 4)}, r"expected \(N, 3, h, w\)"),
    ],
)
@pytest.mark.bad_input
def test_a_detector_that_answers_otherwise(answer: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Explanandum.from_detector(Wrong(answer), classes=["red", "green"], preprocessing=PIXELS)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("torchvision:fasterrcnn_resnet50_fp", "did you mean 'fasterrcnn_resnet50_fpn'"),
        ("torchvision:ssd300_vgg16?num_classes=3", "no weights were published for num_classes"),
        ("torchvision:ssd300_vgg16?reduce=least", "reduce"),
        ("torchvision:ssd300_vgg16?weights_backbone=x", "weights_backbone"),
        ("torchvision:ssd300_vgg16.NONE", "COCO_V1"),
    ],
)
@pytest.mark.bad_input
def test_names_that_are_none(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Explanandum.load(name)
