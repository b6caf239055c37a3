"""A linear head on the features of a frozen backbone, trained to convergence in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Activation
from explanans.errors import InputError
from explanans.objectives.base import classification_loss
from explanans.utils.hooks import watching
from explanans.utils.modes import evaluating

BATCH, RATE, DECAY, DROPOUT = 256, 1e-3, 1e-2, 0.3


@torch.no_grad()
def head_features(
    module: nn.Module, head: nn.Linear, pictures: Iterable[Any], autocast: AbstractContextManager[object]
) -> tuple[Tensor, Tensor]:
    """What the head sees of every picture and of its mirror image, (2 N, D), and the labels (2 N, C)."""
    seen: list[Tensor] = []
    labels: list[Tensor] = []

    def see(name: str, part: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(inputs[0].float())

    with watching([("head", head)], see), evaluating(module), autocast:
        for batch in pictures:
            images = batch["image"].to(head.weight.device)
            for each in (images, images.flip(-1)):
                module(each)
                labels.append(batch["labels"].to(images.device))
    if not seen:
        raise InputError(
            f"the {type(module).__name__} uses its last linear layer by its weights alone, so that there are no "
            "features to train it on; pass head_epochs=0."
        )
    return torch.cat(seen), torch.cat(labels)


def fit_head(
    head: nn.Linear,
    features: Tensor,
    labels: Tensor,
    activation: Activation,
    *,
    epochs: int,
    seed: int,
    told: Callable[[], object] | None = None,
) -> float:
    """Train ``head`` on cached features (M, D) by AdamW with dropout; returns the mean loss of the last epoch.

    ``told`` is called after every epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    mean = float("nan")
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(features), generator=generator).split(BATCH):
            rows = rows.to(features.device)
            logits = head(functional.dropout(features[rows], DROPOUT))
            loss = classification_loss(logits, labels[rows], activation)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        mean = total / len(features)
        if told is not None:
            told()
    return mean
