"""The paper's objective: L = L_c + λ_e L_e + L_a + λ_tv L_tv (Stalder et al., NeurIPS 2022, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.objectives.base import Ignorance, check_weights, classification_loss, ignorance_loss, total_variation
from explanans.ops.masking import apply_mask, make_fill
from explanans.utils.numbers import check_number


def winners(logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The few of the N·C mask logits that the terms are made of, read in one go.

    The sigmoid and the maximum may change places, so neither is taken of all N·C·H·W values; and the gradient goes back
    by index, into one tensor. That is a third of the time of masked maxima over all classes.

    Args:
        logits: (N, C, H, W).
        present: Y, bool (N, C).

    Returns:
        own: maps of each image's present classes, (N, K, H, W), padded to the largest number K ≥ 1 of them; −∞ where an
            image has fewer.
        is_present: which of them are no padding, bool (N, K).
        rest: maximum over the absent classes, (N, H, W); −∞ where none is absent.
    """
    is_present, classes = present.to(torch.uint8).topk(max(1, int(present.sum(1).max())), dim=1)
    is_present = is_present.bool()
    with torch.no_grad():
        # Image by image, because what is filled then stays in the processor's cache.
        best = [
            maps.masked_fill(labels[:, None, None], -torch.inf).max(0, keepdim=True).indices
            for maps, labels in zip(logits, present, strict=True)
        ]
        own_index = classes[:, :, None, None].expand(-1, -1, *logits.shape[-2:])
        index = torch.cat([own_index, torch.stack(best)], dim=1)
    picked = logits.gather(1, index)
    own = picked[:, :-1].masked_fill(~is_present[:, :, None, None], -torch.inf)
    return own, is_present, picked[:, -1].masked_fill(present.all(1)[:, None, None], -torch.inf)


def area_bound(masks: Tensor, labels: Tensor, minimum: float = 0.05, maximum: float = 0.3) -> Tensor:
    """B(S_Y): keeps the area of each present class's mask between two bounds.

    With the HW values of a mask in descending order v_1 ≥ v_2 ≥ …,
    B = (1/HW) [ Σ_{r ≤ a·HW} (1 − v_r) + Σ_{r > b·HW} v_r ]. Both sums come from the largest b·HW values and the total:
    Σ_{r ≤ a·HW} (1 − v_r) = a·HW − top_a, and Σ_{r > b·HW} v_r = total − top_b. No sort.

    Args:
        masks: S (N, C, H, W) in [0, 1].
        labels: Y (N, C).
        minimum: a, the share of the pixels that should be near 1.
        maximum: b, the share of the pixels that may be above 0.

    Returns:
        mean over an image's present classes, then over all N images (one without a label adds 0), so that the scale
        depends neither on C nor on the number of labels.
    """
    present = labels.bool()
    values = masks[present].flatten(1)
    count = values.shape[1] if len(values) else 1
    # In floating point 0.29 · 100 falls just short of 29.
    lowest, highest = int(minimum * count + 1e-6), int(maximum * count + 1e-6)
    top_highest = values.topk(highest, dim=1, sorted=False).values
    top_lowest = top_highest.topk(lowest, dim=1, sorted=False).values
    bound = (lowest - top_lowest.sum(1) + values.sum(1) - top_highest.sum(1)) / count
    per_image = present.sum(1, keepdim=True).clamp(min=1).expand_as(present)[present]
    return (bound / per_image).sum() / len(masks)


@dataclass(frozen=True)
class Stalder2022:
    """The paper's four terms; the defaults are its VOC-2007 weights for VGG-16.

    Args:
        entropy_weight: λ_e.
        tv_weight: λ_tv.
        bound_weight: λ_b of B(S_Y).
        target_weight: λ_m of mean(m).
        non_target_weight: λ_n of mean(n).
        minimum_area, maximum_area: a and b of B, shares of the image.
        ignorance: the form of L_e, see :func:`explanans.objectives.base.ignorance_loss`; the paper's is "softmax".
        fill: what hidden pixels become; the paper's is "mean".
    """

    entropy_weight: float = 1.0
    tv_weight: float = 1.0
    bound_weight: float = 1.0
    target_weight: float = 0.1
    non_target_weight: float = 0.3
    minimum_area: float = 0.05
    maximum_area: float = 0.3
    ignorance: Ignorance = "softmax"
    fill: str = "mean"

    def __post_init__(self) -> None:
        check_weights(self)
        for name in ("minimum_area", "maximum_area"):
            check_number(name, getattr(self, name), 0, 1)
        if not 0 <= self.minimum_area <= self.maximum_area <= 1:
            raise InputError(
                f"minimum_area={self.minimum_area}, maximum_area={self.maximum_area}; want 0 ≤ minimum ≤ maximum ≤ 1."
            )
        if self.ignorance not in get_args(Ignorance):
            raise InputError(f"ignorance={self.ignorance!r}; take one of {get_args(Ignorance)}.")

    def __call__(
        self,
        logits: Tensor,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        if logits.shape[-2:] != images.shape[-2:]:
            logits = functional.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
        own, is_present, rest = winners(logits, labels.bool())
        target, non_target = own.amax(1).sigmoid(), rest.sigmoid()
        background = make_fill(self.fill, explanandum.preprocessing)(images, generator)
        kept = apply_mask(images, target, background)
        removed = apply_mask(images, 1 - target, background)
        kept_logits, removed_logits = explanandum(torch.cat([kept, removed])).chunk(2)
        bound = logits.new_zeros(())
        # A weight of 0 saves the search for the largest values.
        if self.bound_weight:
            bound = area_bound(own.sigmoid(), is_present, self.minimum_area, self.maximum_area)
        return {
            "classification": classification_loss(kept_logits, labels, explanandum.activation),
            "entropy": self.entropy_weight * ignorance_loss(removed_logits, labels, self.ignorance),
            "area_bound": self.bound_weight * bound,
            "area_target": self.target_weight * target.mean(),
            "area_non_target": self.non_target_weight * non_target.mean(),
            "tv": self.tv_weight * (total_variation(target) + total_variation(non_target)),
        }
