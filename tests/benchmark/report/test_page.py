from __future__ import annotations

import re

from PIL import Image

from explanans.benchmark.report import page as html
from explanans.benchmark.report.curves import curves


def test_everything_that_is_not_markup_is_escaped() -> None:
    evil = '<script>alert("x")</script> & co'
    text = html.page(
        evil,
        html.heading(evil),
        html.paragraph(evil, "lead"),
        html.code([evil]),
        html.tiles([(evil, evil)]),
        html.table([evil], [[evil]]),
        html.picture(Image.new("RGB", (4, 2)), evil),
        html.figure("", evil),
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 10
    assert "$" not in text


def test_pictures_lie_inside_and_nothing_is_fetched() -> None:
    text = html.page("t", html.picture(Image.new("RGB", (40, 20), "red"), "red"), curves([], {}, "none"))
    assert 'src="data:image/webp;base64,' in text
    assert 'width="288" height="144"' in text
    fetched = re.findall(r"""(?:src|href)=["'](?!data:|#)([^"']+)""", text)
    assert fetched == []
    assert "url(http" not in text
    assert "@import" not in text


def test_a_table_marks_its_best_cells() -> None:
    text = html.table(["method", "score"], [["a", "1"], ["b", "2"]], [(1, 1)])
    assert '<td class="best">2</td>' in text
    assert text.count("best") == 1


def test_curves_are_text_in_the_colour_of_the_page() -> None:
    rows = [{"epoch": 1.0, "val/loss": 2.0}, {"epoch": 2.0, "val/loss": 1.0, "late": 3.0}]
    drawn = curves(rows, {"val/loss": "validation", "late": "later", "never": "absent"}, "Loss")
    assert drawn.startswith("<svg")
    assert "currentColor" in drawn
    assert "#010203" not in drawn
    assert "validation</text>" in drawn
    assert "absent" not in drawn
    assert curves(rows, {"val/loss": "validation"}, "Loss") == curves(rows, {"val/loss": "validation"}, "Loss")
