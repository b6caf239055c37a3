"""The step in which a classifier is trained, and the scores that say how good it is."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torchmetrics.classification as scores
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.data import Batch, LabelledImages, loader
from explanans.images.preprocessing import Preprocessing
from explanans.objectives.base import classification_loss
from explanans.training.backbone import find_head
from explanans.training.blanks import blank_pictures, hide_cells
from explanans.training.optimisation import Optimisation, update_average
from explanans.training.runs import check_finite


def classification_scores(activation: Activation, num_classes: int) -> MetricCollection:
    """F1 (micro, macro), mean average precision and accuracy (multi-label: the share of images without any error)."""
    if activation == "sigmoid":
        kinds: dict[str, Metric | MetricCollection] = {
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


class ClassifierTraining(LightningModule):
    """One shared step for training and validation; blank pictures and hidden cells in training only."""

    def __init__(
        self,
        module: nn.Module,
        *,
        num_classes: int,
        activation: Activation,
        preprocessing: Preprocessing,
        optimisation: Optimisation,
        blanks: float,
        hidden: float,
        hidden_largest: float = 0.5,
        seed: int,
        channels_last: bool,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.module = module.to(memory_format=self.memory_format)
        self.activation: Activation = activation
        self.num_classes = num_classes
        self.preprocessing = preprocessing
        self.optimisation = optimisation
        self.blanks = blanks
        self.hidden = hidden
        self.hidden_largest = hidden_largest
        self.seed = seed
        self.average = optimisation.averaged(module)
        self.scores = classification_scores(activation, num_classes)

    @property
    def result(self) -> nn.Module:
        """The classifier that is validated and saved: the averaged one where there is one."""
        return self.module if self.average is None else self.average.module

    def on_train_epoch_start(self) -> None:
        # Everything random in an epoch follows from seed, epoch and rank, so a resumed run repeats it exactly.
        lightning.seed_everything(self._seed(self.current_epoch + 1, 0) % 2**32, verbose=False)
        if self.optimisation.freeze_statistics:
            for part in self.module.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, labels = batch["image"], batch["labels"]
        generator = torch.Generator(images.device).manual_seed(self._seed(self.current_epoch + 1, index))
        pictures = images
        if self.hidden:
            images = hide_cells(
                pictures, self.preprocessing, share=self.hidden, largest=self.hidden_largest, generator=generator
            )
        if self.blanks:
            empty = blank_pictures(pictures, max(1, round(self.blanks * len(images))), self.preprocessing, generator)
            images = torch.cat([images, empty])
            labels = torch.cat([labels, labels.new_zeros(len(empty), self.num_classes)])
        return self._step("train", self.module, images, labels)[0]

    def validation_step(self, batch: Batch, index: int) -> Tensor:
        loss, logits = self._step("val", self.result, batch["image"], batch["labels"])
        probabilities = logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(1)
        self.scores.update(probabilities, as_targets(batch["labels"], self.activation))
        named = {f"val/{name}": score for name, score in self.scores.items(keep_base=True)}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(logits))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        if self.average is not None and (index + 1) % self.trainer.accumulate_grad_batches == 0:
            update_average(self.average, self.module)

    def configure_optimizers(self) -> Any:
        moving = [(name, each) for name, each in self.module.named_parameters() if each.requires_grad]
        head = f"{find_head(self.module, self.num_classes)[0]}." if self.optimisation.pretrained_factor != 1 else ""
        return self.optimisation.optimiser(
            fresh=[each for name, each in moving if name.startswith(head)],
            pretrained=[each for name, each in moving if not name.startswith(head)],
            steps=int(self.trainer.estimated_stepping_batches),
        )

    def _seed(self, epoch: int, index: int) -> int:
        # A tuple of integers hashes alike in every process, unlike one with strings.
        return hash((self.seed, epoch, index, self.global_rank)) & (2**63 - 1)

    def _step(self, stage: str, module: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = module(images.contiguous(memory_format=self.memory_format)).float()
        loss = classification_loss(logits, labels, self.activation)
        check_finite({"classification": loss}, self.trainer.global_step)
        self.log(f"{stage}/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(images), sync_dist=True)
        self.log(stage, loss.detach(), prog_bar=True, logger=False, on_step=True, batch_size=len(images))
        return loss, logits.detach()


@torch.no_grad()
def validate(explanandum: Explanandum, dataset: LabelledImages, batch_size: int = 16) -> dict[str, Any]:
    """The scores of a classifier on a data set, and what it says about pictures with nothing on them.

    ``blank`` is the highest mean probability of a class over 32 blank pictures; under softmax it has to be at least
    1 / C.
    """
    figures = classification_scores(explanandum.activation, explanandum.num_classes)
    images = None
    for batch in loader(dataset, batch_size):
        images = batch["image"]
        figures.update(explanandum.probabilities(images), as_targets(batch["labels"], explanandum.activation))
    result = {name: float(value) for name, value in figures.compute().items()}
    if images is not None:
        empty = blank_pictures(images, 32, explanandum.preprocessing, torch.Generator().manual_seed(0))
        result["blank"] = float(explanandum.probabilities(empty).mean(0).max())
    return result
