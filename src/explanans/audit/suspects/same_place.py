"""Evidence that sits at the same place in many photos: a watermark, a frame, a ruler."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanans.audit.geometry import GRID
from explanans.audit.looked import grids
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.suspect import FEWEST, Suspect
from explanans.audit.suspects.whole_place import SAME, sameness, whole_place

SIGNIFICANCE = 0.01
"""Of a whole mean mask; each of its cells has its share of it (Bonferroni)."""
EXCESS = 0.05
"""By so much more often a cell is inside the masks of the class than inside those of the others, at least."""
COVERED = 0.5
"""A photo has it where its mask covers so much of the region."""

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
    asked: Interventions, column: int, rows: pa.Table, others: pa.Table, targets: list[int]
) -> list[Suspect]:
    """At most one for a class.

    Args:
        rows, others: samples of the class and of all other classes.
        targets: photos without the class.
    """
    if not len(rows) or not len(others) or not targets:
        return []
    own = grids(rows)
    region = fixed_region(own, grids(others))
    if not region.any():
        return []
    covered = own[:, region].mean(1)
    order = np.argsort(-covered, kind="stable")
    having = [int(place) for place in order if covered[place] >= COVERED]
    if len(having) < FEWEST:
        return []
    indices = [rows["index"][place].as_py() for place in having]
    probes, sources = asked.images(targets), asked.images(indices[:PROBES])
    area = asked.enlarged(region[None])
    areas = area.expand(len(sources), -1, -1)
    effect = asked.pasted(sources, areas, probes, column)
    whole = whole_place(region, sources, probes)
    inside = area[0].cpu().numpy()
    some, strange = (each.cpu().numpy()[:, :, inside].reshape(len(each), -1) for each in (sources, probes))
    same = float(sameness(some, strange.mean(0)))
    known, objects = asked.objects(indices[:PROBES], column) if asked.photos.located else ([], area[:0])
    on_object = float((objects & area).sum() / (len(known) * area.sum())) if known else None
    facts = {"same": same, "gone when hidden": asked.gone_without(sources, areas, column)}
    facts["of the frame, with what is the same beside it"] = float(whole.mean())
    if on_object is not None:
        facts["of the place on the object"] = on_object
    return [
        Suspect(
            "place",
            rows["class"][0].as_py(),
            len(having),
            len(rows),
            f"The evidence sits at the same place, {where(region)}, in {len(having)} of {len(rows)} photos.",
            effect,
            "photos of other classes in which the class appears when this part of the frame is pasted into them",
            same >= SAME and (on_object is None or on_object < 0.5),
            indices,
            facts,
            _places(region),
            _places(whole),
        )
    ]


def _places(region: NDArray[np.bool_]) -> list[tuple[int, int]]:
    return [(int(row), int(cell)) for row, cell in np.argwhere(region)]


def where(region: NDArray[np.bool_]) -> str:
    """A region's place in words."""
    rows, cells = np.argwhere(region).mean(0) / (GRID - 1)
    edges = [region[0], region[-1], region[:, 0], region[:, -1]]
    if sum(bool(edge.any()) for edge in edges) >= 3:
        return "around the edge"
    up = "upper" if rows < 0.4 else "lower" if rows > 0.6 else "middle"
    side = "left" if cells < 0.4 else "right" if cells > 0.6 else "middle"
    return f"{up} {side}" if up != side else "in the middle"
