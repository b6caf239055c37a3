"""What every objective shares: its signature and the parts of its loss by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.ops.class_maps import ClassMaps, WholeMaps
from explanans.utils.numbers import check_number


class Objective(Protocol):
    """What an Explainer is trained to do.

    ``objective(logits, images, labels, explanandum, progress, generator)`` → the terms by name; their sum is the loss.

    Args:
        logits: mask logits E(x), (N, C, h, w), at the resolution of the network's head or of the images. An objective
            with a true attribute ``by_class`` is handed :class:`~explanans.ops.class_maps.ClassMaps` instead by
            networks that have them, so that not all maps have to be made. One with a method ``shown(images)`` has the
            network shown what that returns: the images, and more behind them, whose logits follow theirs.
        images: normalised, (N, 3, H, W).
        labels: Y, multi-hot (N, C).
        explanandum: F, frozen.
        progress: share of the training that is done, in [0, 1], for schedules.
        generator: source of all randomness, on the images' device.

    Returns:
        weighted terms, each a scalar; every one is logged under its name.
    """

    def __call__(
        self,
        logits: Tensor,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]: ...


def as_maps(logits: Tensor | ClassMaps) -> ClassMaps:
    """What an objective is handed, class by class."""
    return WholeMaps(logits) if isinstance(logits, Tensor) else logits


def settings_of(objective: Any) -> dict[str, Any]:
    """An objective's attributes by name, for records; of what JSON cannot hold, such as a tensor, the type's name."""
    return {name: _recorded(value) for name, value in getattr(objective, "__dict__", {}).items()}


def _recorded(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return type(value).__name__
    return value


def check_weights(objective: Any) -> None:
    """The fields of an objective whose names end with ``_weight`` are numbers of at least 0.

    A negative weight would ask for the opposite of what its term says.

    Raises:
        InputError: one is not.
    """
    for each in dataclasses.fields(objective):
        if each.name.endswith("_weight"):
            check_number(each.name, getattr(objective, each.name))


def drawn_classes(labels: Tensor, most: int, generator: torch.Generator | None) -> tuple[Tensor, float]:
    """``most`` classes of each picture, drawn alike whatever its ``labels`` (N, C), or all where there are no more.

    Returns:
        True for those that were drawn (N, C), and the probability of each to be one: a sum over the drawn, divided by
        it, has the sum over all as its mean.
    """
    classes = labels.shape[1]
    if classes <= most:
        return torch.ones_like(labels, dtype=torch.bool), 1.0
    draws = torch.rand(labels.shape, generator=generator, device=labels.device)
    drawn = torch.zeros_like(labels, dtype=torch.bool)
    return drawn.scatter_(1, draws.topk(most, 1).indices, True), most / classes


def classification_loss(
    logits: Tensor, labels: Tensor, activation: Activation, weights: Tensor | None = None
) -> Tensor:
    """L_c of logits (N, C) against labels Y (N, C).

    "sigmoid": binary cross-entropy, mean over N and C. "softmax": −Σ_{c in Y} log p_c / |Y|, mean over N; an image
    without a label adds 0. Each term is multiplied by its weight, (N, C), where weights are given.
    """
    labels = labels.to(logits.dtype)
    if activation == "sigmoid":
        return functional.binary_cross_entropy_with_logits(logits, labels, weights)
    share = labels / labels.sum(1, keepdim=True).clamp(min=1)
    share = share if weights is None else share * weights
    return -(share * logits.log_softmax(1)).sum(1).mean()


def absence_loss(logits: Tensor, labels: Tensor, activation: Activation) -> Tensor:
    """Σ_{c in Y} −log(1 − p_c), mean over N: the labels Y (N, C) should not be seen in logits (N, C).

    p is the classifier's own probability: sigmoid(logit), or softmax over the classes, where −log(1 − p_c) is
    logsumexp of all logits minus logsumexp of the others.
    """
    labels = labels.to(logits.dtype)
    if activation == "sigmoid":
        return (functional.softplus(logits) * labels).sum(1).mean()
    # Of the labels alone: the others of every one of a thousand classes are a million numbers for each image.
    image, own = labels.nonzero(as_tuple=True)
    others = logits[image].scatter(1, own[:, None], -torch.inf).logsumexp(1)
    surprise = logits.logsumexp(1)[image] - others
    return (surprise * labels[image, own]).sum() / len(logits)


Ignorance = Literal["softmax", "sigmoid", "absent"]


def ignorance_loss(logits: Tensor, labels: Tensor, form: Ignorance) -> Tensor:
    """L_e: how much the classifier still knows about what was left out, from its logits (N, C) there.

    - "softmax", the paper's: negative entropy (1/C) Σ_c p_c log p_c with p = softmax. Lies in [−log(C)/C, 0].
    - "sigmoid": (1/C) Σ_c [p_c log p_c + (1 − p_c) log(1 − p_c)] with p = sigmoid; lies in [−log 2, 0].
    - "absent": every label of the image is to vanish: mean over c in Y of −log(1 − p_c), p = sigmoid; 0 where Y is
      empty. Unlike the entropies it asks for "certainly not" rather than "undecided".

    Each is averaged over the images.
    """
    if form == "softmax":
        log_p = logits.log_softmax(1)
        return (log_p.exp() * log_p).mean(1).mean()
    if form == "sigmoid":
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        return (log_p.exp() * log_p + log_q.exp() * log_q).mean(1).mean()
    labels = labels.to(logits.dtype)
    return ((functional.softplus(logits) * labels).sum(1) / labels.sum(1).clamp(min=1)).mean()


def total_variation(masks: Tensor) -> Tensor:
    """TV of masks (…, H, W): mean |difference| of neighbours to the right plus the same downwards.

    Each mean runs over the pairs that exist, so no border is counted twice; a single row or column has no pairs and
    adds 0.
    """
    right = (masks[..., :, 1:] - masks[..., :, :-1]).abs()
    down = (masks[..., 1:, :] - masks[..., :-1, :]).abs()
    zero = masks.new_zeros(())
    return (right.mean() if right.numel() else zero) + (down.mean() if down.numel() else zero)
