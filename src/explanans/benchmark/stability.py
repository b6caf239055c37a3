"""Max-sensitivity of a method on a few images of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.calling import Caller
from explanans.benchmark.scoring import Pictures, masks_of
from explanans.benchmark.seeds import seed_of
from explanans.ops.masking import merge


def sensitivity(caller: Caller, pictures: Pictures, places: Sequence[int], step: str, samples: int) -> dict[int, float]:
    """:func:`explanans.metrics.max_sensitivity` of the target mask, for the images at ``places``, by place.

    Every method meets the same noise. A method that draws draws the same for every noisy copy, so that only the image's
    change counts; one that fails on a copy gets the worst value.
    """
    found = {}
    for n in places:
        labels, index = pictures.labels[n : n + 1], pictures.indices[n]

        def explain(images: Tensor, labels: Tensor = labels, index: int = index) -> Tensor:
            masks, _ = masks_of(caller(images, labels, [index]).maps, step)
            return merge(masks, labels)[0]

        image = pictures.images[n : n + 1]
        generator = torch.Generator(image.device).manual_seed(seed_of(caller.seed, "sensitivity", index))
        values = metrics.max_sensitivity(explain, image, explain(image), samples=samples, generator=generator)
        found[n] = values.item()
    return found
