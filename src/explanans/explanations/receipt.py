"""The receipt of a mask: what the classifier says about what it keeps and about what it removes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.masked_answers import Answers, masked_answers
from explanans.explanations.word import score, word

FILLS = ("mean", "blur")


@dataclass(frozen=True)
class Kept:
    """Probability of the class on what the mask keeps and on what it removes, with one fill for what is hidden."""

    kept: float
    removed: float


@dataclass(frozen=True)
class Other:
    """The class, besides the mask's own, that the classifier sees in the picture and that the mask keeps best.

    Attributes:
        name: of the class.
        whole: its probability on the whole image.
        kept: the lowest on what the mask keeps, over the fills.
    """

    name: str
    whole: float
    kept: float


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
        elsewhere: probability on what the same mask keeps in another place, under the first fill: the mean of two, a
            third of the height and the width down and right, and up and left, over the border to the other side. What
            a mask of this area and shape keeps without having found anything.
        other: see :class:`Other`; None where no other class is seen.
    """

    whole: float
    fills: Mapping[str, Kept]
    area: float
    mask_threshold: float
    elsewhere: float
    other: Other | None = None

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

    @property
    def score(self) -> float:
        """In [−2, 1], higher is better; see :func:`explanans.explanations.word.score`."""
        return score(self.whole, self.kept, self.elsewhere, self.shared)

    @property
    def shared(self) -> float:
        """How much of its probability on the whole image the other class keeps, at most 1; 0 where there is none."""
        if self.other is None:
            return 0.0
        return min(self.other.kept / self.other.whole, 1.0) if self.other.whole else math.nan

    @property
    def word(self) -> str:
        """ "holds", "weak", "fills the frame", "empty" or "shared with CLASS"; see :func:`.word.word`."""
        return word(self.area, self.score, None if self.other is None else self.other.name, self.shared)

    @property
    def says(self) -> str:
        """The word as a person says it of the mask: "holds", "is weak", …"""
        return self.word if self.word in ("holds", "fills the frame") else f"is {self.word}"

    def __str__(self) -> str:
        shared = "" if self.other is None else f", of which it keeps {self.other.kept:.2f}"
        return (
            f"The classifier says {self.whole:.2f} for the whole photo, {self.kept:.2f} for the mask alone "
            f"({self.area:.0%} of the photo), {self.removed:.2f} for the rest and {self.elsewhere:.2f} for the mask in "
            f"another place. It {self.says}{shared if self.word.startswith('shared') else ''}."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "whole": self.whole,
            "kept": self.kept,
            "removed": self.removed,
            "area": self.area,
            "mask_threshold": self.mask_threshold,
            "fills": {name: {"kept": answer.kept, "removed": answer.removed} for name, answer in self.fills.items()},
            "elsewhere": self.elsewhere,
            "other": None if self.other is None else asdict(self.other),
            "score": self.score,
            "word": self.word,
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
    x·(1 − b) + B·b (removed), and twice x·b + B·(1 − b) with b moved, under the first fill: P · (2 · len(fills) + 2)
    forwards, ``batch_size`` at a time. What a fill draws depends on ``seed`` alone, not on which images stand beside an
    image.

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
    kept = masks >= mask_threshold
    answers = masked_answers(explanandum, images, kept, asked, whole, fills, batch_size, seed)
    broken = answers.values().isnan().any(1)
    if broken.any():
        columns = asked.nonzero()[broken, 1].tolist()
        names = sorted({explanandum.classes[column] for column in columns})
        raise InputError(f"the classifier's probabilities of {names} are NaN on a masked image; check its weights.")
    return write_receipts(explanandum, whole, asked, answers, kept, fills, mask_threshold)


def write_receipts(
    explanandum: Explanandum,
    whole: Tensor,
    asked: Tensor,
    answers: Answers,
    kept: Tensor,
    fills: Sequence[str],
    mask_threshold: float,
) -> list[Receipt]:
    """Receipts from probabilities on the whole images (N, C), :func:`masked_answers` and P binary masks (P, H, W)."""
    return [
        Receipt(
            whole=float(whole[image, column]),
            fills={name: Kept(*answer) for name, answer in zip(fills, own, strict=True)},
            area=area,
            mask_threshold=mask_threshold,
            elsewhere=sum(moved) / 2,
            other=_other(explanandum, whole[image], answers.seen, others, image, column),
        )
        for (image, column), own, moved, others, area in zip(
            asked.nonzero().tolist(),
            answers.own.tolist(),
            answers.moved.tolist(),
            answers.others,
            kept.double().mean((1, 2)).tolist(),
            strict=True,
        )
    ]


def _other(
    explanandum: Explanandum, whole: Tensor, seen: Tensor, kept: Tensor, image: int, column: int
) -> Other | None:
    """Of the classes seen in the image, but for the mask's own, the one of which most is kept."""
    columns = seen.any(0).nonzero().flatten()
    rivals = seen[image, columns] & (columns != column)
    if not rivals.any():
        return None
    best = int(kept.masked_fill(~rivals, -torch.inf).argmax())
    return Other(explanandum.classes[int(columns[best])], float(whole[columns[best]]), float(kept[best]))


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
