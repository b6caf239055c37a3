from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and weights that may lie beside the checkout."""
    if not (SHARED / "data" / "VOCdevkit").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED}, which is absent")
    return SHARED
