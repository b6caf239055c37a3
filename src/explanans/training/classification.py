"""What a classifier is trained by, and the scores that say how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torchmetrics.classification as scores
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.classifiers.sources import Source
from explanans.data import LabelledImages, loader
from explanans.images.preprocessing import Preprocessing
from explanans.objectives.base import classification_loss
from explanans.training.backbone import find_head
from explanans.training.blanks import blank_pictures, hide_cells
from explanans.training.module import TrainingModule
from explanans.training.optimizer import Optimizer
from explanans.utils.progress import Progress


def classification_scores(activation: Activation, num_classes: int) -> MetricCollection:
    """F1 (micro, macro), mean average precision and accuracy (multi-label: the share of images without any error)."""
    if num_classes == 1:
        f1: Metric = scores.BinaryF1Score()
        kinds: dict[str, Metric | MetricCollection] = {
            "f1_micro": f1,
            "f1_macro": f1.clone(),
            "map": scores.BinaryAveragePrecision(),
            "accuracy": scores.BinaryAccuracy(),
        }
    elif activation == "sigmoid":
        kinds = {
            "f1_micro": scores.MultilabelF1Score(num_classes, average="micro"),
            "f1_macro": scores.MultilabelF1Score(num_classes, average="macro"),
            "map": scores.MultilabelAveragePrecision(num_classes),
            "accuracy": scores.MultilabelExactMatch(num_classes),
        }
    else:
        kinds = {
            "f1_micro": scores.MulticlassF1Score(num_classes, average="micro"),
            "f1_macro": scores.MulticlassF1Score(num_classes, average="macro"),
            "map": scores.MulticlassAveragePrecision(num_classes),
            "accuracy": scores.MulticlassAccuracy(num_classes, average="micro"),
        }
    return MetricCollection(kinds)


def as_targets(labels: Tensor, activation: Activation) -> Tensor:
    """Multi-hot labels (N, C) as the scores want them: integers (N, C), or class indices (N,) under softmax."""
    return labels.long() if activation == "sigmoid" else labels.argmax(1)


class ClassifierTraining(TrainingModule):
    """A classifier, by its labels; blank pictures and hidden cells in training only."""

    module: nn.Module

    def __init__(
        self,
        module: nn.Module,
        *,
        num_classes: int,
        activation: Activation,
        preprocessing: Preprocessing,
        optimizer: Optimizer,
        blanks: float,
        hidden: float,
        hidden_largest: float = 0.5,
        seed: int,
        channels_last: bool,
    ) -> None:
        super().__init__(optimizer, seed=seed, channels_last=channels_last, module=module)
        self.activation: Activation = activation
        self.num_classes = num_classes
        self.preprocessing = preprocessing
        self.blanks = blanks
        self.hidden = hidden
        self.hidden_largest = hidden_largest
        self.scores = classification_scores(activation, num_classes)
        self._head = f"{find_head(module, num_classes)[0]}." if optimizer.pretrained_factor != 1 else ""

    @property
    def network(self) -> nn.Module:
        return self.module

    def terms(
        self, logits: Tensor, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        return {"loss": classification_loss(logits, labels, self.activation)}

    def explanandum(self, classes: Sequence[str], source: Source | None) -> Explanandum:
        """What was trained, on the processor, as a frozen classifier of these classes."""
        return Explanandum(
            self.result.cpu(),
            classes=classes,
            activation=self.activation,
            preprocessing=self.preprocessing,
            source=source,
        )

    def is_pretrained(self, name: str) -> bool:
        return not name.startswith(self._head)

    def settled(self) -> Iterable[nn.Module]:
        return (part for part in self.module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))

    def changed(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        pictures = images
        if self.hidden:
            images = hide_cells(
                pictures, self.preprocessing, share=self.hidden, largest=self.hidden_largest, generator=generator
            )
        if self.blanks:
            empty = blank_pictures(pictures, max(1, round(self.blanks * len(images))), self.preprocessing, generator)
            images = torch.cat([images, empty])
            labels = torch.cat([labels, labels.new_zeros(len(empty), self.num_classes)])
        return images, labels

    def validated(self, logits: Tensor, labels: Tensor) -> None:
        probabilities = logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(1)
        self.scores.update(probabilities, as_targets(labels, self.activation))
        named = {f"val/{name}": score for name, score in self.scores.items(keep_base=True)}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(logits))


@torch.no_grad()
def validate(
    explanandum: Explanandum, dataset: LabelledImages, batch_size: int = 16, *, progress: bool = False
) -> dict[str, Any]:
    """The scores of a classifier on a data set, and what it says about pictures with nothing on them.

    ``blank`` is the highest mean probability of a class over 32 blank pictures; under softmax it has to be at least
    1 / C.
    """
    figures = classification_scores(explanandum.activation, explanandum.num_classes)
    images = None
    batches = loader(dataset, batch_size)
    with Progress("measuring the classifier", len(batches), unit="batches", show=progress) as bar:
        for batch in bar.over(batches):
            images = batch["image"]
            figures.update(explanandum.probabilities(images), as_targets(batch["labels"], explanandum.activation))
    result = {name: float(value) for name, value in figures.compute().items()}
    if images is not None:
        empty = blank_pictures(images, 32, explanandum.preprocessing, torch.Generator().manual_seed(0))
        result["blank"] = float(explanandum.probabilities(empty).mean(0).max())
    return result
