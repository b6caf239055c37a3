from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from explanans.benchmark import evaluate
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.constant import Constant

SIZE = 8
SCORES = {"accuracy_soft", "f1_soft", "iou_soft", "f1_mean", "iou_mean", "iou_50", "saliency"}


class Squares(Dataset):
    """Image i has a bright square of class i mod 2; every fourth image has no label; one row of pixels is void."""

    def __init__(self, count: int = 7, masks: bool = True) -> None:
        self.count, self.masks = count, masks
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.read.append(index)
        image, labels = torch.zeros(3, SIZE, SIZE), torch.zeros(2)
        segmentation = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
        segmentation[0] = 255
        if index % 4 != 3:
            image[index % 2, 2:6, 2:6] = 4.0
            segmentation[2:6, 2:6] = index % 2 + 1
            labels[index % 2] = 1
        sample = {"image": image, "labels": labels, "segmentation": segmentation, "index": index, "name": str(index)}
        return sample if self.masks else {key: value for key, value in sample.items() if key != "segmentation"}


class ChannelMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.dropout(images.mean((2, 3))[:, :2])


@pytest.fixture
def classifier() -> Explanandum:
    preprocessing = Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Explanandum(ChannelMean(), classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


def truth(scale: float = 1.0):
    """A method that reads the evidence off the image: the square, at a height of its own."""

    def method(images: Tensor, targets: Tensor) -> Tensor:
        return (images[:, :2] > 0).float() * targets[:, :, None, None] * scale

    return method


def test_constants_and_truth_by_hand(classifier: Explanandum) -> None:
    methods = {"truth": truth(), "one": Constant(classifier, 1.0), "zero": Constant(classifier, 0.0)}
    result = evaluate(methods, Squares(), classifier, normalisation=dict.fromkeys(methods, "raw"), batch_size=2)
    assert [row.method for row in result.rows] == ["truth", "one", "zero"]
    assert result.indices == (0, 1, 2, 4, 5, 6)
    assert result.without_label == (3,)
    for name in SCORES - {"saliency"}:
        assert result["truth"].scores[name] == 1.0
    # 16 of 56 pixels that are not void
    assert result["one"].scores["iou_soft"] == pytest.approx(16 / 56)
    assert result["one"].scores["iou_mean"] == pytest.approx(16 / 56)
    assert result["one"].scores["f1_soft"] == pytest.approx(32 / 72)
    assert result["zero"].scores["accuracy_soft"] == pytest.approx(40 / 56)
    assert result["zero"].scores["f1_mean"] == 0.0
    # The logit of the label is the mean 4 · 16 / 64 = 1 with the square, 0 without; void pixels are part of the area.
    visible = math.log(1 / (1 + math.exp(-1)))
    assert result["truth"].scores["saliency"] == pytest.approx(math.log(16 / 64) - visible)
    assert result["one"].scores["saliency"] == pytest.approx(-visible)
    assert result["zero"].scores["saliency"] == pytest.approx(math.log(0.05) - math.log(0.5))
    assert all(row.threshold is None and row.nan_count == 0 and row.seconds_per_image > 0 for row in result.rows)
    assert {len(values) for row in result.rows for values in row.per_image.values()} == {6}


def test_a_softmax_classifier_is_asked_for_its_softmax(classifier: Explanandum) -> None:
    softmax = Explanandum(
        ChannelMean(), classes=("a", "b"), activation="softmax", preprocessing=classifier.preprocessing
    )
    methods = {"truth": truth(), "zero": Constant(softmax, 0.0)}
    result = evaluate(methods, Squares(), softmax, normalisation=dict.fromkeys(methods, "raw"), batch_size=4)
    # Logits 1 of the label and 0 of the other class with the square, 0 and 0 without.
    seen = math.log(math.e / (math.e + 1))
    assert result["truth"].scores["saliency"] == pytest.approx(math.log(16 / 64) - seen)
    assert result["zero"].scores["saliency"] == pytest.approx(math.log(0.05) - math.log(1 / 2))


def test_scores_do_not_depend_on_the_batch_size(classifier: Explanandum) -> None:
    methods = {"m": truth(0.7)}
    results = [
        evaluate(methods, Squares(), classifier, normalisation={"m": "raw"}, batch_size=size)["m"].per_image
        for size in (1, 3, 16)
    ]
    assert results[0] == results[1] == results[2]


def test_the_threshold_comes_from_the_other_split(classifier: Explanandum) -> None:
    def method(images: Tensor, targets: Tensor) -> Tensor:
        return (truth(0.3)(images, targets) + 0.2) * targets[:, :, None, None]

    methods = {"low": method, "stretched": method}
    normalisation = {"low": "raw", "stretched": "minmax"}
    other = Squares(5)
    result = evaluate(methods, Squares(), classifier, normalisation=normalisation, threshold_dataset=other)
    # 0.2 outside and 0.5 inside: the lowest threshold that separates is 0.21, after stretching to 0 and 1 it is 0.01.
    assert [row.threshold for row in result.rows] == [0.21, 0.01]
    assert result["low"].scores["iou_best"] == 1.0
    assert result["low"].scores["iou_mean"] == pytest.approx((2 * 16 / 56 + 3 * 1 + 4 * 0) / 9)
    assert set(result["low"].scores) >= SCORES | {"iou_best", "f1_best"}
    assert "iou_best" not in evaluate({"low": method}, other, classifier, normalisation={"low": "raw"})["low"].scores
    assert other.read[:5] == list(range(5))


def test_nan_is_counted_never_dropped(classifier: Explanandum) -> None:
    def broken(images: Tensor, targets: Tensor) -> Tensor:
        maps = truth()(images, targets)
        maps[0] = torch.where(targets[0, :, None, None], torch.nan, maps[0])
        return maps

    methods = {"broken": broken, "truth": truth()}
    result = evaluate(
        methods, Squares(4), classifier, normalisation=dict.fromkeys(methods, "minmax"), threshold_dataset=Squares(2)
    )
    assert result["broken"].nan_count == 1
    assert result["broken"].per_image["iou_soft"] == [0.0, 1.0, 1.0]
    assert result["broken"].per_image["saliency"][0] == pytest.approx(-math.log(1e-6))
    assert result["truth"].nan_count == 0
    json.dumps(result.to_dict(), allow_nan=False)


def test_modules_are_asked_in_evaluation_mode_and_restored(classifier: Explanandum) -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5)
            self.frozen = nn.Dropout(0.5).eval()
            self.modes: list[bool] = []

        def forward(self, images: Tensor, targets: Tensor) -> Tensor:
            self.modes += [self.dropout.training, torch.is_grad_enabled()]
            return truth()(images, targets)

    method = Learned().train()
    method.frozen.eval()
    evaluate({"m": method}, Squares(), classifier, normalisation={"m": "raw"})
    assert not any(method.modes)
    assert method.training
    assert method.dropout.training
    assert not method.frozen.training


def test_time_is_that_of_the_method_after_a_warm_up(classifier: Explanandum) -> None:
    calls: list[int] = []

    def counting(images: Tensor, targets: Tensor) -> Tensor:
        calls.append(len(images))
        return truth()(images, targets)

    evaluate({"m": counting}, Squares(), classifier, normalisation={"m": "raw"}, batch_size=4)
    assert calls == [3, 3, 3]  # to warm up, then two batches of which each has lost nothing but the unlabelled


def test_markdown_and_dict(classifier: Explanandum) -> None:
    methods = {"truth": truth(), "one": Constant(classifier, 1.0)}
    result = evaluate(methods, Squares(), classifier, normalisation=dict.fromkeys(methods, "raw"))
    lines = result.to_markdown().splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| truth | raw | 1.000 | 1.000 | 1.000 |")
    assert "–" in lines[3]
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["indices"] == [0, 1, 2, 4, 5, 6]
    assert data["rows"][0]["scores"]["iou_soft"] == 1.0
    assert len(data["rows"][1]["per_image"]["f1_mean"]) == 6


def test_bad_input(classifier: Explanandum) -> None:
    data, one = Squares(), {"m": truth()}
    with pytest.raises(InputError, match="methods is empty"):
        evaluate({}, data, classifier, normalisation={})
    with pytest.raises(InputError, match="no step for"):
        evaluate(one, data, classifier, normalisation={})
    with pytest.raises(InputError, match="unknown steps"):
        evaluate(one, data, classifier, normalisation={"m": "rank"})
    with pytest.raises(InputError, match="another split"):
        evaluate(one, data, classifier, normalisation={"m": "raw"}, threshold_dataset=data)
    with pytest.raises(InputError, match="segmentation"):
        evaluate(one, Squares(masks=False), classifier, normalisation={"m": "raw"})
    with pytest.raises(InputError, match="no image with a label"):
        evaluate(one, torch.utils.data.Subset(data, [3]), classifier, normalisation={"m": "raw"})
    with pytest.raises(InputError, match="minmax"):
        evaluate({"m": truth(3.0)}, data, classifier, normalisation={"m": "raw"})
    with pytest.raises(InputError, match=r"methods\['m'\] returned maps of shape"):
        evaluate({"m": lambda x, t: x}, data, classifier, normalisation={"m": "raw"})
