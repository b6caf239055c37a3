"""A guided start, then binary masks: the objective that measures better than the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import REFUSALS, grey_image
from explanans.errors import InputError
from explanans.methods.base import positions
from explanans.methods.spread_cam import SpreadCAM
from explanans.objectives.base import absence_loss, as_maps, check_weights, classification_loss, drawn_classes
from explanans.objectives.guides import LEVELS, VOID, Contested, in_eight_bits, seen_often
from explanans.objectives.montages import montage_labels, montage_targets, montages
from explanans.ops.class_maps import ClassMaps
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import compete, edge_aware_variation, enlarge
from explanans.utils.numbers import check_count, check_number

FINE_REFINEMENTS = 5
"""Steps of the refinement to colours where it is made at twice the masks' resolution."""


def straight_through(logits: Tensor) -> Tensor:
    """1[logits > 0] with the gradient of σ(logits): a binary mask that can be learned from (Bengio et al. 2013)."""
    soft = logits.sigmoid()
    return (logits > 0).to(logits.dtype) + soft - soft.detach()


def guide_of(explanandum: Explanandum, refinements: int = 10) -> SpreadCAM:
    """The classifier's guide."""
    # A guide is walked less far and refined farther than a map that stands alone: what its weights were chosen with.
    return SpreadCAM(explanandum, steps=2, refinements=refinements)


def _guide_grey(explanandum: Explanandum, scales: Sequence[float]) -> None:
    """Ask for the guide of a grey picture at each scale: what a classifier cannot do is raised by it or by PyTorch."""
    grey = grey_image(explanandum)
    asked = torch.zeros(1, explanandum.num_classes, dtype=torch.bool, device=grey.device)
    asked[0, 0] = True
    for scale in scales:
        guide_of(explanandum).at(grey, asked, (8, 8), scale=scale)


@dataclass(frozen=True)
class Guided:
    """Masks of one class at a time, guided by spread class activations and tried as binary masks.

    The gradient of the paper's objective says little about *where* the evidence is: a soft mask only dims the picture,
    and a classifier hardly minds dimming. Two things say more.

    - **guide**: the mask follows the classifier's own evidence, :class:`~explanans.methods.spread_cam.SpreadCAM` of the
      class, sharpened to t = σ(sharpness · (map − level)), by binary cross-entropy. The network learns what the noisy
      maps of many images have in common, at its own finer resolution; from ``own_start`` on its own masks take part
      in seeding the walk, since by then they are better than the activations that it learned from. Such a guide is
      fitted to the picture's colours at twice the masks' resolution, and averaged down to theirs.
    - **kept** and **removed**: the classifier sees the picture through the *binary* mask (:func:`straight_through`),
      over a fill that destroys. On what the mask keeps it should name the class and no other, on what the mask removes
      it should not name the class. They begin when the masks have a shape that is worth trying.

    Besides, **area** keeps the mask small, **absent** empties the masks of the classes that are not there, and
    **edges** puts boundaries where the picture has them. **decided**, the mean of 4·m·(1 − m), draws values away from
    1/2: cross-entropy alone leaves as much grey as the guide is uncertain, while the classifier is only ever shown the
    binary mask. One class per image and step is drawn from its labels.

    **montages**: the network is also shown pictures four by four (:meth:`shown`). There the mask of a class follows the
    small guides of the pictures that have the class, and is empty in those that have not: the one place where labels
    alone say for sure what a mask has to leave out beside what it covers.

    Args:
        guide_weight, montage_weight, keep_weight, removal_weight: of the terms above.
        area_weight, absent_weight, edge_weight, decision_weight: likewise.
        absent_classes: of more classes than this so many are drawn for each picture and step, and **absent** is made of
            those; its mean is that of all, and a step of a thousand classes hardly longer than one of a few.
        start: share of the training after which ``kept``, ``removed``, ``area`` and ``decided`` begin.
        own_start, own_share: share of the training after which the predicted mask seeds the walk, and by how much; the
            rest is Grad-CAM, which keeps the masks from wandering off.
        scales: by which the guide enlarges the picture; one is drawn per step, or, with ``once``, all are averaged.
        sharpness, level: of the guide's target.
        fill: what hidden pixels become, see :func:`explanans.ops.masking.make_fill`.
        once: make the guides once, before the training, see :meth:`guides`; the network's own masks then seed nothing.
        sure: with ``once``, leave out pixels of which the guide is less sure than this, of 1/2 (all count) to 1.
        contested: with ``once``, what becomes of pixels that the guides of several labels claim: "all" learn, or the
            "strongest" alone does and the others leave them out.
    """

    guide_weight: float = 2.0
    montage_weight: float = 2.0
    keep_weight: float = 1.0
    removal_weight: float = 0.1
    area_weight: float = 0.03
    absent_weight: float = 3.0
    absent_classes: int = 256
    edge_weight: float = 0.3
    decision_weight: float = 0.0
    start: float = 0.3
    own_start: float = 0.3
    own_share: float = 0.75
    scales: tuple[float, ...] = (1.43,)
    sharpness: float = 30.0
    level: float = 0.6
    fill: str = "mean+blur+noise"
    once: bool = False
    sure: float = 0.5
    contested: Contested = "strongest"

    by_class = True

    def __post_init__(self) -> None:
        check_weights(self)
        # Beyond 1 they never begin.
        for name in ("start", "own_start"):
            check_number(name, getattr(self, name))
        for name in ("own_share", "level"):
            check_number(name, getattr(self, name), 0, 1)
        check_number("sharpness", self.sharpness, above=True)
        check_count("absent_classes", self.absent_classes)
        check_number("sure", self.sure, 0.5, 1)
        if self.contested not in get_args(Contested):
            raise InputError(f"contested={self.contested!r}; take one of {', '.join(get_args(Contested))}.")
        if not isinstance(self.scales, Sequence) or isinstance(self.scales, str) or not self.scales:
            raise InputError(f"scales={self.scales!r}; give a list of at least one enlargement above 0.")
        for scale in self.scales:
            check_number("scales", scale, above=True)

    def fitted_to(self, explanandum: Explanandum) -> Guided:
        """This objective for a classifier that takes pictures of one size, as vision transformers do: not enlarged.

        Raises:
            InputError: such a classifier, and ``scales`` of one's own; or one with no layer that is fine enough.
        """
        if not self.guide_weight:
            return self
        try:
            _guide_grey(explanandum, self.scales)
        except REFUSALS as error:
            if self.scales != Guided.scales:
                raise InputError(
                    f"scales={list(self.scales)}: the classifier cannot be asked for guides of pictures enlarged like "
                    f"this ({str(error).splitlines()[0]}); leave scales out, or take [1.0]."
                ) from error
        else:
            return self
        try:
            _guide_grey(explanandum, (1.0,))
        except REFUSALS as error:
            raise InputError(
                f"objective guided: the classifier gives no guides ({str(error).splitlines()[0]}); take "
                "--objective stalder2022, or --objective_options '{guide_weight: 0}'."
            ) from error
        return replace(self, scales=(1.0,))

    def __call__(
        self,
        logits: Tensor | ClassMaps,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
        guides: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """See :class:`~explanans.objectives.base.Objective`.

        Args:
            guides: of :meth:`guides`, (P, h, w), one for each true entry of ``labels``; None makes them here.
        """
        maps = as_maps(logits)
        labels = labels.to(torch.promote_types(images.dtype, torch.float32))
        everywhere = torch.cat([labels, montage_labels(labels)]) if maps.shape[0] > len(images) else labels
        some = labels.sum(1) > 0
        # An image without a label has no class to draw: any will do, its terms are multiplied by 0.
        drawn = torch.multinomial(labels + (~some)[:, None], 1, generator=generator)
        chosen = functional.one_hot(drawn[:, 0], labels.shape[1]).to(labels.dtype)
        own = maps.of(torch.arange(len(images), device=images.device), drawn[:, 0])
        small = functional.interpolate(images, own.shape[-2:], mode="area")
        looked_at, share = drawn_classes(everywhere, self.absent_classes, generator)
        absent = maps.softplus_sum(looked_at & (everywhere == 0)) / (share * math.prod(maps.shape))
        terms = {
            "absent": self.absent_weight * absent,
            "edges": self.edge_weight * edge_aware_variation(own.sigmoid() * some[:, None, None], small),
        }
        if self.guide_weight:
            if guides is None:
                share = self.own_share if progress >= self.own_start else 0.0
                target = self._guide(images, chosen.bool(), explanandum, own, share, generator)
                sure = torch.ones_like(target)
            else:
                target, sure = self._made(guides, labels, drawn[:, 0], own)
            terms["guide"] = self.guide_weight * (_followed(own, target, sure) * some).mean()
            if len(everywhere) > len(images):
                montage, column, target, sure = montage_targets(target, sure, drawn[:, 0], labels)
                there = maps.of(len(images) + montage, column)
                terms["montages"] = self.montage_weight * _followed(there, target, sure).sum() / max(1, len(there))
        if progress >= self.start and (self.keep_weight or self.removal_weight):
            kept, removed = self._tried(own, images, chosen * labels, explanandum, generator)
            terms["kept"] = self.keep_weight * kept
            terms["removed"] = self.removal_weight * removed
            terms["area"] = self.area_weight * (own.sigmoid().mean((1, 2)) * some).mean()
        if progress >= self.start and self.decision_weight:
            grey = 4 * own.sigmoid() * (-own).sigmoid()
            terms["decided"] = self.decision_weight * (grey.mean((1, 2)) * some).mean()
        return terms

    def shown(self, images: Tensor) -> Tensor:
        """What the network is shown of pictures (N, 3, H, W): these, and montages of them, (N + N // 4, 3, H, W)."""
        if not (self.guide_weight and self.montage_weight):
            return images
        layout = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else None
        shown = torch.cat([images, montages(images)])
        return shown if layout is None else shown.contiguous(memory_format=layout)

    def guides(self, images: Tensor, labels: Tensor, explanandum: Explanandum, size: tuple[int, int]) -> Tensor:
        """The guides of pictures, to be made once: (P, h, w) uint8, one for each true entry of ``labels`` (N, C).

        The maps of :class:`SpreadCAM` are averaged over ``scales`` and the mirrored picture, compete where they are
        contested, are sharpened, and told in 8 bit, see :func:`~explanans.objectives.guides.in_eight_bits`.
        """
        asked = labels.bool()
        image = asked.nonzero()[:, 0]
        maps = seen_often(guide_of(explanandum), images, asked, size, self.scales)
        if self.contested == "strongest" and len(maps):
            maps = compete(maps, image)
        return in_eight_bits((self.sharpness * (maps - self.level)).sigmoid(), image, self.sure, self.contested)

    @staticmethod
    def _made(guides: Tensor, labels: Tensor, drawn: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Of the drawn classes what their guides say, at the masks' size, and 1 where it is to be trusted, else 0."""
        place = positions(labels.bool()).gather(1, drawn[:, None])[:, 0]
        # An image without a label has none; what is taken for it counts for nothing.
        some = guides[place.clamp(0)] if len(guides) else guides.new_full((len(own), *own.shape[-2:]), VOID)
        if some.shape[-2:] != own.shape[-2:]:
            some = functional.interpolate(some[:, None], own.shape[-2:], mode="nearest-exact")[:, 0]
        return some.to(own.dtype).clamp(max=LEVELS) / LEVELS, (some != VOID).to(own.dtype)

    def _guide(
        self,
        images: Tensor,
        chosen: Tensor,
        explanandum: Explanandum,
        own: Tensor,
        share: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        scale = self.scales[_draw(len(self.scales), images, generator)]
        height, width = own.shape[-2:]
        if share:
            # Grad-CAM alone is too coarse to be fitted so finely: it would leave thin things (docs/objectives.md).
            guide = guide_of(explanandum, FINE_REFINEMENTS)
            seeds = own.detach().sigmoid()
            evidence = guide.at(images, chosen, (2 * height, 2 * width), scale=scale, seeds=seeds, share=share)
            evidence = functional.avg_pool2d(evidence[:, None], 2)[:, 0]
        else:
            evidence = guide_of(explanandum).at(images, chosen, (height, width), scale=scale)
        return (self.sharpness * (evidence - self.level)).sigmoid()

    def _tried(
        self,
        own: Tensor,
        images: Tensor,
        wanted: Tensor,
        explanandum: Explanandum,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """The classifier's losses on what a binary mask keeps and on what it removes; it runs once."""
        mask = straight_through(enlarge(own[:, None], images.shape[-2:]))
        fill = make_fill(self.fill, explanandum.preprocessing)
        kept = apply_mask(images, mask, fill(images, generator))
        removed = apply_mask(images, 1 - mask, fill(images, generator))
        answers = explanandum(torch.cat([kept, removed]))
        on_kept, on_removed = answers.to(torch.promote_types(answers.dtype, torch.float32)).chunk(2)
        activation = explanandum.activation
        return classification_loss(on_kept, wanted, activation), absence_loss(on_removed, wanted, activation)


def _followed(own: Tensor, target: Tensor, sure: Tensor) -> Tensor:
    """Cross-entropy of mask logits with what they are to be, (P, h, w), over what counts of it: (P,)."""
    loss = functional.binary_cross_entropy_with_logits(own, target, sure, reduction="none").sum((1, 2))
    return loss / sure.sum((1, 2)).clamp(min=1)


def _draw(count: int, like: Tensor, generator: torch.Generator | None) -> int:
    return int(torch.randint(count, (), generator=generator, device=like.device))
