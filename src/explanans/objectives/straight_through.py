"""Learn from binary masks: what measures better than the paper's soft ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.masking import apply_mask, make_fill
from explanans.objectives.base import classification_loss


def binary_concrete(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """A binary draw with the gradient of its relaxation (Maddison et al. 2017; straight-through, Bengio et al. 2013).

    h = 1[z > 0] in the forward pass, σ(z / τ) in the backward pass, with z = logits + log u − log(1 − u), u uniform:
    P(h = 1) = σ(logits).
    """
    uniform = torch.empty_like(logits).uniform_(1e-4, 1 - 1e-4, generator=generator)
    noisy = logits + uniform.log() - (-uniform).log1p()
    soft = (noisy / temperature).sigmoid()
    return (noisy > 0).to(logits.dtype) + soft - soft.detach()


def edge_aware_variation(masks: Tensor, images: Tensor, contrast: float = 0.15) -> Tensor:
    """Mean of w · |difference| over pairs of pixels in eight directions, one and two pixels apart.

    w = exp(−‖colour difference‖² / (2 · contrast²)) in the images' normalised colours, so that a mask is free to change
    where the picture does (a pairwise term as in Krähenbühl & Koltun 2011, over close neighbours only).

    Args:
        masks: (N, 1, h, w) in [0, 1].
        images: (N, 3, h, w), at the masks' resolution.
    """
    total, pairs = masks.new_zeros(()), 0
    height, width = masks.shape[-2:]
    for reach in (1, 2):
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            if height <= down or width <= abs(right):
                continue
            here = (..., slice(down, height), slice(max(right, 0), width + min(right, 0)))
            there = (..., slice(0, height - down), slice(max(-right, 0), width - max(right, 0)))
            distance = (images[here] - images[there]).square().sum(1, keepdim=True)
            weight = torch.exp(-distance / (2 * contrast**2))
            total = total + (weight * (masks[here] - masks[there]).abs()).mean()
            pairs += 1
    return total / max(1, pairs)


@dataclass(frozen=True)
class StraightThrough:
    """Binary masks of one class at a time, drawn on a coarse grid, over fills that destroy.

    A soft mask only dims the picture, and a classifier hardly minds dimming, so the gradient of the paper's objective
    says little about *where* the evidence is. Here the mask that the classifier sees is drawn: 0 or 1 per cell.

    Args:
        removal_weight: of "the class is gone from what the mask removes".
        area_weight: of the mean mask of the class.
        absent_weight: of "the masks of absent classes are empty".
        edge_weight: of :func:`edge_aware_variation`.
        grids: cells per side; one is drawn per step.
        temperature: of the relaxation.
        fill: what hidden pixels become, see :func:`explanans.masking.make_fill`.
    """

    removal_weight: float = 1.0
    area_weight: float = 0.5
    absent_weight: float = 1.0
    edge_weight: float = 0.5
    grids: tuple[int, ...] = (10, 14, 20)
    temperature: float = 1.0
    fill: str = "mean+blur+noise"

    def __post_init__(self) -> None:
        if not self.grids or min(self.grids) < 2:
            raise InputError(f"grids={self.grids}; give the cells per side, each at least 2.")

    def __call__(
        self,
        logits: Tensor,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        labels = labels.to(logits.dtype)
        some = labels.sum(1) > 0
        # An image without a label has no class to draw; any will do, since its terms are multiplied by 0.
        drawn = torch.multinomial(labels + (~some)[:, None], 1, generator=generator)
        chosen = functional.one_hot(drawn[:, 0], labels.shape[1]).to(logits.dtype) * labels
        own = logits.gather(1, drawn[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
        cells = self.grids[int(torch.randint(len(self.grids), (), generator=generator, device=logits.device))]
        side = min(cells, *logits.shape[-2:])
        coarse = functional.adaptive_avg_pool2d(own, side)
        mask = functional.interpolate(
            binary_concrete(coarse, self.temperature, generator), images.shape[-2:], mode="nearest"
        )
        fill = make_fill(self.fill, explanandum.preprocessing)
        kept = apply_mask(images, mask, fill(images, generator))
        removed = apply_mask(images, 1 - mask, fill(images, generator))
        kept_logits, removed_logits = explanandum(torch.cat([kept, removed])).chunk(2)
        gone = (functional.softplus(removed_logits) * chosen).sum(1).mean() * 2 / labels.shape[1]
        area = (own.sigmoid().mean((1, 2, 3)) * some).mean()
        absent = (functional.softplus(logits) * (1 - labels)[:, :, None, None]).mean()
        small = functional.interpolate(images, logits.shape[-2:], mode="area")
        return {
            "kept": classification_loss(kept_logits, chosen, explanandum.activation),
            "removed": self.removal_weight * gone,
            "area": self.area_weight * area,
            "absent": self.absent_weight * absent,
            "edges": self.edge_weight * edge_aware_variation(own.sigmoid(), small),
        }
