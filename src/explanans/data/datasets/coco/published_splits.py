"""Which images a split of COCO-2014 has: rules over image numbers, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

VALIDATION_SHARE = 10
SUBSET = 2000
SUBSET_SEED = 42


def is_validation(image_id: int) -> bool:
    """Whether an image of train2014 belongs to the validation part: about one in ten.

    It does if the first 8 bytes of the SHA-256 of its number in decimal digits, read as a big-endian integer, are
    divisible by 10. The rule looks at nothing else, so neither the file's order nor its other images matter.
    """
    return int.from_bytes(hashlib.sha256(str(image_id).encode()).digest()[:8], "big") % VALIDATION_SHARE == 0


def subset_order(image_ids: Iterable[int]) -> list[int]:
    """Images of val2014 ordered by the SHA-256 of ``"42:NUMBER"``; the first 2,000 with an annotation are test2000."""
    return sorted(image_ids, key=lambda number: hashlib.sha256(f"{SUBSET_SEED}:{number}".encode()).digest())
