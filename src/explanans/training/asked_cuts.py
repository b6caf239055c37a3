"""What every cut of one picture's trained masks is worth, by what the classifier says and where the picture changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.ops.band_contrast import band_contrast
from explanans.ops.masking import apply_mask


class Asked(NamedTuple):
    """By label of the picture and cut, (L, T).

    Attributes:
        answers: what the classifier says of the cut.
        contrasts: where the picture changes; None where nobody looked.
        shares: of the pixels inside.
    """

    answers: Tensor
    contrasts: Tensor | None
    shares: Tensor


class Cuts:
    """The masks of one picture's classes at every cut, equal ones once.

    The masks of a class lie inside one another, so those with as many pixels are equal, and most of an absent class are
    empty at every cut: each is shown once.

    Args:
        logits: (K, H, W), of the classes looked at.
        cuts: T values from which on a pixel is inside.
    """

    def __init__(self, logits: Tensor, cuts: Sequence[float]) -> None:
        values = torch.tensor(cuts, device=logits.device, dtype=logits.dtype)
        kept = (logits[:, None] >= values[:, None, None]).flatten(0, 1)
        pixels = kept.flatten(1).sum(1).tolist()
        keys = [(row // len(cuts), count) if count else None for row, count in enumerate(pixels)]
        place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self.shape = len(logits), len(cuts)
        self.which = torch.tensor([place[key] for key in keys], device=kept.device)
        self.distinct = kept[[keys.index(key) for key in place]]
        self.shares = torch.tensor(pixels, dtype=torch.float64).view(self.shape) / kept[0].numel()

    def through(
        self, explanandum: Explanandum, image: Tensor, hidden: Tensor, batch_size: int, *, outside: bool = False
    ) -> Tensor:
        """Probabilities (K, T, C), float64, on the image (1, 3, H, W) through each mask, or through what it leaves."""
        shown = ~self.distinct if outside else self.distinct
        answers = torch.cat(
            [
                explanandum.probabilities(apply_mask(image.expand(len(some), -1, -1, -1), some, hidden))
                for some in shown.split(batch_size)
            ]
        )
        return answers[self.which].view(*self.shape, -1).double().cpu()


def against_rivals(
    explanandum: Explanandum, image: Tensor, cuts: Cuts, columns: Tensor, own: int, hidden: Tensor, batch_size: int
) -> Asked:
    """What the masks of the first ``own`` of ``columns`` (K,) keep of their class, minus what the others let pass."""
    through = cuts.through(explanandum, image, hidden, batch_size)[:, :, columns[:own].cpu()]
    keeps = torch.stack([through[label, :, label] for label in range(own)])
    leaks = through[own:].mean(0).T if len(columns) > own else torch.zeros_like(keeps)
    return Asked(keeps - leaks, None, cuts.shares[:own])


def against_outside(
    explanandum: Explanandum, image: Tensor, cuts: Cuts, columns: Tensor, hidden: Tensor, batch_size: int
) -> Asked:
    """max(k − r, 0) (1 − √a) of :func:`explanans.explanations.cut.choose_cuts`, and :func:`band_contrast`, of each."""
    classes = columns.cpu()[:, None, None].expand(*cuts.shape, 1)
    whole = (
        explanandum.probabilities(image)[0, columns].double().cpu()[:, None].clamp(min=torch.finfo(torch.float).tiny)
    )
    kept, removed = (
        (cuts.through(explanandum, image, hidden, batch_size, outside=outside).gather(2, classes)[:, :, 0] / whole)
        for outside in (False, True)
    )
    answers = (kept.clamp(max=1) - removed.clamp(max=1)).clamp(min=0) * (1 - cuts.shares.sqrt())
    contrasts = torch.cat([band_contrast(image, mask) for mask in cuts.distinct.split(1)])
    return Asked(answers, contrasts[cuts.which].view(cuts.shape).double().cpu(), cuts.shares)
