from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.ops import snapping as module
from explanans.ops.refinement import adapt_to_pixels
from explanans.ops.snapping import snapped_to_edges
from explanans.utils.disk_array import DiskArray


def test_snapping_in_blocks_is_snapping_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (150, 210, 3), np.uint8)
    mask = random.random((150, 210)).astype(np.float32)
    monkeypatch.setattr(module, "BLOCK", 50)
    monkeypatch.setattr(module, "STEPS", 3)
    found = snapped_to_edges(mask, Image.fromarray(pixels))
    colours = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    whole = adapt_to_pixels(torch.from_numpy(mask)[None], colours, 3)[0].numpy()
    assert isinstance(found, np.ndarray)
    assert found == pytest.approx(whole, abs=1e-5)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    on_disk = snapped_to_edges(mask, Image.fromarray(pixels))
    assert isinstance(on_disk, DiskArray)
    assert (on_disk[:] == found).all()


def test_a_border_moves_to_the_edge() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 200
    # A border that is blurred and four pixels off.
    mask = np.tile((1 / (1 + np.exp(-(np.arange(60) - 33.5) / 2))).astype(np.float32), (40, 1))
    found = snapped_to_edges(mask, Image.fromarray(pixels))
    assert isinstance(found, np.ndarray)
    assert abs(int((found >= 0.5).sum(1).mean()) - 30) < abs(int((mask >= 0.5).sum(1).mean()) - 30)
    empty = np.zeros((40, 60), np.float32)
    assert (snapped_to_edges(empty, Image.fromarray(pixels))[:] == empty).all()
