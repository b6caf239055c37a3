"""The receipt of a mask: what the classifier says about what it keeps and about what it removes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.ops.masking import apply_mask, make_fill

FILLS = ("mean", "blur")


@dataclass(frozen=True)
class Kept:
    """Probability of the class on what the mask keeps and on what it removes, with one fill for what is hidden."""

    kept: float
    removed: float


@dataclass(frozen=True)
class Receipt:
    """Whether a mask shows what the classifier uses for a class.

    A good mask is small, its ``kept`` stays near ``whole`` and its ``removed`` falls towards 0. A mask can cheat: faint
    values and fine patterns, invisible to the eye, may carry a class through one particular fill. So the mask is
    binarised first, the question is put under several fills, and the worst answer counts.

    Attributes:
        whole: probability on the whole image.
        fills: the answers under each fill, by its name.
        area: share of the pixels that the binarised mask keeps, in [0, 1].
        mask_threshold: a pixel is kept where the mask is at least this.
    """

    whole: float
    fills: Mapping[str, Kept]
    area: float
    mask_threshold: float

    @property
    def kept(self) -> float:
        """The lowest probability on what the mask keeps, over the fills."""
        return min(answer.kept for answer in self.fills.values())

    @property
    def removed(self) -> float:
        """The highest probability on what the mask removes, over the fills."""
        return max(answer.removed for answer in self.fills.values())

    @property
    def kept_ratio(self) -> float:
        """``kept`` / ``whole``; above 1 where the rest of the image spoke against the class, NaN if ``whole`` is 0."""
        return self.kept / self.whole if self.whole else math.nan

    @property
    def removed_ratio(self) -> float:
        """``removed`` / ``whole``; NaN if ``whole`` is 0."""
        return self.removed / self.whole if self.whole else math.nan

    def __str__(self) -> str:
        return (
            f"The classifier says {self.whole:.2f} for the whole photo, {self.kept:.2f} for the mask alone "
            f"({self.area:.0%} of the photo) and {self.removed:.2f} for the rest."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "whole": self.whole,
            "kept": self.kept,
            "removed": self.removed,
            "area": self.area,
            "mask_threshold": self.mask_threshold,
            "fills": {name: {"kept": answer.kept, "removed": answer.removed} for name, answer in self.fills.items()},
        }


@torch.no_grad()
def receipts(
    explanandum: Explanandum,
    images: Tensor,
    masks: Tensor,
    asked: Tensor,
    *,
    whole: Tensor | None = None,
    fills: Sequence[str] = FILLS,
    mask_threshold: float = 0.5,
    batch_size: int = 16,
    seed: int = 0,
) -> list[Receipt]:
    """Receipts of P masks, one for each (image, class) that is asked for.

    With b = [mask ≥ mask_threshold] and a background B for each fill, the classifier sees x·b + B·(1 − b) (kept) and
    x·(1 − b) + B·b (removed): 2 · P · len(fills) forwards, ``batch_size`` at a time. What a fill draws depends on
    ``seed`` alone, not on which images stand beside an image.

    Args:
        images: normalised, (N, 3, H, W).
        masks: (P, H, W) in [0, 1], in the order of ``asked.nonzero()``: ``class_masks[asked]`` of (N, C, H, W).
        asked: bool (N, C) with P true entries.
        whole: probabilities (N, C) of the whole images where they are known; computed if None.
        fills: names for :func:`explanans.ops.masking.make_fill`.
        mask_threshold: in (0, 1].

    Returns:
        P receipts in the order of ``masks``.

    Raises:
        InputError: shapes that do not belong together, no fill, a threshold outside its range, or a probability that is
            NaN.
    """
    fills = check_settings(fills, mask_threshold, batch_size)
    if whole is None:
        whole = torch.cat([explanandum.probabilities(some) for some in images.split(batch_size)])
    answers = masked_answers(explanandum, images, masks >= mask_threshold, asked, fills, batch_size, seed)
    if answers.isnan().any():
        columns = asked.nonzero()[answers.isnan().flatten(1).any(1), 1].tolist()
        names = sorted({explanandum.classes[column] for column in columns})
        raise InputError(f"the classifier's probabilities of {names} are NaN on a masked image; check its weights.")
    return write_receipts(whole[asked], answers, masks >= mask_threshold, fills, mask_threshold)


@torch.no_grad()
def masked_answers(
    explanandum: Explanandum,
    images: Tensor,
    kept: Tensor,
    asked: Tensor,
    fills: Sequence[str],
    batch_size: int,
    seed: int = 0,
) -> Tensor:
    """Probabilities (P, len(fills), 2) of the P classes asked for, on what masks keep and on what they remove.

    Args:
        kept: bool (P, H, W), in the order of ``asked.nonzero()``; the others are as for :func:`receipts`.
    """
    pairs = int(asked.sum())
    size = images.shape[-2:]
    if asked.shape != (len(images), explanandum.num_classes) or kept.shape != (pairs, *size):
        raise InputError(
            f"receipts: images {tuple(images.shape)}, masks {tuple(kept.shape)}, asked {tuple(asked.shape)} with "
            f"{pairs} true; expected asked ({len(images)}, {explanandum.num_classes}) and masks "
            f"({pairs}, {size[0]}, {size[1]}): class_masks[asked]."
        )
    image, column = asked.nonzero(as_tuple=True)
    backgrounds = torch.stack([_background(explanandum, name, images, seed) for name in fills])
    jobs = torch.arange(2 * len(fills) * pairs, device=images.device)
    answers = [images.new_zeros(0, dtype=torch.float32)]
    for job in jobs.split(batch_size):
        pair, fill, removes = job // (2 * len(fills)), job // 2 % len(fills), job % 2 == 1
        shown = kept[pair] ^ removes[:, None, None]
        masked = apply_mask(images[image[pair]], shown, backgrounds[fill, image[pair]])
        answers.append(explanandum.probabilities(explanandum.laid_out(masked)).gather(1, column[pair, None])[:, 0])
    return torch.cat(answers).reshape(pairs, len(fills), 2)


def write_receipts(
    whole: Tensor, answers: Tensor, kept: Tensor, fills: Sequence[str], mask_threshold: float
) -> list[Receipt]:
    """Receipts from probabilities on the whole images (P,), :func:`masked_answers` (P, F, 2) and masks (P, H, W)."""
    return [
        Receipt(
            whole=probability,
            fills={name: Kept(*answer) for name, answer in zip(fills, row, strict=True)},
            area=area,
            mask_threshold=mask_threshold,
        )
        for probability, row, area in zip(
            whole.tolist(), answers.tolist(), kept.double().mean((1, 2)).tolist(), strict=True
        )
    ]


def check_settings(fills: Sequence[str], mask_threshold: float, batch_size: int) -> tuple[str, ...]:
    """The fills' names without repeats; one name may stand alone.

    Raises:
        InputError: no fill, ``mask_threshold`` outside (0, 1], ``batch_size`` below 1.
    """
    names = tuple(dict.fromkeys([fills] if isinstance(fills, str) else fills))
    if not names:
        raise InputError("fills is empty; give at least one, such as ('mean', 'blur').")
    if not 0 < mask_threshold <= 1:
        raise InputError(f"mask_threshold={mask_threshold} must lie in (0, 1]: a pixel is kept from there on.")
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size} must be at least 1.")
    return names


def _background(explanandum: Explanandum, name: str, images: Tensor, seed: int) -> Tensor:
    fill = make_fill(name, explanandum.preprocessing)
    generator = torch.Generator(device=images.device)
    # One at a time and seeded anew, so that a receipt does not depend on an image's place in its batch.
    drawn = [fill(image, generator.manual_seed(seed)) for image in images.split(1)]
    return torch.cat(drawn) if drawn else images
