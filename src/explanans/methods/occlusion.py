"""Perturbation methods of captum (extra ``captum``): the classifier sees each perturbed image once, for all classes.

What is taken away becomes the mean colour of the data, 0 in the normalised image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from captum.attr import Occlusion
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.shared.randomness import draw_seed, seeded
from explanans.methods.shared.reduction import check_reduction, reduce_channels
from explanans.ops.targets import Target, multi_hot
from explanans.utils.numbers import check_count


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


class CaptumPerturbations:
    """Image by image; draws the same for every image and class of a call, whatever batch it comes in.

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
        self.explanandum, self.batch_size = explanandum, check_count("batch_size", batch_size)
        self.reduction = check_reduction(reduction)

    def prepare(self, image: Tensor) -> Any:
        """What all classes of an image (1, 3, H, W) have in common."""
        return None

    def attribute(self, classify: Tape, image: Tensor, index: int, prepared: Any) -> Tensor:
        """One image (1, 3, H, W) and class → attributions (1, K, H, W)."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(self, images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        asked = multi_hot(targets, self.explanandum.classes, len(images), images.device)
        maps = images.new_zeros(*asked.shape, *images.shape[-2:])
        seed = draw_seed(generator) if self.random else 0
        for row in asked.any(1).nonzero().flatten().tolist():
            image, tape = images[row : row + 1], Tape(self.explanandum)
            prepared = self.prepare(image)
            for index in asked[row].nonzero().flatten().tolist():
                tape.rewind()
                with seeded(seed, images.device):
                    attributions = self.attribute(tape, image, index, prepared)
                maps[row, index] = reduce_channels(attributions, self.reduction)[0].to(maps.dtype)
        return maps


class OcclusionMethod(CaptumPerturbations):
    """Occlusion (Zeiler & Fergus, ECCV 2014): how much the logit falls when a square is covered.

    A pixel gets the mean fall over the squares that cover it. Draws nothing. About 360 forward passes of one image with
    the defaults, one for each place of the square, whatever the number of classes.

    Args:
        window, stride: side of the square and its step, as shares of the image's shorter side.
    """

    random = False

    def __init__(
        self, explanandum: Explanandum, *, window: float = 0.15, stride: float = 0.05, **settings: Any
    ) -> None:
        super().__init__(explanandum, **settings)
        if not 0 < stride <= window <= 1:
            raise InputError(f"window={window}, stride={stride}; want 0 < stride ≤ window ≤ 1, shares of the image.")
        self.window, self.stride = window, stride

    def attribute(self, classify: Tape, image: Tensor, index: int, prepared: Any) -> Tensor:
        side = min(image.shape[-2:])
        window, step = (max(1, round(share * side)) for share in (self.window, self.stride))
        attributions = Occlusion(classify).attribute(
            image,
            sliding_window_shapes=(3, window, window),
            strides=(3, step, step),
            baselines=0,
            target=index,
            perturbations_per_eval=self.batch_size,
        )
        # All three channels are covered together and have one value.
        return attributions[:, :1]
