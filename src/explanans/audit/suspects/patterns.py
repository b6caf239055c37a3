"""A class that is in a fine pattern over the whole photo: a texture, a scanner's lines, a watermark."""

from __future__ import annotations

import pyarrow as pa
import torch
from torch import Tensor

from explanans.audit.intervals import difference
from explanans.audit.suspects.in_common import ALL_OVER, SURE, common_pattern, fine, spread
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.suspect import FEWEST, Suspect


def pattern_suspects(asked: Interventions, column: int, rows: pa.Table, targets: list[int]) -> list[Suspect]:
    """At most one for a class.

    Photos whose fine parts are alike all over the frame, where those of other classes are not, are what is suspected.
    Their mean is added to photos of other classes: what all of them have remains, and of their objects next to nothing.
    The control is the mean of as many strangers.

    Args:
        rows: the class's sample.
        targets: photos without the class.
    """
    indices = rows["index"].to_pylist()[: 2 * PROBES]
    if len(indices) < FEWEST or len(targets) < FEWEST:
        return []
    own, others = asked.images(indices), asked.images(targets)
    members, much = common_pattern(own, others)
    if len(members) < FEWEST:
        return []
    pattern = fine(own[members]).mean(0)
    covers = spread(pattern)
    if covers < ALL_OVER:
        return []
    with_it = asked.sees(asked.in_range(others + pattern), column)
    without = asked.sees(asked.in_range(others + _of_strangers(fine(others), len(members))), column)
    photos = [indices[place] for place in members]
    return [
        Suspect(
            "pattern",
            rows["class"][0].as_py(),
            len(photos),
            len(indices),
            f"{len(photos)} of {len(indices)} photos have a fine pattern in common, pixel by pixel, "
            "all over the frame.",
            difference(int(with_it.sum()), len(with_it), int(without.sum()), len(without)),
            "photos of other classes in which the class appears when what these photos have in common is added to them",
            much >= SURE,
            photos,
            {"of the frame": covers},
        )
    ]


def _of_strangers(parts: Tensor, count: int) -> Tensor:
    """For each of the parts (N, K, H, W) the mean of the ``count`` after it, and again from the first."""
    number = len(parts)
    after = [[(first + step) % number for step in range(1, 1 + min(count, number - 1))] for first in range(number)]
    return torch.stack([parts[places].mean(0) for places in after])
