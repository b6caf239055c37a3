"""The one way from images to what is said about them: probabilities, masks of the classes asked for, receipts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.masked_answers import masked_answers
from explanans.explanations.receipt import FILLS, Receipt, check_settings, write_receipts
from explanans.explanations.selection import Selection

Draw = Callable[[Tensor], Tensor]
"""asked, bool (N, C) with P true entries → masks (P, H, W) in [0, 1], in the order of ``asked.nonzero()``."""


class Masker(nn.Module):
    """A classifier and a way to masks of its classes: a trained Explainer, or a method that needs no training.

    Attributes:
        explanandum: the classifier.
        asks_often: it asks the classifier hundreds of times for each image.
    """

    explanandum: Explanandum
    asks_often: bool = False

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """As of any module, but for the classifier, which stays frozen."""
        super().requires_grad_(requires_grad)
        self.explanandum.requires_grad_(False)
        return self

    @abstractmethod
    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        """Normalised images (N, 3, H, W) → probabilities (N, C), and what draws the masks that are then asked for."""

    def whole_evidence(self) -> Self:
        """The same, with masks that hold all that a class goes by, rather than end where the picture's things do.

        For questions about the classifier: what it uses, and what to hide of it. Of a method the maps are cut without
        looking at the picture's edges (:func:`explanans.explanations.cut.choose_cuts`).
        """
        return self

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What tells one from another, as JSON: how masks are made, and ``classifier``, the classifier's identity."""

    @abstractmethod
    def made_by(self) -> dict[str, Any]:
        """How the masks are made, as a person reads it in a saved result; JSON."""


@dataclass(frozen=True)
class Settings:
    """What is asked of a batch.

    Attributes:
        selection: which classes.
        mask_threshold: in (0, 1]; a pixel is inside where the mask is at least this.
        receipts: whether to make them.
        fills: what hides pixels in the receipts, see :func:`explanans.ops.masking.make_fill`.
        batch_size: masked images in one forward pass.
        seed: of fills that draw at random.
    """

    selection: Selection = field(default_factory=Selection)
    mask_threshold: float = 0.5
    receipts: bool = True
    fills: Sequence[str] = FILLS
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "fills", check_settings(self.fills, self.mask_threshold, self.batch_size))

    def to_dict(self) -> dict[str, Any]:
        """What a result depends on, the classes asked for apart; JSON."""
        return {
            **self.selection.to_dict(),
            "mask_threshold": self.mask_threshold,
            "fills": list(self.fills) if self.receipts else None,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Explained:
    """What was found for N images.

    Attributes:
        probabilities: (N, C), on the whole images.
        asked: bool (N, C), the P classes that have a mask; none of an image that failed.
        masks: (P, H, W) in [0, 1] at the images' size, in the order of ``asked.nonzero()``.
        receipts: P of them, or P times None where none was wanted.
        failures: for each image what went wrong, or "".
    """

    probabilities: Tensor
    asked: Tensor
    masks: Tensor
    receipts: Sequence[Receipt | None]
    failures: list[str]


@torch.no_grad()
def explain_batch(
    masker: Masker,
    images: Tensor,
    settings: Settings,
    requested: Tensor | None = None,
    among: Tensor | None = None,
) -> Explained:
    """Explain normalised images (N, 3, H, W).

    An image for which something is NaN fails, and the others are explained.

    Args:
        requested: bool (N, C), the classes asked for; None lets the probabilities decide.
        among: bool (C,), the only classes that may be explained; None for all.
    """
    explanandum = masker.explanandum
    whole, draw = masker.look(images)
    failures = [""] * len(images)
    good = _good(whole, torch.arange(len(images)), "the classifier's probabilities", failures)
    asked = settings.selection.seen(explanandum, whole) if requested is None else requested.to(whole.device)
    asked = asked & good[:, None]
    if among is not None:
        asked = asked & among.to(asked.device)
    masks = draw(asked)
    asked, masks = _without_failed(asked, masks, _good(masks, asked.nonzero()[:, 0], "the masks", failures))
    made: Sequence[Receipt | None] = [None] * len(masks)
    if settings.receipts:
        kept = masks >= settings.mask_threshold
        answers = masked_answers(
            explanandum, images, kept, asked, whole, settings.fills, settings.batch_size, settings.seed
        )
        of = asked.nonzero()[:, 0]
        good = _good(answers.values(), of, "the classifier's probabilities on a masked image", failures)
        asked, masks = _without_failed(asked, masks, good)
        stays = good[of]
        made = write_receipts(
            explanandum, whole, asked, answers.of(stays), kept[stays], settings.fills, settings.mask_threshold
        )
    return Explained(whole, asked, masks, made, failures)


def _good(values: Tensor, image: Tensor, what: str, failures: list[str]) -> Tensor:
    """bool (N,): no value of the image is NaN; ``image`` says whose each row of ``values`` is."""
    for number in set(image[values.isnan().flatten(1).any(1).to(image.device)].tolist()):
        failures[number] = f"{what} are NaN; check the weights, and the image if only some do this"
    return torch.tensor([not failure for failure in failures], device=values.device)


def _without_failed(asked: Tensor, masks: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
    return asked & good[:, None], masks[good[asked.nonzero()[:, 0]]]
