from __future__ import annotations

import numpy as np
import pytest

from explanans.data.scenes.textures import TEXTURES


@pytest.mark.parametrize("name", list(TEXTURES))
def test_textures_are_coverages_of_about_half_at_most(name: str) -> None:
    v, u = np.mgrid[0:200, 0:200].astype(np.float32)
    ink = TEXTURES[name](u, v, 8.0)
    assert ink.min() == 0
    assert ink.max() <= 1
    expected = {"plain": 0, "dotted": 2 * np.pi * 0.31**2 / np.sqrt(3)}.get(name, 0.5)
    assert ink.mean() == pytest.approx(expected, abs=0.02)
