"""What lies in a region trades places with the same part of another picture: what is there tells nothing any more."""

from __future__ import annotations

import torch
from torch import Tensor


def swap_regions(images: Tensor, regions: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Images (N, K, H, W) in which regions bool (N, H, W) trade places with the same part of pictures without one.

    Each picture with a region does so with probability ``share``, with a picture without any, drawn at random, which
    does it with no other. Hiding a region behind a colour would tell of which pictures it was hidden; so what was in it
    also comes to stand in pictures with other labels. Pictures without a partner stay as they are.
    """
    having = regions.flatten(1).any(1)
    place = generator.device
    drawn = torch.rand(len(images), generator=generator, device=place).to(having.device) < share
    first, second = (having & drawn).nonzero().flatten(), (~having).nonzero().flatten()
    pairs = min(len(first), len(second))
    first, second = (
        each[torch.randperm(len(each), generator=generator, device=place).to(each.device)][:pairs]
        for each in (first, second)
    )
    inside = regions[first][:, None]
    swapped = images.clone()
    swapped[first] = torch.where(inside, images[second], images[first])
    swapped[second] = torch.where(inside, images[first], images[second])
    return swapped
