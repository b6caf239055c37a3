"""A way to see a class whose cut-outs all look the same, or lie outside of the object: a thing beside the object."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from explanans.audit.looked import grids, vectors
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.suspect import FEWEST, ON_OBJECT, Suspect
from explanans.audit.ways import Way, alike

ALIKE = 0.35
"""Common part of two cut-outs' colours from which a way's look the same."""
MORE = 1.5
"""By so much more alike than cut-outs of all classes are."""
ACCUSED_ALIKE = 0.5
"""An object does not look the same so much, unless all of a kind do; from here on a way can be accused."""


def lookalike_suspects(
    asked: Interventions, column: int, rows: pa.Table, ways: list[Way], usual: float, targets: list[int]
) -> list[Suspect]:
    """One for each way that is alike beyond what is usual, or off the object where that is known.

    Args:
        rows: the class's sample.
        usual: how alike cut-outs of all classes are.
        targets: photos without the class.
    """
    found = []
    for way in ways:
        off = way.on_object is not None and way.on_object < ON_OBJECT
        same = way.on_object is None and way.alike >= max(ALIKE, MORE * usual)
        if way.photos < FEWEST or not targets or not (off or same):
            continue
        members = set(way.members)
        places = [n for n, index in enumerate(rows["index"].to_pylist()) if index in members]
        order = {index: n for n, index in enumerate(way.typical)}
        places.sort(key=lambda n: order.get(rows["index"][n].as_py(), len(order)))
        cut = rows.take(places)
        indices = cut["index"].to_pylist()
        regions = asked.enlarged(grids(cut.slice(0, PROBES)) >= 0.5)
        sources = asked.images(indices[:PROBES])
        effect = asked.pasted(sources, regions, asked.images(targets), column)
        why = "lie off the object" if off else "all look the same"
        facts = {"alike": way.alike, "alike, all classes": usual}
        if way.on_object is not None:
            facts["on the object"] = way.on_object
        found.append(
            Suspect(
                "look-alike",
                way.name,
                way.photos,
                len(rows),
                f"Way {way.number + 1} of seeing the class: its cut-outs {why}, in {way.photos} of {len(rows)} photos.",
                effect,
                "photos of other classes in which the class appears when these cut-outs are pasted into them",
                # Cut-outs that are partly of the object say nothing against the rest of them.
                same and way.alike >= ACCUSED_ALIKE,
                indices,
                facts,
            )
        )
    return found


def usual_likeness(samples: list[pa.Table]) -> float:
    """How alike cut-outs of all classes are: of up to 100 rows, evenly from all samples."""
    each = [sample for sample in samples if len(sample)]
    some = [sample.take(np.linspace(0, len(sample) - 1, max(1, 100 // len(each))).astype(int)) for sample in each]
    return alike(np.concatenate([vectors(part, "colours") for part in some])) if some else 0.0
