"""Learn from binary masks that are drawn at random: for classifiers that are small, sharp and quick."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.masking import apply_mask, make_fill
from explanans.objectives.base import absence_loss, classification_loss
from explanans.refinement import edge_aware_variation


def binary_concrete(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """A binary draw with the gradient of its relaxation (Maddison et al. 2017; straight-through, Bengio et al. 2013).

    h = 1[z > 0] in the forward pass, σ(z / τ) in the backward pass, with z = logits + log u − log(1 − u), u uniform:
    P(h = 1) = σ(logits).
    """
    uniform = torch.empty_like(logits).uniform_(1e-4, 1 - 1e-4, generator=generator)
    noisy = logits + uniform.log() - (-uniform).log1p()
    soft = (noisy / temperature).sigmoid()
    return (noisy > 0).to(logits.dtype) + soft - soft.detach()


@dataclass(frozen=True)
class BinaryDraws:
    """What the masks of one class keep and remove, tried as random binary masks on coarse grids.

    A mask pixel is a probability; the classifier sees the picture through a draw, 0 or 1 per cell, so that dimming a
    picture without hiding anything gains nothing. **kept**: what the mask keeps names the class and no other.
    **removed**: what it removes does not name the class. **area** keeps the mask small, **absent** empties the masks of
    the classes that are not there, **edges** puts boundaries where the picture has them. One class per image and step
    is drawn from its labels.

    It needs no guide, but a mask network that knows the classes from the start (``encoder_weights="explanandum"``) and
    a classifier that says nothing on empty pictures; draws of a mask that is still flat are noise.

    Args:
        keep_weight, removal_weight, area_weight, absent_weight, edge_weight: of the terms above.
        grids: cells per side; one is drawn per step.
        temperature: of the relaxation.
        fill: what hidden pixels become, see :func:`explanans.masking.make_fill`.
    """

    keep_weight: float = 1.0
    removal_weight: float = 0.5
    area_weight: float = 1.0
    absent_weight: float = 1.0
    edge_weight: float = 0.3
    grids: tuple[int, ...] = (12, 16, 24, 48)
    temperature: float = 1.0
    fill: str = "mean+noise"

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
        some = (labels.sum(1) > 0).to(logits.dtype)
        # An image without a label has no class to draw: any will do, its terms are multiplied by 0.
        drawn = torch.multinomial(labels + (1 - some)[:, None], 1, generator=generator)
        wanted = functional.one_hot(drawn[:, 0], labels.shape[1]).to(logits.dtype) * labels
        own = logits.gather(1, drawn[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
        choice = torch.randint(len(self.grids), (), generator=generator, device=logits.device)
        side = min(self.grids[int(choice)], *logits.shape[-2:])
        cells = binary_concrete(functional.adaptive_avg_pool2d(own, side), self.temperature, generator)
        mask = functional.interpolate(cells, images.shape[-2:], mode="nearest")
        fill = make_fill(self.fill, explanandum.preprocessing)
        kept = apply_mask(images, mask, fill(images, generator))
        removed = apply_mask(images, 1 - mask, fill(images, generator))
        on_kept, on_removed = explanandum(torch.cat([kept, removed])).float().chunk(2)
        masks = own[:, 0].sigmoid()
        small = functional.interpolate(images, logits.shape[-2:], mode="area")
        absent = (functional.softplus(logits) * (1 - labels)[:, :, None, None]).mean()
        return {
            "kept": self.keep_weight * classification_loss(on_kept, wanted, explanandum.activation),
            "removed": self.removal_weight * absence_loss(on_removed, wanted, explanandum.activation),
            "area": self.area_weight * (masks.mean((1, 2)) * some).mean(),
            "absent": self.absent_weight * absent,
            "edges": self.edge_weight * edge_aware_variation(masks * some[:, None, None], small),
        }
