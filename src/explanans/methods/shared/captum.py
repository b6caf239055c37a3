"""Methods of captum (extra ``captum``), with our targets, bounded memory and a generator.

What stands in for "nothing" is the mean colour of the data, 0 in the normalised image. captum is imported when a
method is made, so that the others need not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import PairMethod
from explanans.methods.shared.perturbing import check_gradients_possible
from explanans.methods.shared.randomness import draw_seed, seeded
from explanans.methods.shared.reduction import check_reduction, reduce_channels
from explanans.utils.numbers import check_count


def captum() -> Any:
    """``captum.attr``.

    Raises:
        InputError: captum is not installed.
    """
    try:
        from captum import attr
    except ModuleNotFoundError as error:
        raise InputError(
            f"this method needs {error.name}, which is not installed: pip install 'explanans[captum]'."
        ) from error
    return attr


class CaptumGradients(PairMethod):
    """Every pair of image and class is an example of its own; at most ``batch_size`` meet the classifier at once.

    Args:
        explanandum: the classifier.
        steps: how many points or noisy copies each map is the mean of.
        batch_size: images in one forward and backward pass, whatever ``steps`` is.
        reduction: how three colour channels become one map, see
            :func:`~explanans.methods.shared.reduction.reduce_channels`.

    Raises:
        InputError: an unknown reduction, a number below 1, or a call under ``torch.inference_mode``.
    """

    # Whether anything is drawn; what draws nothing leaves every generator alone.
    random = True

    def __init__(
        self, explanandum: Explanandum, *, steps: int, batch_size: int = 32, reduction: str = "absolute"
    ) -> None:
        captum()
        self.explanandum = explanandum
        self.steps = check_count("steps", steps)
        self.batch_size = check_count("batch_size", batch_size)
        self.reduction = check_reduction(reduction)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        """Images (P, 3, H, W), P ≤ batch_size, and one class each (P,) → attributions (P, 3, H, W)."""
        raise NotImplementedError

    def at_once(self, images: Tensor) -> int:
        """How many steps of these images fit into a pass."""
        return max(1, min(self.steps, self.batch_size // len(images)))

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible(type(self).__name__)
        maps = [images.new_zeros(0, *images.shape[-2:])]
        rows, classes = asked.nonzero(as_tuple=True)
        with seeded(draw_seed(generator) if self.random else 0, images.device), torch.enable_grad():
            for row, index in zip(rows.split(self.batch_size), classes.split(self.batch_size), strict=True):
                if len(row):
                    attributions = self.attribute(images.detach()[row], index)
                    maps.append(reduce_channels(attributions.detach(), self.reduction).to(images.dtype))
        return torch.cat(maps)


class Tape:
    """Answers of the classifier in the order in which they were asked, to be played again for the next class.

    captum explains one class at a time. Seeded alike, it asks the same questions for each, so that only the first class
    costs forward passes.
    """

    def __init__(self, classifier: Callable[[Tensor], Tensor]) -> None:
        self.classifier = classifier
        self.answers: list[Tensor] = []
        self.position = 0

    def rewind(self) -> None:
        self.position = 0

    def __call__(self, images: Tensor) -> Tensor:
        if self.position == len(self.answers):
            self.answers.append(self.classifier(images))
        answer = self.answers[self.position]
        if len(answer) != len(images):
            raise RuntimeError(f"asked about {len(images)} images where the first class had {len(answer)}")
        self.position += 1
        return answer


class CaptumPerturbations(PairMethod):
    """The classifier sees each perturbed image once, for all classes.

    Image by image; draws the same for every image and class of a call, whatever batch it comes in.

    Args:
        explanandum: the classifier.
        batch_size: perturbed images in one forward pass.
        reduction: what becomes of evidence against the class, see
            :func:`~explanans.methods.shared.reduction.reduce_channels`: "positive" cuts it off, "signed" keeps it.

    Raises:
        InputError: an unknown reduction or a number below 1.
    """

    random = True

    def __init__(self, explanandum: Explanandum, *, batch_size: int = 32, reduction: str = "positive") -> None:
        captum()
        self.explanandum, self.batch_size = explanandum, check_count("batch_size", batch_size)
        self.reduction = check_reduction(reduction)

    def prepare(self, image: Tensor) -> Any:
        """What all classes of an image (1, 3, H, W) have in common."""
        return None

    def attribute(self, classify: Tape, image: Tensor, index: int, prepared: Any) -> Tensor:
        """One image (1, 3, H, W) and class → attributions (1, K, H, W)."""
        raise NotImplementedError

    @torch.no_grad()
    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = [images.new_zeros(0, *images.shape[-2:])]
        seed = draw_seed(generator) if self.random else 0
        for row in asked.any(1).nonzero().flatten().tolist():
            image, tape = images[row : row + 1], Tape(self.explanandum)
            prepared = self.prepare(image)
            for index in asked[row].nonzero().flatten().tolist():
                tape.rewind()
                with seeded(seed, images.device):
                    attributions = self.attribute(tape, image, index, prepared)
                maps.append(reduce_channels(attributions, self.reduction).to(images.dtype))
        return torch.cat(maps)
