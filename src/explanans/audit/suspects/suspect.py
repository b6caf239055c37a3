"""A suspicion about a class, with what was tested of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanans.audit.geometry import GRID
from explanans.audit.intervals import Effect

Kind = Literal["place", "thing", "look-alike", "context", "outside", "colours", "pattern", "shared", "receipts"]

ACCUSED = 0.05
"""A suspicion whose effect is larger than this, with its whole interval, is an accusation."""

ON_OBJECT = 0.5
"""Evidence is of the object where so much of it lies on it."""
FEWEST = 3
"""Photos without which nothing is suspected."""


@dataclass(frozen=True)
class Suspect:
    """Something that the classifier may use in the place of an object.

    Attributes:
        kind: what is suspected, see docs/audit.md.
        name: of the class.
        photos: of the sample, in which it is; ``of`` how many in which the class is seen.
        says: what it is, in a sentence.
        effect: what intervening does.
        tested: what the effect counts, in words.
        accusable: whether what else is known speaks against its being the object.
        examples: photos (numbers in the data), the clearest first.
        facts: other figures of it, by name.
        region: rows and columns of a grid of 16 × 16 cells, where it has a place.
        whole: likewise, with what goes on beside the region and is the same in these photos, see
            :func:`explanans.audit.suspects.whole_place.whole_place`.
        places: cells of each of the examples, where it has another place in each.
    """

    kind: Kind
    name: str
    photos: int
    of: int
    says: str
    effect: Effect
    tested: str
    accusable: bool
    examples: list[int]
    facts: dict[str, float] = field(default_factory=dict)
    region: list[tuple[int, int]] = field(default_factory=list)
    whole: list[tuple[int, int]] = field(default_factory=list)
    places: list[list[tuple[int, int]]] = field(default_factory=list)

    @property
    def accused(self) -> bool:
        """Whether the report accuses: the whole interval of the effect lies above :data:`ACCUSED`."""
        return self.accusable and self.effect.low > ACCUSED

    @property
    def verdict(self) -> Literal["accused", "suspected", "not confirmed"]:
        """Not confirmed is what may well have no effect: the interval goes down to 0."""
        if self.accused:
            return "accused"
        return "suspected" if self.effect.low > 0 else "not confirmed"

    def cells(self, number: int) -> list[tuple[int, int]]:
        """Where it lies in an example, if it has a place that is not its mask's."""
        return self.places[number] if self.places else self.whole

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "accused": self.accused, "verdict": self.verdict}


def cells_of(region: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Rows and columns of the cells (16, 16) that are true."""
    return [(int(row), int(cell)) for row, cell in np.argwhere(region)]


def grid_of(cells: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """The region (16, 16) that has these cells, as :func:`cells_of` gives them."""
    found = np.zeros((GRID, GRID), np.bool_)
    for cell in cells:
        found[cell] = True
    return found


def ranked(suspects: list[Suspect]) -> list[Suspect]:
    """Accusations first and what is not confirmed last, then by how much of its class each accounts for.

    That is the lower end of the effect's interval times the share of the class's photos that it is about: what does
    much in three photos of seventy stands behind what does a little less in half of them.
    """

    def key(each: Suspect) -> tuple[bool, bool, bool, float, int]:
        low = each.effect.low
        accounts_for = low * each.photos / each.of if low > 0 else low
        return not each.accused, low <= 0, not each.accusable, -accounts_for, -each.photos

    return sorted(suspects, key=key)
