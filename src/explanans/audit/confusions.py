"""Pairs of classes that are taken for one another: one is labelled, and another is seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

PAIRS = 5
"""Pairs that are looked at."""
FEWEST = 3
"""Photos from which on two classes are confused."""
EXAMPLES = 30
"""Photos of each pair that are kept."""
CONFUSED_BY = ["index", "class_index", "labelled", "seen", "probability"]
"""Columns that are looked at."""


@dataclass(frozen=True)
class Confusion:
    """A class that is seen in photos of another one.

    Attributes:
        label: what they are labelled as.
        seen: what is seen in them and not labelled.
        photos: how many; ``missed`` of them in which the label is not seen.
        of: photos with this label.
        examples: up to 30 of them (numbers in the data), the surest first.
    """

    label: str
    seen: str
    photos: int
    missed: int
    of: int
    examples: list[int]


def confusions(parts: Iterable[pa.Table], classes: Sequence[str], most: int = PAIRS) -> list[Confusion]:
    """The pairs that are confused in the most photos, and in at least three; none where labels are unknown.

    A photo with several labels counts for each of them. Kept are counts, and 30 photos of each pair.

    Args:
        parts: of an audit.
        most: pairs, at most.
    """
    labelled: Counter[int] = Counter()
    counts: Counter[tuple[int, int]] = Counter()
    missed: Counter[tuple[int, int]] = Counter()
    surest: defaultdict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for part in parts:
        known = part.filter(pc.is_valid(part["labelled"])).select(CONFUSED_BY)
        own: defaultdict[int, dict[int, bool]] = defaultdict(dict)
        for row in known.filter(known["labelled"]).to_pylist():
            own[row["index"]][row["class_index"]] = row["seen"]
            labelled[row["class_index"]] += 1
        for row in known.filter(pc.invert(known["labelled"])).to_pylist():
            for label, there in own[row["index"]].items():
                pair = (label, row["class_index"])
                counts[pair] += 1
                missed[pair] += not there
                surest[pair].append((-row["probability"], row["index"]))
        for pair, found in surest.items():
            surest[pair] = sorted(found)[:EXAMPLES]
    ranked = sorted(counts, key=lambda pair: (-counts[pair], pair))[:most]
    return [
        Confusion(
            classes[label],
            classes[seen],
            counts[label, seen],
            missed[label, seen],
            labelled[label],
            [index for _, index in surest[label, seen]],
        )
        for label, seen in ranked
        if counts[label, seen] >= FEWEST
    ]
