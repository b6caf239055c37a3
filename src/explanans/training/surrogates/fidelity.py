"""How well a surrogate answers for its box, on pictures that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Activation
from explanans.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """Of one kind of pictures.

    Attributes:
        pictures: how many.
        agreement: share of the pictures with the same answer: the same most probable class (softmax), the same set of
            classes at 0.5 (sigmoid). Higher is better.
        divergence: KL(box ‖ surrogate) in nats: Σ_c p_c log(p_c / q_c) under softmax, under sigmoid the mean over the
            classes of p log(p / q) + (1 − p) log((1 − p) / (1 − q)); mean over the pictures. Lower is better.
        rank_correlation: Spearman's, over the pictures, of the probabilities of a class; mean over the classes on which
            the box's answers differ at all. Higher is better.
        constant: the agreement of an answer that is always the same, the box's most frequent one: what ``agreement``
            has to be compared with.
        by_class: rank correlation of each class; None where the box's answers do not differ.
    """

    pictures: int
    agreement: float
    divergence: float
    rank_correlation: float
    constant: float = math.nan
    by_class: tuple[float | None, ...] = ()

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Agreement:
        """What a JSON record has; TypeError for something else."""
        if wrong := [name for name, each in facts.items() if name != "by_class" and not isinstance(each, int | float)]:
            raise TypeError(f"{wrong[0]} is no number")
        return cls(**{**facts, "by_class": tuple(facts.get("by_class", ()))})

    def __str__(self) -> str:
        return (
            f"agreement {self.agreement:.3f} (a constant answer {self.constant:.3f}), KL {self.divergence:.4f}, rank "
            f"correlation {self.rank_correlation:.3f}, {self.pictures} pictures"
        )


@dataclass(frozen=True)
class Limits:
    """From where on a surrogate is good enough to train an Explainer on; see docs/black-boxes.md for why.

    Args:
        agreement: least share of masked pictures with the same answer.
        rank_correlation: least rank correlation on masked pictures.
    """

    agreement: float = 0.7
    rank_correlation: float = 0.7


@dataclass(frozen=True)
class Fidelity:
    """Agreement on whole and on masked pictures."""

    whole: Agreement
    masked: Agreement

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Fidelity:
        return cls(Agreement.from_dict(facts["whole"]), Agreement.from_dict(facts["masked"]))

    def require(self, limits: Limits) -> None:
        """Raises InputError, with the numbers, where the surrogate is below the limits."""
        low = [
            f"{what} {got:.2f} (wanted {least:g})"
            for what, got, least in (
                ("agreement", self.masked.agreement, limits.agreement),
                ("rank correlation", self.masked.rank_correlation, limits.rank_correlation),
            )
            if not got >= least
        ]
        if low:
            raise InputError(
                f"surrogate: on masked pictures its {' and '.join(low)} with the box is poor, so that masks which are "
                f"trained on it may explain something else. Measured on whole pictures: {self.whole}; on masked ones: "
                f"{self.masked}. Ask the box more (--calls), take a larger architecture, or "
                "insist: allow_poor_surrogate=True (--allow_poor_surrogate)."
            )


def agreement_of(box: Tensor, surrogate: Tensor, activation: Activation) -> Agreement:
    """From the logits (N, C) of both on the same pictures; without a picture everything is NaN."""
    if not len(box):
        return Agreement(0, math.nan, math.nan, math.nan)
    box, surrogate = box.double(), surrogate.double()
    if activation == "softmax":
        answer, other = box.argmax(1, keepdim=True), surrogate.argmax(1, keepdim=True)
        log_p, log_q = box.log_softmax(1), surrogate.log_softmax(1)
        divergence = (log_p.exp() * (log_p - log_q)).sum(1)
        probabilities = log_p.exp(), log_q.exp()
    else:
        answer, other = box > 0, surrogate > 0
        divergence = sum(
            (
                functional.logsigmoid(sign * box).exp()
                * (functional.logsigmoid(sign * box) - functional.logsigmoid(sign * surrogate))
            )
            for sign in (1, -1)
        ).mean(1)  # type: ignore[union-attr]
        probabilities = box.sigmoid(), surrogate.sigmoid()
    _, counts = answer.unique(dim=0, return_counts=True)
    by_class = [_spearman(a, b) for a, b in zip(probabilities[0].T, probabilities[1].T, strict=True)]
    known = [each for each in by_class if each is not None]
    return Agreement(
        pictures=len(box),
        agreement=float((answer == other).all(1).double().mean()),
        divergence=float(divergence.mean()),
        rank_correlation=sum(known) / len(known) if known else math.nan,
        constant=float(counts.max()) / len(box),
        by_class=tuple(by_class),
    )


def _spearman(one: Tensor, other: Tensor) -> float | None:
    """None where the first is constant, 0 where only the second is."""
    x, y = _ranks(one), _ranks(other)
    x, y = x - x.mean(), y - y.mean()
    if x.abs().max() == 0:
        return None
    spread = float((x.norm() * y.norm()).item())
    return float((x @ y).item()) / spread if spread else 0.0


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 1; equal values share the mean of theirs."""
    _, which, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[which]
