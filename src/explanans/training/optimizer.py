"""How the weights move: rates, schedule, averaging."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from explanans.errors import InputError
from explanans.utils.numbers import check_number

Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True)
class Optimizer:
    """AdamW and what surrounds it; the defaults are the paper's (VOC-2007, VGG-16): a constant rate and nothing else.

    Args:
        lr: learning rate of the parts that start from random weights, above 0 and at most 1.
        pretrained_factor: the rate of the pre-trained parts as a multiple of ``lr``; 0 freezes them.
        weight_decay: decoupled (AdamW); with 0 this is Adam.
        schedule: "constant", or "cosine": a linear warm-up over 3 % of the steps, then half a cosine down to 5 %.
        ema_decay: decay of an exponential moving average of the weights, which is what is validated and saved; 0 for
            none. The average starts short, min(ema_decay, (1 + t) / (10 + t)) after t steps.
        freeze_statistics: the pre-trained parts' batch norm keeps its statistics, which small batches would spoil.
    """

    lr: float = 1e-5
    pretrained_factor: float = 1.0
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    ema_decay: float = 0.0
    freeze_statistics: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in ("constant", "cosine"):
            raise InputError(f"optimizer.schedule={self.schedule!r}; take 'constant' or 'cosine'.")
        # A step of Adam changes each weight by about the rate; beyond 1 nothing is left of any weight.
        check_number("optimizer.lr", self.lr, 0, 1, above=True)
        check_number("optimizer.pretrained_factor", self.pretrained_factor, 0, 1 / self.lr)
        # Beyond, a single step would turn the weights' signs.
        check_number("optimizer.weight_decay", self.weight_decay, 0, 1 / self.lr)
        check_number("optimizer.ema_decay", self.ema_decay, 0, 1, below=True)

    def build(self, fresh: Iterable[nn.Parameter], pretrained: Iterable[nn.Parameter], steps: int) -> Any:
        """What ``configure_optimizers`` of Lightning returns; ``steps`` is the length of the whole training."""
        fresh, pretrained = list(fresh), list(pretrained)
        if self.pretrained_factor == 0:
            for parameter in pretrained:
                parameter.requires_grad_(False)
            pretrained = []
        groups = [
            {"params": parameters, "lr": rate}
            for parameters, rate in (
                (fresh, self.lr),
                (pretrained, self.lr * self.pretrained_factor),
            )
            if parameters
        ]
        optimiser = torch.optim.AdamW(groups, weight_decay=self.weight_decay)
        if self.schedule == "constant":
            return optimiser
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine(step, steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def averaged(self, network: nn.Module) -> AveragedModel | None:
        """A running average of ``network``, or None where ``ema_decay`` is 0."""
        if not self.ema_decay:
            return None

        def update(means: Tensors, new: Tensors, count: Tensor | int) -> None:
            decay = min(self.ema_decay, (1 + int(count)) / (10 + int(count)))
            torch._foreach_lerp_(means, new, 1 - decay)

        # Without gradients, or several processes would wait for theirs.
        return AveragedModel(network, multi_avg_fn=update).requires_grad_(False)


def cosine(step: int, steps: int) -> float:
    """Multiple of the learning rate at ``step`` of ``steps``: warm-up over 3 %, then half a cosine from 1 to 0.05."""
    warm_up = min(1.0, (step + 1) / max(1.0, 0.03 * steps))
    return warm_up * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps)))))


def update_average(average: AveragedModel, network: nn.Module) -> None:
    """Average the parameters; buffers (batch-norm statistics are averages already) are copied."""
    average.update_parameters(network)
    for kept, new in zip(average.module.buffers(), network.buffers(), strict=True):
        kept.copy_(new)
