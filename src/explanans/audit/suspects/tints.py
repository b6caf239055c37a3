"""A class that is in the colours of a photo: other photos become it when they get the same mean colour."""

from __future__ import annotations

import pyarrow as pa
from torch import Tensor

from explanans.audit.intervals import difference
from explanans.audit.suspects.interventions import PROBES, Interventions, cycled
from explanans.audit.suspects.suspect import FEWEST, Suspect

OFTEN = 0.02
"""Of the photos, those that lose the class with their colours, at least."""


def recoloured(images: Tensor, like: Tensor) -> Tensor:
    """Images (N, 3, H, W) with the mean colours of others: x + mean(like) − mean(x)."""
    return images + like.mean((2, 3), keepdim=True) - images.mean((2, 3), keepdim=True)


def tint_suspects(asked: Interventions, column: int, rows: pa.Table, targets: list[int]) -> list[Suspect]:
    """At most one for a class.

    First photos of the class get the mean colours of others; those that then lose the class are what is suspected. Then
    photos of other classes get *their* mean colours, and the control the colours of each other. Colours that are merely
    out of the way take the class from a photo too; those that also bring it to others are counted, and without three
    of them nothing is accused.
    """
    indices = rows["index"].to_pylist()[: 2 * PROBES]
    if len(indices) < FEWEST or len(targets) < FEWEST:
        return []
    own, others = asked.images(indices), asked.images(targets)
    strangers = others[cycled(range(len(others)), len(own))]
    seen = asked.sees(own, column)
    lost = seen & ~asked.sees(asked.in_range(recoloured(own, strangers)), column)
    photos = [index for index, gone in zip(indices, lost.tolist(), strict=True) if gone]
    if len(photos) < max(FEWEST, OFTEN * len(indices)):
        return []
    which = cycled(range(len(photos)), len(others))
    with_it = asked.sees(asked.in_range(recoloured(others, own[lost][which])), column)
    without = asked.sees(asked.in_range(recoloured(others, others.roll(1, 0))), column)
    effect = difference(int(with_it.sum()), len(with_it), int(without.sum()), len(without))
    carried = carriers(photos, which, with_it.tolist())
    enough = len(carried) >= FEWEST
    photos = carried if enough else photos
    return [
        Suspect(
            "colours",
            rows["class"][0].as_py(),
            len(photos),
            len(indices),
            f"The class goes with the photo's mean colour, in {len(photos)} of {len(indices)} photos.",
            effect,
            "photos of other classes in which the class appears when they get the mean colour of these",
            enough,
            photos,
        )
    ]


def carriers(photos: list[int], which: list[int], brought: list[bool]) -> list[int]:
    """Of photos those whose colours brought the class to half and more of the photos that got them, the most first.

    >>> carriers([7, 8, 9], [0, 1, 2, 0, 1], [False, True, True, False, False])
    [9, 8]

    Args:
        which: the place in ``photos`` of each photo that gave its colours.
        brought: whether the class appeared.
    """
    rates = []
    for place, photo in enumerate(photos):
        of = [hit for source, hit in zip(which, brought, strict=True) if source == place]
        if of and 2 * sum(of) >= len(of):
            rates.append((-sum(of) / len(of), place, photo))
    return [photo for _, _, photo in sorted(rates)]
