"""From the outlines of an image's objects to one index map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools import mask as masks

from explanans.images.segmentations import BACKGROUND, VOIDS


class Instance(NamedTuple):
    """One annotation: category 0 … 79; polygons of x, y, x, y, … in pixels, or a compressed RLE."""

    category: int
    crowd: bool
    polygons: Sequence[np.ndarray]
    code: bytes


def encode(instance: Instance, height: int, width: int) -> dict[str, object] | None:
    """The mask as pycocotools' RLE; None where an annotation has no outline. Several polygons are united."""
    if instance.code:
        return {"size": [height, width], "counts": instance.code}
    if not instance.polygons:
        return None
    return masks.merge(masks.frPyObjects([polygon.tolist() for polygon in instance.polygons], height, width))


def paint(
    instances: Sequence[Instance], height: int, width: int, values: Sequence[int] = tuple(range(256))
) -> np.ndarray:
    """(H, W) uint8: 0 background, values[category + 1] (category + 1 by default), 255 void.

    Crowd regions are void and lie lowest. Above them the objects lie by the area of their whole masks, the largest
    lowest and the smallest on top: what is in front of something is most often smaller than what it hides. Of equal
    areas the later one lies on top.

    Raises:
        ValueError: an RLE that does not fit the size.
    """
    drawn = [(each, code) for each in instances if (code := encode(each, height, width)) is not None]
    # Columns together, as pycocotools has its masks: it is twice as fast to write along them.
    painted = np.full((height, width), BACKGROUND, dtype=np.uint8, order="F")
    if not drawn:
        return np.ascontiguousarray(painted)
    codes = [code for _, code in drawn]
    areas, boxes = masks.area(codes), masks.toBbox(codes).astype(int)
    for i in sorted(range(len(drawn)), key=lambda i: (not drawn[i][0].crowd, -int(areas[i]))):
        instance, code = drawn[i]
        left, top, across, down = boxes[i]
        # The box saves most of the pixels of most objects.
        box = np.s_[top : top + down, left : left + across]
        value = VOIDS["uint8"] if instance.crowd else values[instance.category + 1]
        np.copyto(painted[box], value, where=masks.decode(code)[box] > 0)
    return np.ascontiguousarray(painted)
