"""The paper's objective: L = L_c + λ_e L_e + L_a + λ_tv L_tv (Stalder et al., NeurIPS 2022, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.objectives.base import (
    Ignorance,
    as_maps,
    check_weights,
    classification_loss,
    ignorance_loss,
    total_variation,
)
from explanans.ops.class_maps import ClassMaps, WholeMaps, are_few
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import enlarge
from explanans.utils.numbers import check_number


def winners(maps: ClassMaps, present: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The few of the N·C mask logits that the terms are made of, at ``size`` (H, W).

    The sigmoid and the maximum may change places, so neither is taken of all N·C·H·W values; and the gradient goes back
    by index. Only maps that may win somewhere are enlarged, see :func:`contenders`.

    Args:
        maps: (N, C, h, w).
        present: Y, bool (N, C).
        size: to which they are enlarged.

    Returns:
        own: maps of each image's present classes, (N, K, H, W), padded to the largest number K ≥ 1 of them; −∞ where an
            image has fewer.
        is_present: which of them are no padding, bool (N, K).
        rest: maximum over the absent classes, (N, H, W); −∞ where none is absent.
    """
    if isinstance(maps, WholeMaps) and are_few(maps.shape[1]):
        return picked(enlarge(maps.logits, size), present)
    image, column = present.nonzero(as_tuple=True)
    slot = (present.cumsum(1) - 1)[image, column]
    is_present = torch.arange(max(1, int(present.sum(1).max())), device=present.device) < present.sum(1)[:, None]
    labelled = enlarge(maps.of(image, column)[:, None], size)[:, 0]
    own = labelled.new_full((*is_present.shape, *size), -torch.inf).index_put((image, slot), labelled)
    best = torch.stack([highest(maps, number, (~row).nonzero()[:, 0], size) for number, row in enumerate(present)])
    return own, is_present, at_pixels(maps, best, size).masked_fill(present.all(1)[:, None, None], -torch.inf)


def picked(logits: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`winners`, of a few classes: all are enlarged, (N, C, H, W), and what is wanted is read in one go."""
    is_present, classes = present.to(torch.uint8).topk(max(1, int(present.sum(1).max())), dim=1)
    is_present = is_present.bool()
    with torch.no_grad():
        # Image by image, because what is filled then stays in the processor's cache.
        best = [
            maps.masked_fill(labels[:, None, None], -torch.inf).max(0, keepdim=True).indices
            for maps, labels in zip(logits, present, strict=True)
        ]
        index = torch.cat([classes[:, :, None, None].expand(-1, -1, *logits.shape[-2:]), torch.stack(best)], dim=1)
    chosen = logits.gather(1, index)
    own = chosen[:, :-1].masked_fill(~is_present[:, :, None, None], -torch.inf)
    return own, is_present, chosen[:, -1].masked_fill(present.all(1)[:, None, None], -torch.inf)


@torch.no_grad()
def contenders(maps: ClassMaps, image: int, columns: Tensor) -> Tensor:
    """Those of the classes ``columns`` (K,) that may have the highest value somewhere after a bilinear enlargement.

    Between four neighbours an enlarged map lies between the least and the greatest of them. So a class whose greatest
    is below the least of another one, for all four neighbours everywhere, can be left out; of smooth maps of many
    classes few are left.
    """
    floor: Tensor | None = None
    ceilings = []
    for _, some in maps.blocks(image, columns):
        # At the border the next pixel beyond repeats the last one, so windows of one row or column are those of two.
        ceilings.append(_windows(some, torch.maximum))
        least = _windows(some, torch.minimum).amax(0)
        floor = least if floor is None else torch.maximum(floor, least)
    if floor is None:
        return columns
    kept = torch.cat([(each >= floor).flatten(1).any(1) for each in ceilings])
    return columns[kept]


def _windows(values: Tensor, extreme: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The extreme of two by two neighbours, (…, h, w) → (…, max(1, h − 1), max(1, w − 1))."""
    if values.shape[-2] > 1:
        values = extreme(values[..., 1:, :], values[..., :-1, :])
    return extreme(values[..., 1:], values[..., :-1]) if values.shape[-1] > 1 else values


@torch.no_grad()
def highest(maps: ClassMaps, image: int, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of the classes ``columns`` (K,) is the highest at each pixel of ``size``, (H, W); 0 without any."""
    if maps.shape[-2:] != size:
        columns = contenders(maps, image, columns)
    winner = torch.zeros(size, dtype=torch.int64, device=columns.device)
    best: Tensor | None = None
    for some, values in maps.blocks(image, columns):
        for column, value in zip(some, enlarge(values[None], size)[0], strict=True):
            if best is None:
                best = value.clone()
                winner.fill_(column)
            else:
                winner.masked_fill_(value > best, column)
                torch.maximum(best, value, out=best)
    return winner


def at_pixels(maps: ClassMaps, column: Tensor, size: tuple[int, int]) -> Tensor:
    """The value of the enlarged map of class ``column`` (N, H, W) at each pixel, (N, H, W).

    Bilinear, as :func:`~explanans.ops.refinement.enlarge`, but between the four neighbours of that pixel alone.
    """
    count, classes, height, width = maps.shape
    asked = torch.zeros(count, classes, dtype=torch.bool, device=column.device)
    asked.scatter_(1, column.flatten(1), True)
    small = maps.of(*asked.nonzero(as_tuple=True)).flatten()
    place = asked.flatten().cumsum(0).view_as(asked) - 1
    start = place.gather(1, column.flatten(1)).view_as(column) * (height * width)
    (top, bottom, down), (left, right, across) = (
        _neighbours(old, new, small) for old, new in zip((height, width), size, strict=True)
    )
    if (height, width) == tuple(size):
        return small[start + top[:, None] * width + left]
    upper, lower = (
        torch.lerp(small[start + row[:, None] * width + left], small[start + row[:, None] * width + right], across)
        for row in (top, bottom)
    )
    return torch.lerp(upper, lower, down[:, None])


def _neighbours(old: int, new: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of ``new`` pixels along a side of ``old``: the one before, the one after, and how far it is beyond."""
    # Single precision would decide otherwise than PyTorch where a pixel lies on another.
    position = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(min=0)
    before = position.floor()
    after = (before + 1).clamp(max=old - 1)
    return (
        before.long().to(like.device),
        after.long().to(like.device),
        (position - before).to(like.device, like.dtype),
    )


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

    by_class = True

    def __post_init__(self) -> None:
        check_weights(self)
        for name in ("minimum_area", "maximum_area"):
            check_number(name, getattr(self, name), 0, 1)
        if self.minimum_area > self.maximum_area:
            raise InputError(
                f"minimum_area={self.minimum_area}, maximum_area={self.maximum_area}; want 0 ≤ minimum ≤ maximum ≤ 1."
            )
        if self.ignorance not in get_args(Ignorance):
            raise InputError(f"ignorance={self.ignorance!r}; take one of {get_args(Ignorance)}.")

    def __call__(
        self,
        logits: Tensor | ClassMaps,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        size = (images.shape[-2], images.shape[-1])
        own, is_present, rest = winners(as_maps(logits), labels.bool(), size)
        target, non_target = own.amax(1).sigmoid(), rest.sigmoid()
        background = make_fill(self.fill, explanandum.preprocessing)(images, generator)
        kept = apply_mask(images, target, background)
        removed = apply_mask(images, 1 - target, background)
        kept_logits, removed_logits = explanandum(torch.cat([kept, removed])).chunk(2)
        bound = own.new_zeros(())
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
