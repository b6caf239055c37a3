"""The step that all trainings share: Explainers, classifiers and surrogates differ in their loss alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from explanans.data import Batch
from explanans.errors import TrainingDiverged
from explanans.training.optimizer import Optimizer, update_average
from explanans.utils.seeds import mixed_seed


class TrainingModule(LightningModule, ABC):
    """One step for training and validation.

    A sub-class says what is trained (``network``), what its loss is (``terms``), and may say which of its parameters
    are pre-trained, which parts keep their statistics, how training pictures are changed and what else is made of a
    validation. The rest is here: everything random follows from (seed, epoch, batch, rank); the average of the weights
    counts each step of the optimiser, also that of an epoch's last, fewer batches; validated and saved is the average
    where there is one; a loss that is not finite stops the training; every term is logged by its name.

    Args:
        optimizer: how the weights move.
        seed: of everything that is drawn.
        channels_last: memory layout of the pictures and of the parts; it changes no value of the weights.
        parts: modules by the names that their weights have in checkpoints; None is left out.
    """

    def __init__(self, optimizer: Optimizer, *, seed: int, channels_last: bool, **parts: nn.Module | None) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.seed = seed
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        for name, part in parts.items():
            setattr(self, name, None if part is None else part.to(memory_format=self.memory_format))
        self.average = optimizer.averaged(self.network)

    @property
    @abstractmethod
    def network(self) -> nn.Module:
        """What is trained: images (N, channels, H, W) → logits."""

    def answer(self, network: nn.Module, images: Tensor) -> Any:
        """What the network says of images, as :meth:`terms` takes it: by default its logits."""
        return network(images).float()

    @abstractmethod
    def terms(
        self, logits: Any, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        """The terms of the loss by name, see :class:`explanans.objectives.base.Objective`."""

    def is_pretrained(self, name: str) -> bool:
        """Whether the parameter of this name has a rate of its own (``pretrained_factor``)."""
        return False

    def settled(self) -> Iterable[nn.Module]:
        """The parts that stay in evaluation mode under ``freeze_statistics``."""
        return []

    def changed(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What training makes of a batch before the network sees it."""
        return images, labels

    def validated(self, logits: Tensor, labels: Tensor) -> None:
        """Told what the network answered on each batch of a validation."""

    @property
    def result(self) -> nn.Module:
        """The network that is validated and saved: the averaged one where there is one."""
        return self.network if self.average is None else self.average.module

    def on_train_epoch_start(self) -> None:
        # Everything random in an epoch follows from seed, epoch and rank, so a resumed run repeats it exactly.
        lightning.seed_everything(self._seed(self.current_epoch + 1, 0) % 2**32, verbose=False)
        # One that was loaded is in evaluation mode, and Lightning leaves modes as they are.
        self.network.train()
        if self.optimizer.freeze_statistics:
            for part in self.settled():
                part.eval()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        generator = self._generator(self.current_epoch + 1, index)
        progress = self.trainer.global_step / self.trainer.estimated_stepping_batches
        images, labels = self.changed(batch["image"], batch["labels"], generator)
        return self._step("train", self.network, images, labels, progress, generator)[0]

    def validation_step(self, batch: Batch, index: int) -> Tensor:
        # The same draws in every epoch, so that the losses of two epochs can be compared.
        generator = self._generator(0, index)
        loss, logits = self._step("val", self.result, batch["image"], batch["labels"], 1.0, generator)
        self.validated(logits, batch["labels"])
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        # The last batches of an epoch make a step even where they are fewer than are accumulated.
        stepped = (index + 1) % self.trainer.accumulate_grad_batches == 0 or self.trainer.is_last_batch
        if self.average is not None and stepped:
            update_average(self.average, self.network)

    def configure_optimizers(self) -> Any:
        moving = [(name, each) for name, each in self.network.named_parameters() if each.requires_grad]
        return self.optimizer.build(
            fresh=[each for name, each in moving if not self.is_pretrained(name)],
            pretrained=[each for name, each in moving if self.is_pretrained(name)],
            steps=int(self.trainer.estimated_stepping_batches),
        )

    def _generator(self, epoch: int, index: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(self._seed(epoch, index))

    def _seed(self, epoch: int, index: int) -> int:
        return mixed_seed(self.seed, epoch, index, self.global_rank)

    def _step(
        self,
        stage: str,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Any]:
        images = images.contiguous(memory_format=self.memory_format)
        logits = self.answer(network, images)
        terms = self.terms(logits, images, labels, progress, generator)
        loss = check_finite(terms, self.trainer.global_step)
        self.log_dict(
            {f"{stage}/{name}": value.detach() for name, value in {"loss": loss, **terms}.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(images),
            sync_dist=True,
        )
        return loss, logits


def check_finite(terms: Mapping[str, Tensor], step: int) -> Tensor:
    """The sum of the terms.

    Raises:
        TrainingDiverged: it is NaN or infinite; the message names the terms that are.
    """
    loss = torch.stack(list(terms.values())).sum()
    if not loss.isfinite():
        broken = {name: float(term.detach()) for name, term in terms.items() if not term.isfinite()}
        raise TrainingDiverged(
            f"the loss is no longer finite at step {step}: {broken or 'the sum of its terms overflows'}. Lower the "
            "learning rate, clip the gradient or train in float32; the last checkpoint is intact."
        )
    return loss
