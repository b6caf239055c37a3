from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.objectives.guided import Guided, guide_of, straight_through

CLASSES = ("a", "b", "c")
LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 1]])


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    return small_classifier()


def small_classifier(activation: Activation = "sigmoid") -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(SmallResNet(3), classes=CLASSES, activation=activation, preprocessing=preprocessing)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 16, 16, generator=generator)
    return logits.requires_grad_(), torch.randn(2, 3, 32, 32, generator=generator)


def terms(classifier: Explanandum, labels: Tensor = LABELS, seed: int = 0, **settings: object) -> dict[str, Tensor]:
    logits, images = inputs()
    return Guided(**settings)(logits, images, labels, classifier, 1.0, torch.Generator().manual_seed(seed))


def test_straight_through_is_binary_with_the_gradient_of_the_sigmoid() -> None:
    logits = torch.tensor([-2.0, -1e-3, 0.0, 1e-3, 3.0], requires_grad=True)
    mask = straight_through(logits)
    torch.testing.assert_close(mask, torch.tensor([0.0, 0, 0, 1, 1]))
    mask.sum().backward()
    soft = logits.detach().sigmoid()
    torch.testing.assert_close(logits.grad, soft * (1 - soft))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_every_term_is_finite_and_moves_the_masks(activation: Activation) -> None:
    classifier = small_classifier(activation)
    logits, images = inputs()
    made = Guided()(logits, images, LABELS, classifier, 1.0, torch.Generator().manual_seed(0))
    assert {"guide", "kept", "removed", "area", "absent", "edges"} == made.keys()
    for name, term in made.items():
        assert term.isfinite(), name
        (gradient,) = torch.autograd.grad(term, logits, retain_graph=True)
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name


def test_the_generator_decides_everything(classifier: Explanandum) -> None:
    first, again, other = (terms(classifier, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_images_without_a_label_count_for_nothing_but_their_absent_classes(classifier: Explanandum) -> None:
    made = terms(classifier, labels=torch.zeros(2, 3))
    for name in ("guide", "removed", "area", "edges"):
        assert made[name].item() == 0, name
    assert terms(classifier, labels=torch.zeros(2, 3), decision_weight=1.0)["decided"].item() == 0
    assert made["absent"].item() > 0


def test_drawn_absent_classes_stand_for_all(classifier: Explanandum) -> None:
    alone = {"guide_weight": 0.0, "keep_weight": 0.0, "removal_weight": 0.0}
    every = terms(classifier, **alone)["absent"].item()
    drawn = [terms(classifier, seed=seed, absent_classes=1, **alone)["absent"].item() for seed in range(300)]
    assert len({round(each, 6) for each in drawn}) > 1
    assert sum(drawn) / len(drawn) == pytest.approx(every, rel=0.1)


def test_with_every_label_no_class_is_absent(classifier: Explanandum) -> None:
    assert terms(classifier, labels=torch.ones(2, 3))["absent"].item() == 0


def test_decided_masks_cost_nothing_and_grey_ones_everything(classifier: Explanandum) -> None:
    _, images = inputs()
    settings = Guided(guide_weight=0.0, decision_weight=0.5)

    def decided(value: float) -> float:
        logits = torch.full((2, 3, 16, 16), value)
        made = settings(logits, images, LABELS, classifier, 1.0, torch.Generator().manual_seed(0))
        return made["decided"].item()

    assert decided(0.0) == pytest.approx(0.5)
    # 4 · 0.9 · 0.1 at a logit of log 9.
    assert decided(2.1972246) == pytest.approx(0.5 * 0.36, abs=1e-6)
    assert decided(-40.0) == decided(40.0) == pytest.approx(0, abs=1e-6)


def test_masks_are_tried_only_after_the_start(classifier: Explanandum) -> None:
    logits, images = inputs()
    early = Guided(start=0.5)(logits, images, LABELS, classifier, 0.4, torch.Generator().manual_seed(0))
    assert {"guide", "absent", "edges"} == early.keys()


def test_without_a_guide_the_classifier_needs_no_spatial_layers() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(images.mean((2, 3)))

    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    pooled = Explanandum(Pooled(), classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)
    assert "guide" not in terms(pooled, guide_weight=0.0)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_binary_masks_are_tried_in_the_classifiers_own_probabilities(activation: Activation) -> None:
    """One label and a mask that keeps the left half: both questions by hand, over a mean fill."""
    classifier = small_classifier(activation)
    _, images = inputs()
    logits = torch.full((2, 3, 32, 32), -2.0)
    logits[..., :16] = 2.0
    made = Guided(guide_weight=0.0, removal_weight=1.0, fill="mean")(
        logits, images, torch.tensor([[0.0, 1, 0], [0, 0, 1]]), classifier, 1.0, torch.Generator().manual_seed(0)
    )
    left = torch.zeros(32, 32)
    left[:, :16] = 1
    kept, removed = 0.0, 0.0
    for image, label in zip(images, (1, 2), strict=True):
        on_kept, on_removed = (classifier.probabilities((image * mask)[None])[0] for mask in (left, 1 - left))
        others = [c for c in range(3) if c != label]
        if activation == "softmax":
            kept -= float(on_kept[label].log()) / 2
        else:
            kept -= float(on_kept[label].log() + (1 - on_kept[others]).log().sum()) / 3 / 2
        removed -= float((1 - on_removed[label]).log()) / 2
    assert float(made["kept"]) == pytest.approx(kept, rel=1e-4)
    assert float(made["removed"]) == pytest.approx(removed, rel=1e-4)


@pytest.mark.parametrize("scales", [(), (0.0,), (-1.0, 2.0)])
def test_bad_settings_are_named(scales: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="scales="):
        Guided(scales=scales)


def test_a_guide_does_not_keep_its_classifier_alive() -> None:
    classifier = small_classifier()
    first = guide_of(classifier)
    again = guide_of(classifier)
    assert (first.cam.layer_name, first.feature_layer_name) == (again.cam.layer_name, again.feature_layer_name)
    gone = weakref.ref(classifier)
    del classifier, first, again
    gc.collect()
    assert gone() is None
