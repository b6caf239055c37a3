"""A training step of an Explainer: what its network answers, and what the objective makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import Batch
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks.heads import class_maps
from explanans.objectives import Objective
from explanans.training.depthwise import quick_depthwise
from explanans.training.module import TrainingModule
from explanans.training.optimizer import Optimizer


class ExplainerTraining(TrainingModule):
    """The network of an Explainer, by an objective that asks its classifier or a surrogate of it."""

    explainer: Explainer
    surrogate: Explanandum | None

    def __init__(
        self,
        explainer: Explainer,
        objective: Objective,
        optimizer: Optimizer,
        *,
        seed: int,
        channels_last: bool,
        surrogate: Explanandum | None = None,
    ) -> None:
        super().__init__(optimizer, seed=seed, channels_last=channels_last, explainer=explainer, surrogate=surrogate)
        self.objective = objective
        self.guides: Tensor | None = None

    @property
    def network(self) -> nn.Module:
        return self.explainer.network

    def answer(self, network: nn.Module, images: Tensor) -> Any:
        shown = getattr(self.objective, "shown", None)
        images = images if shown is None else shown(images)
        by_class = getattr(self.objective, "by_class", False)
        return class_maps(network, images) if by_class else super().answer(network, images)

    def terms(
        self, logits: Any, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        teacher = self.explainer.explanandum if self.surrogate is None else self.surrogate
        made = {} if self.guides is None else {"guides": self.guides}
        return self.objective(logits, images, labels, teacher, progress, generator, **made)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self.guides = batch.get("maps")
        return super().training_step(batch, index)

    def validation_step(self, batch: Batch, index: int) -> Tensor:
        self.guides = batch.get("maps")
        return super().validation_step(batch, index)

    def is_pretrained(self, name: str) -> bool:
        return any(part in ("encoder", "backbone") for part in name.split("."))

    def settled(self) -> Iterable[nn.Module]:
        return (part for name, part in self.network.named_modules() if self.is_pretrained(name))

    def _step(self, *arguments: Any) -> tuple[Tensor, Any]:
        with quick_depthwise(self.device):
            return super()._step(*arguments)
