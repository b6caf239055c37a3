"""Masks that are finished on their own picture, as :meth:`Explainer.masks_of` does it, in a form that can be traced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.layers import layer_of_stride
from explanans.explainers.explainer import Explainer
from explanans.explainers.refining import LEVEL, STEEPNESS, Refinement, carried, resized
from explanans.ops.band_contrast import contrasts_together
from explanans.ops.contest import MOST, contested
from explanans.ops.edge_cut import PRICE, cuts_within
from explanans.ops.refinement import enlarge, scaled_up


class Finish(nn.Module):
    """Images (N, channels, H, W) and mask logits (N, M, h, w) → masks (N, K, H, W), all of them finished.

    The masks of :meth:`Explainer.masks_of <explanans.explainers.explainer.Explainer.masks_of>`: what
    :func:`~explanans.ops.contest.contested`, :class:`~explanans.explainers.refining.Refinement` and
    :func:`~explanans.ops.edge_cut.moved_to_edges` decide for each mask alone (who its rivals are, whether there is
    anything to carry, which cut it gets) is computed for all and chosen from. Memory is for all masks of the batch at
    once.

    Args:
        explainer: whose ``refine`` or ``reach`` is above 0, or whose masks compete.
        kept: the K of the M classes that get a mask; None for all. The others are rivals alone.
    """

    cuts: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, explainer: Explainer, kept: Sequence[int] | None = None) -> None:
        super().__init__()
        self.competes, self.kept = explainer.competes, None if kept is None else list(kept)
        self.scale = float(explainer.scale)
        self.refinement = Refinement(explainer.explanandum, explainer.refine) if explainer.refine else None
        if self.refinement is not None:
            # Remembered from here on: the passes that look for it cannot be traced.
            layer_of_stride(explainer.explanandum)
            # ONNX Runtime's bicubic resize takes longer than the classifier; products of matrices do not.
            size = explainer.explanandum.preprocessing
            self.register_buffer("rows", _enlargement(size.height, explainer.refine))
            self.register_buffer("columns", _enlargement(size.width, explainer.refine))
        self.register_buffer("cuts", cuts_within(explainer.reach))

    @staticmethod
    def changes(explainer: Explainer) -> bool:
        """Whether the Explainer is calibrated to finish masks."""
        return bool(explainer.refine) or len(cuts_within(explainer.reach)) > 1 or explainer.competes

    @property
    def moves(self) -> list[float]:
        """By how much logits may differ from those of the same mask at another of its cuts."""
        cuts = self.scale * self.cuts
        return [move for move in (cuts[:, None] - cuts).unique().tolist() if move]

    def forward(self, images: Tensor, head: Tensor, probabilities: Tensor | None = None) -> Tensor:
        """``probabilities`` (N, M), of the same classes as ``head``, where masks compete."""
        if self.competes and probabilities is not None:
            head = contested(head, probabilities, self.scale, ranks=MOST)
        if self.kept is not None:
            head = head[:, self.kept]
        logits = head if self.refinement is None else self._refined(self.refinement, images, head)
        logits = enlarge(logits, images.shape[-2:])
        return (logits if len(self.cuts) == 1 else self._moved(images, logits)).sigmoid()

    def _refined(self, refinement: Refinement, images: Tensor, head: Tensor) -> Tensor:
        half = [max(1, side // 2) for side in images.shape[-2:]]
        enlarged = images if refinement.enlargement == 1 else self.rows @ images @ self.columns.T
        features = refinement.features_at(enlarged)
        small = functional.interpolate(images, half, mode="area")
        value = carried(head.sigmoid(), features, small, _convolved)
        inside = head >= 0
        taken = _any(inside) & _any(~inside) & _any(value >= LEVEL)
        return torch.where(taken, self.scale * STEEPNESS * (value - LEVEL), resized(head, half))

    def _moved(self, images: Tensor, logits: Tensor) -> Tensor:
        masks = logits[:, None] >= self.scale * self.cuts.view(1, -1, 1, 1, 1)
        contrasts = contrasts_together(images, masks.flatten(1, 2)).view(-1, len(self.cuts), logits.shape[1])
        best = self.cuts[(contrasts - PRICE * self.cuts.abs()[:, None]).argmax(1)]
        return logits - self.scale * torch.where(_any(logits >= 0), best[:, :, None, None], 0)


def _any(maps: Tensor) -> Tensor:
    """Whether a map (N, M, h, w) is true somewhere, (N, M, 1, 1)."""
    return maps.flatten(2).any(2)[:, :, None, None]


def _enlargement(side: int, factor: float) -> Tensor:
    """What :func:`~explanans.ops.refinement.scaled_up` multiplies a column of pixels by, (enlarged side, side)."""
    return scaled_up(torch.eye(side).view(1, side, side, 1).expand(-1, -1, -1, 32), factor)[0, :, :, 0].T.contiguous()


def _convolved(values: Tensor, reaches: Sequence[int]) -> Tensor:
    """:func:`~explanans.ops.refinement.neighbours` in a few operations: hundreds take minutes to trace and to write."""
    height, width = values.shape[-2:]
    each = torch.eye(9)[[place for place in range(9) if place != 4]].view(8, 1, 3, 3)
    single = values.flatten(0, 1)[:, None]
    beside = [
        functional.conv2d(functional.pad(single, (reach,) * 4, mode="replicate"), each, dilation=reach)
        for reach in reaches
    ]
    return torch.cat(beside, 1).view(-1, values.shape[1], 8 * len(reaches), height, width)
