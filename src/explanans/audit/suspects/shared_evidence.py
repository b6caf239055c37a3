"""Evidence that two classes share, and photos whose receipts do not hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from explanans.audit.intervals import difference
from explanans.audit.looked import grids
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.suspect import FEWEST, Suspect
from explanans.explanations.word import SHARED


def shared_suspects(
    asked: Interventions, rows: pa.Table, columns: dict[str, int], without: dict[str, list[int]]
) -> list[Suspect]:
    """One for each other class that masks of this one keep in three photos and more.

    The masks are pasted into photos without that other class: does *it* appear?

    Args:
        rows: the class's sample.
        columns: of the classes.
        without: photos in which each class is neither seen nor labelled.
    """
    others, kept = rows["other"].to_pylist(), rows["shared"].to_pylist()
    shares = [
        other if other and share is not None and share >= SHARED else None
        for other, share in zip(others, kept, strict=True)
    ]
    found = []
    for other, count in Counter(filter(None, shares)).most_common():
        targets = without[other]
        if count < FEWEST or not targets:
            continue
        cut = rows.take([n for n, name in enumerate(shares) if name == other])
        indices = cut["index"].to_pylist()
        sources, regions = asked.images(indices[:PROBES]), asked.enlarged(grids(cut.slice(0, PROBES)) >= 0.5)
        effect = asked.pasted(sources, regions, asked.images(targets), columns[other])
        name = rows["class"][0].as_py()
        found.append(
            Suspect(
                "shared",
                name,
                count,
                len(rows),
                f"Masks of {name} keep {other} as well, in {count} of {len(rows)} photos.",
                effect,
                f"photos without {other} in which it appears when these masks of {name} are pasted into them",
                False,
                indices,
            )
        )
    return found


def unheld_suspects(rows: pa.Table) -> list[Suspect]:
    """At most one for a class: its photos whose receipts do not hold. What was asked are the receipts themselves."""
    words = rows["word"].to_pylist()
    places = [n for n, word in enumerate(words) if word != "holds"]
    if len(places) < FEWEST:
        return []
    scores = rows["score"].to_numpy(zero_copy_only=False)
    order = sorted(places, key=lambda n: float(np.nan_to_num(scores[n], nan=-2.0)))
    indices = [rows["index"][n].as_py() for n in order]
    counts = Counter("shared" if word.startswith("shared") else word for word in words if word != "holds")
    kinds = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return [
        Suspect(
            "receipts",
            rows["class"][0].as_py(),
            len(places),
            len(words),
            f"Receipts do not hold in {len(places)} of {len(words)} photos: {kinds}.",
            difference(len(places), len(words), 0, len(words)),
            "masks whose receipt does not hold",
            False,
            indices,
        )
    ]
