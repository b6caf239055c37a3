"""A class that does not need its object: it stays when the object is hidden, and evidence lies outside of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from explanans.audit.geometry import border_width
from explanans.audit.intervals import difference
from explanans.audit.looked import grids
from explanans.audit.suspects.interventions import PROBES, Interventions, cycled, spread
from explanans.audit.suspects.suspect import FEWEST, Suspect
from explanans.ops.nearness import near

OUTSIDE = 0.5
"""Evidence lies outside where so much of a mask does."""


def context_suspects(
    asked: Interventions, column: int, name: str, indices: list[int], strangers: list[int]
) -> list[Suspect]:
    """At most one for a class, of photos whose objects are known.

    The objects of the class, with a border of 2 % of the diagonal, are hidden behind the mean colour and behind a blur;
    the class stays where it is seen under both. The control hides the same regions in photos without the class. So
    what other photos have as well, such as things that are mistaken for the object, does not count.

    Args:
        name: of the class.
        indices: photos with the class, whether it is seen or not.
        strangers: photos without it, whether it is seen or not.
    """
    good, regions = asked.objects(spread(indices, 2 * PROBES), column)
    if len(good) < FEWEST or not strangers:
        return []
    images = asked.images(good)
    hidden = near(regions, border_width(*asked.size()))
    stays = asked.sees_without(images, hidden, column)
    others = asked.images(strangers)
    control = asked.sees_without(others, hidden[cycled(range(len(good)), len(others))], column)
    effect = difference(int(stays.sum()), len(stays), int(control.sum()), len(control))
    photos = [index for index, stay in zip(good, stays.tolist(), strict=True) if stay]
    if len(photos) < FEWEST:
        return []
    alone = asked.sees_without(images[stays], ~hidden[stays], column)
    return [
        Suspect(
            "context",
            name,
            len(photos),
            len(good),
            f"The class stays when its object is hidden, in {len(photos)} of {len(good)} photos.",
            effect,
            "photos in which the class is seen though the object is hidden, less photos of other classes with the same "
            "part hidden",
            True,
            photos,
            {"gone when all but the object is hidden": 1 - float(alone.float().mean())},
        )
    ]


def outside_suspects(asked: Interventions, column: int, rows: pa.Table, targets: list[int]) -> list[Suspect]:
    """At most one for a class: masks that lie outside of the object, pasted into photos of other classes."""
    places = [n for n, value in enumerate(rows["outside"].to_pylist()) if value is not None and value >= OUTSIDE]
    if len(places) < FEWEST or not targets:
        return []
    outside = rows.take(places)
    indices = outside["index"].to_pylist()
    cells = grids(outside) >= 0.5
    kept = dict(zip(indices, cells, strict=True))
    good, objects = asked.objects(indices[:PROBES], column)
    if not good:
        return []
    regions = asked.enlarged(np.stack([kept[index] for index in good]))
    regions &= ~near(objects, border_width(*asked.size()))
    sources = asked.images(good)
    effect = asked.pasted(sources, regions, asked.images(targets), column)
    return [
        Suspect(
            "outside",
            rows["class"][0].as_py(),
            len(places),
            len(rows),
            f"At least half of the evidence lies outside of the object, in {len(places)} of {len(rows)} photos.",
            effect,
            "photos of other classes in which the class appears when this evidence is pasted into them",
            # It may be what other photos have as well, and is mistaken for the object: that is for the context to say.
            False,
            indices,
            {"gone when hidden": asked.gone_without(sources, regions, column)},
        )
    ]
