from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from explanans.benchmark.columns import COLUMNS, CURVE_THRESHOLDS, CURVES, GROUPS, MADE_FROM, SCHEMA
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.score_groups import STEPS
from explanans.benchmark.scoring import Scorer, Scores, masks_of
from explanans.classifiers.explanandum import Explanandum
from explanans.images.preprocessing import Preprocessing
from explanans.metrics import label_region

SIZE = 8
ALL = (
    *("classes", "predicted", "segmentation", "boundary", "kept", "top_area", "saliency", "insertion", "road"),
    "specificity",
)
ASKED_AGAIN = ("max_sensitivity", "grid_pointing")


class ChannelMean(nn.Module):
    """The logit of class c is the mean of channel c; NaN where ``breaks`` says so of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks = lambda image: False
        self.asked = 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        logits = images.mean((2, 3))[:, :2]
        broken = torch.tensor([self.breaks(image) for image in images])
        return logits.masked_fill(broken[:, None], math.nan)


@pytest.fixture
def classifier() -> Explanandum:
    preprocessing = Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Explanandum(ChannelMean(), classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


def pictures(explanandum: Explanandum, labels: list[list[int]]) -> Pictures:
    """Each image has a square of 4 in the channel of its labels; the first row is void."""
    given = torch.tensor(labels, dtype=torch.bool)
    images = torch.zeros(len(given), 3, SIZE, SIZE)
    images[:, :2, 2:6, 2:6] = 4.0 * given[:, :, None, None]
    segmentation = torch.zeros(len(given), SIZE, SIZE, dtype=torch.uint8)
    segmentation[:, 2:6, 2:6] = given.float().argmax(1)[:, None, None] + 1
    segmentation[:, 0] = 255
    target, valid = label_region(segmentation, given)
    with torch.no_grad():
        whole = explanandum.probabilities(images)
    return Pictures(images, given, target, valid, whole, tuple(range(len(given))), segmentation)


def asked(count: int, *groups: str) -> dict[str, Tensor]:
    return dict.fromkeys(groups, torch.ones(count, dtype=torch.bool))


def truth(given: Pictures, scale: float = 1.0) -> Tensor:
    return (given.images[:, :2] > 0).float() * scale


@torch.no_grad()
def score(explanandum: Explanandum, given: Pictures, masks: Tensor, *groups: str, **options) -> Scores:
    scorer = Scorer(explanandum, batch_size=options.pop("batch_size", 64))
    return scorer(given, masks, asked(len(masks), *groups), **options)


def test_columns_groups_and_schema_belong_together(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0]])
    found = score(classifier, given, truth(given), *ALL, threshold=0.5).values
    computed = {*found, *ASKED_AGAIN}
    listed = {*COLUMNS, *CURVES, *MADE_FROM.values()} - MADE_FROM.keys()
    assert computed == listed
    assert listed <= set(SCHEMA.names)
    assert {column.group for column in COLUMNS.values()} | {"sanity"} == set(GROUPS)


def test_by_hand(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0]])
    found = {
        name: values[0] for name, values in score(classifier, given, truth(given), *ALL, threshold=0.5).values.items()
    }
    for name in ("accuracy_soft", "f1_soft", "iou_soft", "f1_mean", "iou_best", "f1_25", "roc_auc", "pointing"):
        assert found[name] == 1.0, name
    assert found["background_coverage"] == 0
    # 16 of 56 pixels that count.
    assert found["area"] == pytest.approx(16 / 56)
    # The square's mean is 4 · 16 / 64 = 1: the mask keeps all of it and removes it.
    seen = 1 / (1 + math.exp(-1))
    assert found["whole"] == found["kept"] == pytest.approx(seen)
    assert found["removed"] == pytest.approx(0.5)
    assert found["average_drop"] == found["average_increase"] == 0
    assert found["saliency"] == pytest.approx(math.log(16 / 64) - math.log(seen))
    # All that is inserted first is evidence: after a quarter of the pixels everything is there.
    assert found["insertion_curve"][[0, 4, 16]].tolist() == pytest.approx([0.5, seen, seen])
    assert found["deletion_curve"][[0, 4, 16]].tolist() == pytest.approx([seen, 0.5, 0.5])
    # Softmax of (1, 0) through a's mask, of (0, 0) through b's.
    through = math.e / (math.e + 1)
    assert found["specificity"].tolist() == pytest.approx([through, 1 - through, 0.5, 0.5])


def test_a_softmax_classifier_is_asked_for_its_softmax(classifier: Explanandum) -> None:
    softmax = Explanandum(
        classifier.module, classes=("a", "b"), activation="softmax", preprocessing=classifier.preprocessing
    )
    given = pictures(softmax, [[1, 0]])
    # Logits 1 of the label and 0 of the other class with the square, 0 and 0 without.
    seen = math.log(math.e / (math.e + 1))
    saliency = score(softmax, given, truth(given), "saliency").values["saliency"]
    assert saliency == pytest.approx(math.log(16 / 64) - seen)
    nothing = score(softmax, given, truth(given, 0.0), "saliency").values["saliency"]
    assert nothing == pytest.approx(math.log(0.05) - math.log(1 / 2))


def test_constants_by_hand(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0]])
    ones, zeros = (
        {name: value[0].tolist() for name, value in found.items()}
        for found in (
            score(classifier, given, torch.full_like(truth(given), height), "segmentation", "saliency").values
            for height in (1.0, 0.0)
        )
    )
    assert ones["iou_soft"] == pytest.approx(16 / 56)
    assert ones["iou_mean"] == pytest.approx(16 / 56)
    assert ones["f1_soft"] == pytest.approx(32 / 72)
    assert zeros["accuracy_soft"] == pytest.approx(40 / 56)
    assert zeros["f1_mean"] == 0.0
    # The square's mean is 1: the sigmoid of 1 with it, of 0 without; void pixels are part of the saliency's area.
    assert ones["saliency"] == pytest.approx(-math.log(1 / (1 + math.exp(-1))))
    assert zeros["saliency"] == pytest.approx(math.log(0.05) - math.log(0.5))


def test_half_masks_by_hand(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0]])
    found = score(classifier, given, truth(given, 0.5), *ALL, threshold=0.51).values
    assert found["iou_soft"] == pytest.approx(0.5)
    assert (found["iou_50"], found["iou_75"], found["iou_best"]) == (1, 0, 0)
    assert found["iou_mean"] == pytest.approx(5 / 9)
    assert found["kept"] == found["removed"] == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_an_image_without_a_map_has_the_worst_of_everything_and_asks_nothing(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0], [0, 1], [0, 1]])
    masks = truth(given)
    masks[1, 1, 3, 3] = math.nan
    masks[2] = math.nan
    failed = torch.tensor([False, False, True])
    found = score(classifier, given, masks, *ALL, threshold=0.5, failed=failed)
    assert found.broken.tolist() == [False, True, True]
    for name, column in COLUMNS.items():
        if name not in ("whole", "object_area", *MADE_FROM, *ASKED_AGAIN):
            assert found.values[name][1:].tolist() == pytest.approx([column.worst] * 2), name
    for name, (_, worst) in CURVES.items():
        assert (found.values[name][1:] == worst).all(), name
        assert found.values[name].shape[1] == (STEPS + 1 if "tion" in name else len(CURVE_THRESHOLDS))
    assert found.values["specificity"][1:].tolist() == [[0, 1, 1, 0]] * 2
    # 16 of 56 pixels of the labels and 40 of the background are missed.
    assert found.values["voc_counts"][1:].tolist() == [[0, 0, 0, 40, 0, 16]] * 2
    assert torch.equal(found.values["voc_counts_predicted"], found.values["voc_counts"])
    assert found.values["object_area"].tolist() == pytest.approx([16 / 56] * 3)
    assert found.values["whole"].tolist() == pytest.approx([1 / (1 + math.exp(-1))] * 3)
    alone = score(classifier, pictures(classifier, [[1, 0]]), masks[:1], *ALL, threshold=0.5)
    for name, values in alone.values.items():
        assert torch.equal(values, found.values[name][:1]), name
    classifier.module.asked = 0
    score(classifier, given, torch.full_like(masks, math.nan), *ALL)
    assert classifier.module.asked == 0


def test_worst_is_worst(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0], [0, 1]])
    generator = torch.Generator().manual_seed(0)
    for masks in (truth(given), 1 - truth(given), torch.rand(2, 2, SIZE, SIZE, generator=generator), truth(given) * 0):
        for name, values in score(classifier, given, masks, *ALL, threshold=0.5).values.items():
            column = COLUMNS.get(name)
            if column is None or column.higher_is_better is None:
                continue
            sign = 1 if column.higher_is_better else -1
            assert (sign * values >= sign * column.worst - 1e-6).all(), name


def test_a_classifier_that_answers_nan_is_counted(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0], [0, 1]])
    classifier.module.breaks = lambda image: bool(image[1].any())
    found = score(classifier, given, truth(given), "segmentation", "kept", "saliency")
    assert found.broken.tolist() == [False, True]
    assert found.values["iou_soft"].tolist() == [1.0, 1.0]
    assert found.values["kept"][1] == 0
    assert found.values["saliency"][1] == pytest.approx(COLUMNS["saliency"].worst)


def test_a_nan_in_the_mask_of_another_class_counts_in_specificity_alone(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0]])
    masks = truth(given)
    masks[0, 1, 0, 0] = math.nan
    found = score(classifier, given, masks, "segmentation", "specificity")
    assert found.broken.tolist() == [True]
    assert found.values["iou_soft"].tolist() == [1.0]
    assert found.values["specificity"][0, 2:].tolist() == [1.0, 0.0]
    assert found.values["specificity"][0, 0] > 0.7
    assert score(classifier, given, masks, "segmentation").broken.tolist() == [False]


def test_groups_are_computed_where_they_were_asked_for(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0], [0, 1]])
    chosen = {"segmentation": torch.tensor([True, True]), "insertion": torch.tensor([False, True])}
    with torch.no_grad():
        found = Scorer(classifier)(given, truth(given), chosen)
    assert found.values["insertion"].isnan().tolist() == [True, False]
    assert found.values["deletion_curve"].isnan().any(1).tolist() == [True, False]
    assert not found.broken.any()
    assert "saliency" not in found.values
    assert found.values["f1_best"].isnan().all()


def test_ranked_scores_of_one_label_are_taken_over(classifier: Explanandum) -> None:
    given = pictures(classifier, [[1, 0], [1, 1]])
    raw = torch.rand(2, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 0.5
    stretched, _ = masks_of(raw, "minmax")
    first = score(classifier, given, raw, "insertion", "road")
    fresh = score(classifier, given, stretched, "insertion", "road")
    classifier.module.asked = 0
    taken = score(classifier, given, stretched, "insertion", "road", earlier=first)
    saved = classifier.module.asked
    for name, values in fresh.values.items():
        assert torch.allclose(values, taken.values[name], atol=1e-6), name
    # Half of the images; two curves of 17 points and ROAD, at the most.
    assert 0 < saved <= 2 * (STEPS + 1) + 8
    broken = Scores(first.values, torch.tensor([True, True]))
    again = score(classifier, given, stretched, "insertion", "road", earlier=broken)
    assert torch.equal(again.values["insertion"], fresh.values["insertion"])


@pytest.mark.parametrize("fill", ["mean", "noise"])
def test_scores_depend_on_neither_batch_nor_neighbours(classifier: Explanandum, fill: str) -> None:
    given = pictures(classifier, [[1, 0], [0, 1], [1, 1]])
    masks = torch.rand(3, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = Scorer(classifier, fill=fill)(given, masks, asked(3, *ALL)).values
        rows = torch.tensor([2, 0])
        some = Scorer(classifier, fill=fill, batch_size=2)(given.at(rows), masks[rows], asked(2, *ALL)).values
        other = Scorer(classifier, fill=fill, seed=1)(given, masks, asked(3, *ALL)).values
    for name, values in some.items():
        assert torch.allclose(values, whole[name][rows], atol=1e-6, equal_nan=True), name
    assert torch.equal(other["kept"], whole["kept"]) == (fill == "mean")


def test_masks_of_takes_image_by_image() -> None:
    maps = torch.tensor([0.2, 3.0, 0.4]).view(3, 1, 1, 1).repeat(1, 1, 2, 2)
    masks, errors = masks_of(maps, "raw")
    assert [bool(error) for error in errors] == [False, True, False]
    assert "take 'minmax'" in errors[1]
    assert masks[[0, 2]].flatten(1)[:, 0].tolist() == pytest.approx([0.2, 0.4])
    assert masks[1].isnan().all()
    assert masks_of(maps, "minmax")[1] == ["", "", ""]
