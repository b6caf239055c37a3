"""One seed for each thing that is drawn, so that neither order nor batches nor resumption change a draw."""

from __future__ import annotations

import hashlib


def seed_of(*parts: int | str) -> int:
    """A seed in [0, 2⁶³) that depends on the parts alone, in every process alike."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
