from __future__ import annotations

import numpy as np

from explanans.data.datasets.coco.masks import Instance, paint


def test_smaller_objects_lie_on_top() -> None:
    """By hand, 4 x 6 pixels: a large, a small and a crowd over everything."""

    def box(left: int, top: int, right: int, bottom: int) -> list[np.ndarray]:
        return [np.array([left, top, right, top, right, bottom, left, bottom], float)]

    small, large = Instance(1, False, box(1, 1, 3, 3), b""), Instance(4, False, box(0, 0, 4, 4), b"")
    crowd = Instance(7, True, box(0, 0, 6, 4), b"")
    expected = [[5, 5, 5, 5, 255, 255], [5, 2, 2, 5, 255, 255], [5, 2, 2, 5, 255, 255], [5, 5, 5, 5, 255, 255]]
    for instances in ([small, large, crowd], [crowd, large, small], [large, crowd, small]):
        assert paint(instances, 4, 6).tolist() == expected
    equal = Instance(3, False, box(1, 1, 3, 3), b"")
    assert paint([small, equal], 4, 6)[1].tolist() == [0, 4, 4, 0, 0, 0]
    assert paint([], 4, 6).tolist() == [[0] * 6] * 4
    assert paint([Instance(3, False, [], b"")], 4, 6).max() == 0, "an annotation without an outline"
