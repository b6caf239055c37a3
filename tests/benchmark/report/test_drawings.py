from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from explanans.benchmark.report.heatmaps import diagonal_and_rest, heat_map
from explanans.benchmark.report.labels import place_labels
from explanans.benchmark.report.lines import coloured, lines
from explanans.benchmark.report.photos import heat
from explanans.benchmark.report.scatter import scatter

from .pages import Page, drawings, tables


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1e-6 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_twenty_labels_do_not_overlap_however_crowded(seed: int) -> None:
    generator = np.random.default_rng(seed)
    points = [(x, y) for x, y in generator.uniform(60, 340, (12, 2)).tolist()]
    points += [(200 + x, 150 + y) for x, y in generator.normal(0, 6, (8, 2)).tolist()]
    sizes = [(width, 11.0) for width in generator.uniform(30, 90, 20).tolist()]
    corners = place_labels(points, sizes, (0, 0, 400, 400))
    boxes = [(x, y, x + width, y + height) for (x, y), (width, height) in zip(corners, sizes, strict=True)]
    assert not any(overlap(boxes[i], boxes[j]) for i in range(20) for j in range(i))
    assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= 400 and box[3] <= 400 for box in boxes)
    assert not any(overlap(box, (x - 2, y - 2, x + 2, y + 2)) for box in boxes for x, y in points)


def test_a_lone_label_stands_to_the_right_of_its_point() -> None:
    assert place_labels([(50, 50)], [(20, 10)], (0, 0, 100, 100), gap=5) == [(55, 45)]
    assert place_labels([], [], (0, 0, 1, 1)) == []


def test_seven_methods_in_colour_the_reference_first() -> None:
    methods = [f"m{k}" for k in range(20)]
    assert coloured(methods, "m9") == ["m9", "m0", "m1", "m2", "m3", "m4", "m5"]
    assert coloured(methods[:2], None) == ["m0", "m1"]
    names = {method: method.upper() for method in methods}
    series = {method: np.linspace(0, 1, 5) for method in methods}
    drawn = lines(series, [0, 1, 2, 3, 4], names, ["m9", "m0"], title="t", across="x", up="y")
    (texts,) = drawings(Page(drawn).root)
    assert {"18 others", "M9", "M0"} <= set(texts)
    assert "M1" not in texts


def test_a_scatter_names_every_point() -> None:
    points = {"a": (1.0, 0.5, 0.4, 0.6), "b": (2000.0, 0.7, 0.6, 0.8)}
    drawn = scatter(points, {"a": "A & $5", "b": "B"}, ["a"], title="t", across="ms", up="IoU")
    (texts,) = drawings(Page(drawn).root)
    assert {"A & $5", "B"} <= set(texts)
    assert drawn == scatter(points, {"a": "A & $5", "b": "B"}, ["a"], title="t", across="ms", up="IoU")


def test_specificity_by_hand() -> None:
    matrix = np.array([[0.9, 0.1, 0.2], [np.nan, np.nan, np.nan], [0.3, 0.4, 0.7]])
    own, others = diagonal_and_rest(matrix)
    assert own == pytest.approx(0.8)
    assert others == pytest.approx(0.25)
    assert np.isnan(diagonal_and_rest(np.full((2, 2), np.nan))).all()
    page = Page(heat_map(matrix, ["a", "b", "c"], 0.9, "t"))
    (table,) = tables(page.root)
    assert table.header == ["", "a", "b", "c"]
    # Images of a, through the masks for a, b and c.
    assert table.rows == [["a", "90", "10", "20"], ["b", "–", "–", "–"], ["c", "30", "40", "70"]]
    # The highest is the brightest, with black letters.
    assert page.root.all("td")[1].attributes["style"] == "background:#fde724;color:#000"


def test_heat_is_the_same_for_all_methods() -> None:
    grey = Image.new("RGB", (2, 1), (100, 100, 100))
    shown = np.asarray(heat(grey, np.array([[0.0, 1.0]], np.float32)))
    # Viridis runs from (68, 1, 84) to (253, 231, 37); 0.62 of it over 0.38 of the photo.
    assert shown[0, 0].tolist() == [80, 39, 90]
    assert shown[0, 1].tolist() == [195, 181, 61]
