"""The regions of the photos that were explained, and masks of many shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from explanans.explanations.region_files import KIND, mask_of
from explanans.utils.records import read_json

from .conftest import HEIGHT, WIDTH


def regions_of(explained: Path) -> list[dict[str, Any]]:
    """The feature collections, in the order of the photos."""
    index = json.loads((explained / "out" / "index.json").read_text())
    return [read_json(explained / "out" / each["folder"] / "regions.json", KIND) for each in index["images"]]


def masks_of(collection: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    return [(each["properties"]["class"], mask_of(each, HEIGHT, WIDTH)) for each in collection["features"]]


def random_masks() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    masks = [random.random((random.integers(1, 20), random.integers(1, 20))) > 0.6 for _ in range(20)]
    large = np.zeros((300, 400), bool)
    large[100:290, 20:390] = True
    return [*masks, large, np.ones((200, 300), bool), np.zeros((5, 5), bool)]
