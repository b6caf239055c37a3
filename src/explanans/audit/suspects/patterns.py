"""A class that is in a fine pattern over the whole photo: a texture, a scanner's lines, a watermark."""

from __future__ import annotations

import pyarrow as pa
import torch
from torch import Tensor

from explanans.audit.intervals import difference
from explanans.audit.suspects.in_common import SURE, Pattern, common_pattern, fine
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.suspect import FEWEST, Suspect


def pattern_in(asked: Interventions, rows: pa.Table, targets: list[int]) -> Pattern | None:
    """What photos of a class have in common that photos without it have not; None where three of either are missing.

    Args:
        rows: the class's sample.
        targets: photos without the class.
    """
    indices = rows["index"].to_pylist()[: 2 * PROBES]
    if min(len(indices), len(targets)) < FEWEST:
        return None
    pattern = common_pattern(asked.images(indices), asked.images(targets))
    return pattern if len(pattern.members) >= FEWEST else None


def pattern_suspects(
    asked: Interventions, column: int, rows: pa.Table, targets: list[int], pattern: Pattern | None
) -> list[Suspect]:
    """At most one for a class: what its photos have in common, if it is all over the frame.

    Its mean is added to photos of other classes: what all of its photos have remains, and of their objects next to
    nothing. The control is the mean of as many strangers.

    Args:
        rows: the class's sample.
        targets: photos without the class.
        pattern: see :func:`pattern_in`.
    """
    if pattern is None or not pattern.all_over:
        return []
    indices, others = rows["index"].to_pylist()[: 2 * PROBES], asked.images(targets)
    with_it = asked.sees(asked.in_range(others + pattern.mean), column)
    without = asked.sees(asked.in_range(others + _of_strangers(fine(others), len(pattern.members))), column)
    photos = [indices[place] for place in pattern.members]
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
            pattern.excess >= SURE,
            photos,
            {"of the frame": pattern.covers},
        )
    ]


def _of_strangers(parts: Tensor, count: int) -> Tensor:
    """For each of the parts (N, K, H, W) the mean of the ``count`` after it, and again from the first."""
    number = len(parts)
    after = [[(first + step) % number for step in range(1, 1 + min(count, number - 1))] for first in range(number)]
    return torch.stack([parts[places].mean(0) for places in after])
