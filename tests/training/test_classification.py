from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.data import open_dataset
from explanans.images.preprocessing import Preprocessing
from explanans.training.classification import ClassifierTraining, as_targets, classification_scores, validate
from explanans.training.optimizer import Optimizer

from .bare_trainer import fit

SIDE, BATCH, CLASSES = 8, 4, 3
PREPROCESSING = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Colours(nn.Module):
    """Logits from the mean colours, of which batch norm keeps statistics; what it answers in training is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Linear(3, CLASSES)
        self.shown: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.norm(images.mean((2, 3))))
        if self.training:
            self.shown.append((images, logits.detach().clone()))
        return logits


class Steps(Callback):
    """The weights after each step of the optimiser."""

    def __init__(self) -> None:
        self.weights: list[Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, *arguments: Any) -> None:
        if trainer.global_step > len(self.weights):
            self.weights.append(module.module.head.weight.detach().clone())


def pictures(batches: int, labels: Tensor | None = None) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batches * BATCH, 3, SIDE, SIDE, generator=generator)
    if labels is None:
        labels = (torch.rand(len(images), CLASSES, generator=generator) < 0.5).float()
    return DataLoader([{"image": x, "labels": y} for x, y in zip(images, labels, strict=True)], BATCH)  # type: ignore[arg-type]


def training(activation: Activation = "sigmoid", **changes: Any) -> ClassifierTraining:
    torch.manual_seed(0)
    settings = {"optimizer": Optimizer(0.1), "blanks": 0.0, "hidden": 0.0, **changes}
    return ClassifierTraining(
        Colours(),
        num_classes=CLASSES,
        activation=activation,
        preprocessing=PREPROCESSING,
        seed=0,
        channels_last=False,
        **settings,
    )


@pytest.mark.parametrize(
    ("accumulate", "steps"),
    [(1, 10), (2, 6), (5, 2), (7, 2)],
    ids=["every batch", "the last one alone", "all of them", "fewer than are accumulated"],
)
def test_the_average_counts_every_step_by_hand(accumulate: int, steps: int) -> None:
    """Two epochs of five batches; the last batches of an epoch make a step even where they are few."""
    module, seen = training(optimizer=Optimizer(0.1, ema_decay=0.2)), Steps()
    fit(module, pictures(5), seen, max_epochs=2, accumulate_grad_batches=accumulate)
    assert len(seen.weights) == steps
    assert module.average is not None
    assert int(module.average.n_averaged) == steps
    # It begins with the first weights and is short at first: 2/11 after one step, then 3/12, which is above 0.2.
    expected = seen.weights[0]
    for number, weight in enumerate(seen.weights[1:]):
        decay = 2 / 11 if number == 0 else 0.2
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(module.average.module.head.weight, expected)
    assert not torch.allclose(expected, seen.weights[-1])
    assert torch.equal(module.average.module.norm.running_mean, module.module.norm.running_mean)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_what_is_validated_is_the_average_where_there_is_one(average: float) -> None:
    module, batches = training(optimizer=Optimizer(0.1, ema_decay=average)), pictures(3)
    figures = fit(module, batches).callback_metrics
    module.eval()
    assert module.result is (module.module if module.average is None else module.average.module)
    losses = []
    for network in (module.result, module.module):
        parts = []
        for batch in batches:
            p = network(batch["image"]).detach().sigmoid()
            parts.append(-(batch["labels"] * p.log() + (1 - batch["labels"]) * (1 - p).log()).mean())
        losses.append(float(torch.stack(parts).mean()))
    assert float(figures["val/loss"]) == pytest.approx(losses[0], rel=1e-5)
    assert (losses[0] == losses[1]) == (average == 0)
    again = classification_scores("sigmoid", CLASSES)
    for batch in batches:
        again.update(module.result(batch["image"]).sigmoid(), batch["labels"].long())
    for name, value in again.compute().items():
        assert float(figures[f"val/{name}"]) == pytest.approx(float(value)), name


def test_blank_pictures_hold_no_class_and_are_added_in_training_alone() -> None:
    module, batches = training(blanks=0.5), pictures(1)
    figures = fit(module, batches).callback_metrics
    ((images, logits),) = module.module.shown
    (batch,) = batches
    assert torch.equal(images[:BATCH], batch["image"])
    assert len(images) == BATCH + 2
    labels = torch.cat([batch["labels"], torch.zeros(2, CLASSES)])
    expected = functional.binary_cross_entropy(logits.sigmoid(), labels)
    assert float(figures["train/loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.3, 1), (0.4, 2), (1.0, 4)])
def test_how_many_blank_pictures_there_are(share: float, count: int) -> None:
    module = training(blanks=share)
    fit(module, pictures(1))
    assert len(module.module.shown[0][0]) == BATCH + count


def test_hidden_cells_take_colours_and_labels_stay() -> None:
    module, batches = training(hidden=1.0, hidden_largest=1.0), pictures(1)
    figures = fit(module, batches).callback_metrics
    ((images, logits),) = module.module.shown
    (batch,) = batches
    changed = (images != batch["image"]).any(1)
    assert changed.any()
    assert not changed.all()
    expected = functional.binary_cross_entropy(logits.sigmoid(), batch["labels"])
    assert float(figures["train/loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_single_label_training_by_hand() -> None:
    labels = functional.one_hot(torch.tensor([0, 2, 1, 1]), CLASSES).float()
    module, batches = training("softmax"), pictures(1, labels)
    figures = fit(module, batches).callback_metrics
    ((_, logits),) = module.module.shown
    expected = -logits.softmax(1)[range(4), [0, 2, 1, 1]].log().mean()
    assert float(figures["train/loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert as_targets(labels, "softmax").tolist() == [0, 2, 1, 1]
    assert as_targets(labels, "sigmoid").tolist() == labels.tolist()
    right = (module.eval().module(next(iter(batches))["image"]).argmax(1) == torch.tensor([0, 2, 1, 1])).float()
    assert float(figures["val/accuracy"]) == pytest.approx(float(right.mean()))


def test_every_epoch_draws_anew_and_the_same_seed_draws_the_same() -> None:
    shown = []
    for seed in (0, 0, 1):
        module = training(hidden=1.0)
        module.seed = seed
        fit(module, pictures(2), max_epochs=2)
        shown.append([images for images, _ in module.module.shown])
    assert all(torch.equal(one, other) for one, other in zip(shown[0], shown[1], strict=True))
    assert not torch.equal(shown[0][0], shown[2][0])
    for first, again in zip(shown[0][:2], shown[0][2:], strict=True):
        assert not torch.equal(first, again)
    # And every batch of an epoch.
    hidden = [(images != batch["image"]).any(1) for images, batch in zip(shown[0], pictures(2), strict=False)]
    assert not torch.equal(hidden[0], hidden[1])


def test_a_blank_picture_is_answered_with_the_highest_mean_probability(scenes: str) -> None:
    """A classifier that says the same of every picture."""

    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([-9.0, math.log(3), 0, -9, -9, -9]).expand(len(images), -1)

    data = open_dataset(scenes, "val", preprocessing=Preprocessing(48, (0.5,) * 3, (0.25,) * 3))
    fixed = Explanandum(Fixed(), classes=data.classes, activation="sigmoid", preprocessing=data.preprocessing)
    found = validate(fixed, data, batch_size=3)
    assert found["blank"] == pytest.approx(0.75)
    # Class 1 is always seen; class 0 and 2 … 5 never, as 1/2 is not above the threshold.
    hits, misses = int(data.labels[:, 1].sum()), int(data.labels[:, [0, 2, 3, 4, 5]].sum())
    false_alarms = len(data) - hits
    assert found["f1_micro"] == pytest.approx(2 * hits / (2 * hits + misses + false_alarms))


def test_a_single_class_has_the_same_scores_by_hand() -> None:
    # At ½: one found, one missed, one false alarm, one rightly left alone.
    probabilities = torch.tensor([[0.9], [0.4], [0.6], [0.1]])
    figures = classification_scores("sigmoid", 1)
    figures.update(probabilities, torch.tensor([[1], [1], [0], [0]]))
    found = {name: float(value) for name, value in figures.compute().items()}
    # Precision is 1 at the first place and 2/3 at the third.
    assert found == pytest.approx({"f1_micro": 0.5, "f1_macro": 0.5, "map": (1 + 2 / 3) / 2, "accuracy": 0.5})
