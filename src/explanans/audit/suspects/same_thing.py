"""The same thing beside the object, in any place: a logo, a sticker, a tool."""

from __future__ import annotations

import pyarrow as pa

from explanans.audit.geometry import on_grid
from explanans.audit.looked import grids
from explanans.audit.suspects.in_common import SURE
from explanans.audit.suspects.interventions import PROBES, Interventions, on_objects, spread
from explanans.audit.suspects.repeated_patches import patch_areas, patches_of, repeated, thing_around
from explanans.audit.suspects.suspect import FEWEST, ON_OBJECT, Suspect, cells_of

COVERED = 0.5
"""Of a cell of the grid, from which the thing is in it."""


def thing_suspects(
    asked: Interventions, column: int, rows: pa.Table, others: pa.Table, targets: list[int]
) -> list[Suspect]:
    """At most one for a class: patches of what its masks keep that match from photo to photo, and match next to nothing
    of what masks of other classes keep. Where objects are known, those on the object do not count.

    Args:
        rows, others: samples of the class and of all other classes.
        targets: photos without the class.
    """
    if min(len(rows), len(others), len(targets)) < FEWEST:
        return []
    rows = rows.slice(0, 2 * PROBES)
    others = others.take(spread(range(len(others)), 2 * PROBES))
    indices = rows["index"].to_pylist()
    images, probes = asked.images(indices), asked.images(targets)
    own, strange = (
        patches_of(shown, asked.enlarged(grids(of) >= 0.5))
        for shown, of in ((images, rows), (asked.images(others["index"].to_pylist()), others))
    )
    found, much = repeated(own, len(rows), strange, len(others))
    if len(found) < FEWEST:
        return []
    sources, photos = images[found.photo], [indices[place] for place in found.photo.tolist()]
    objects = asked.objects_in(photos, column)
    regions = asked.beside(thing_around(sources, found, probes), objects)
    if objects is not None:
        shares = on_objects(patch_areas(found, *asked.size()), objects)
        beside = (shares < ON_OBJECT).nonzero().flatten().tolist()
        sources, regions, photos = sources[beside], regions[beside], [photos[place] for place in beside]
    if len(photos) < FEWEST:
        return []
    effect = asked.pasted(sources, regions, probes, column)
    facts = {
        "gone when hidden": asked.gone_without(sources, regions, column),
        "of the frame": float(regions.float().mean()),
        "oftener than by chance": much,
    }
    return [
        Suspect(
            "thing",
            rows["class"][0].as_py(),
            len(photos),
            len(indices),
            f"Masks keep the same thing, in any place, in {len(photos)} of {len(indices)} photos"
            + (", which may be the object itself." if objects is None else "."),
            effect,
            "photos of other classes in which the class appears when this thing is pasted into them",
            much >= SURE,
            photos,
            facts,
            places=[cells_of(cells) for cells in on_grid(regions).cpu().numpy() >= COVERED],
        )
    ]


def elsewhere(thing: Suspect, places: list[Suspect]) -> bool:
    """Whether a thing is not merely what lies at an accused place: in half of its photos and more it is not there."""
    taken = {cell for place in places if place.accused for cell in place.whole}
    return sum(not taken & set(cells) for cells in thing.places) * 2 >= len(thing.places)
