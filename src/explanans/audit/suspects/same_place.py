"""Evidence that sits at the same place in many photos: a watermark, a frame, a ruler."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from explanans.audit.geometry import GRID
from explanans.audit.looked import grids
from explanans.audit.suspects.cell_pixels import SAME, sameness
from explanans.audit.suspects.in_common import SURE, Pattern, common_place
from explanans.audit.suspects.interventions import PROBES, Interventions, on_objects
from explanans.audit.suspects.suspect import FEWEST, ON_OBJECT, Suspect, cells_of, ranked
from explanans.audit.suspects.whole_place import Cells, whole_place

SIGNIFICANCE = 0.01
"""Of a whole mean mask; each of its cells has its share of it (Bonferroni)."""
EXCESS = 0.05
"""By so much more often a cell is inside the masks of the class than inside those of the others, at least."""
COVERED = 0.5
"""A photo has it where its mask covers so much of the region."""
MOST = 0.5
"""Of the frame: photos that are the same in more of it are the same all over, and have nothing at a place."""

Grids = NDArray[np.float32]


def fixed_region(own: Grids, others: Grids) -> NDArray[np.bool_]:
    """Cells (16, 16) that masks of the class keep more often than masks of other classes do.

    z = (m − m₀) / √(s²/n + s₀²/n₀) with means and variances of the two sets of masks (N, 16, 16), (M, 16, 16), and at
    least m − m₀ ≥ 0.05. Nothing where either set has fewer than three masks.
    """
    if len(own) < FEWEST or len(others) < FEWEST:
        return np.zeros((GRID, GRID), np.bool_)
    excess = own.mean(0) - others.mean(0)
    # Half a mask more that has the cell and half a mask more that has it not, or cells that are always alike are sure.
    error = np.sqrt(_variance(own) / len(own) + _variance(others) / len(others))
    limit = NormalDist().inv_cdf(1 - SIGNIFICANCE / GRID**2)
    return (excess >= EXCESS) & (excess / error >= limit)


def _variance(values: Grids) -> Grids:
    share = (values.sum(0) + 0.5) / (len(values) + 1)
    return np.maximum(values.var(0), share * (1 - share) / len(values))


def place_suspects(
    asked: Interventions,
    column: int,
    rows: pa.Table,
    others: pa.Table,
    targets: list[int],
    pattern: Pattern | None = None,
) -> list[Suspect]:
    """At most two for a class, which do not overlap: where its masks lie more often than others do, and where some of
    its photos are the same, whatever is seen there.

    Args:
        rows, others: samples of the class and of all other classes.
        targets: photos without the class.
        pattern: what photos of the class have in common, see :func:`explanans.audit.suspects.patterns.pattern_in`.
    """
    if not len(rows) or not targets:
        return []
    probes = asked.images(targets)
    places = [_where_masks_lie(asked, rows, others, probes), *_where_photos_are_the_same(asked, rows, probes, pattern)]
    name = rows["class"][0].as_py()
    found = [_tested(asked, column, name, place, probes) for place in places if place is not None]
    apart: list[Suspect] = []
    for suspect in ranked(found):
        if not any(set(suspect.whole) & set(each.whole) for each in apart):
            apart.append(suspect)
    return apart


@dataclass(frozen=True)
class _Place:
    """A region of cells, the photos that have something there, the clearest first, and of how many these are some."""

    region: Cells
    whole: Cells
    photos: list[int]
    of: int
    says: str
    sure: bool = True
    """Whether so many photos are hardly the same there by chance."""


def _where_masks_lie(asked: Interventions, rows: pa.Table, others: pa.Table, probes: Tensor) -> _Place | None:
    if not len(others):
        return None
    own = grids(rows)
    region = fixed_region(own, grids(others))
    if not region.any():
        return None
    covered = own[:, region].mean(1)
    order = np.argsort(-covered, kind="stable")
    indices = [rows["index"][int(place)].as_py() for place in order if covered[place] >= COVERED]
    if len(indices) < FEWEST:
        return None
    whole = whole_place(region, asked.images(indices[:PROBES]), probes)
    says = f"The evidence sits at the same place, {where(region)}, in {len(indices)} of {len(rows)} photos."
    return _Place(region, whole, indices, len(rows), says)


def _where_photos_are_the_same(
    asked: Interventions, rows: pa.Table, probes: Tensor, pattern: Pattern | None
) -> list[_Place]:
    """One by what cells have, and one by fine lines, dots and edges, if these are not all over the frame."""
    looked_at = rows["index"].to_pylist()[: 2 * PROBES]
    if min(len(looked_at), len(probes)) < FEWEST:
        return []
    images = asked.images(looked_at)
    groups = [common_place(images, probes)]
    if pattern is not None and not pattern.all_over:
        groups.append((pattern.strongest(), pattern.members, pattern.excess))
    found = []
    for region, members, much in groups:
        if len(members) < FEWEST:
            continue
        whole = whole_place(region, images[members[:PROBES]], probes, enough=FEWEST)
        if whole.mean() <= MOST:
            photos = [looked_at[place] for place in members]
            says = f"{len(photos)} of {len(looked_at)} photos are the same, pixel by pixel, {where(whole)}."
            found.append(_Place(whole, whole, photos, len(looked_at), says, much >= SURE))
    return found


def _tested(asked: Interventions, column: int, name: str, place: _Place, probes: Tensor) -> Suspect:
    photos = place.photos[:PROBES]
    sources = asked.images(photos)
    area = asked.enlarged(place.region[None])
    everywhere = area.expand(len(photos), -1, -1)
    objects = asked.objects_in(photos, column)
    areas = asked.beside(everywhere, objects)
    on_object = None if objects is None else float(on_objects(everywhere, objects).mean())
    effect = asked.pasted(sources, areas, probes, column)
    inside = area[0].cpu().numpy()
    some, strange = (each.cpu().numpy()[:, :, inside].reshape(len(each), -1) for each in (sources, probes))
    same = float(sameness(some, strange.mean(0)))
    facts = {"same": same, "gone when hidden": asked.gone_without(sources, areas, column)}
    facts["of the frame, with what is the same beside it"] = float(place.whole.mean())
    if on_object is not None:
        facts["of the place on the object"] = on_object
    return Suspect(
        "place",
        name,
        len(place.photos),
        place.of,
        place.says,
        effect,
        "photos of other classes in which the class appears when this part of the frame is pasted into them",
        place.sure and same >= SAME and (on_object is None or on_object < ON_OBJECT),
        place.photos,
        facts,
        cells_of(place.region),
        cells_of(place.whole),
    )


def where(region: NDArray[np.bool_]) -> str:
    """A region's place in words."""
    rows, cells = np.argwhere(region).mean(0) / (GRID - 1)
    edges = [region[0], region[-1], region[:, 0], region[:, -1]]
    if sum(bool(edge.any()) for edge in edges) >= 3:
        return "around the edge"
    up = "upper" if rows < 0.4 else "lower" if rows > 0.6 else "middle"
    side = "left" if cells < 0.4 else "right" if cells > 0.6 else "middle"
    return f"{up} {side}" if up != side else "in the middle"
