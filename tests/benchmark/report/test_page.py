from __future__ import annotations

import re

from PIL import Image

from explanans.benchmark.report import page as html
from explanans.benchmark.report.curve_plots import curves

from .pages import Page, captions, drawings, tables


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
        html.details(evil, "", open_=True),
        html.group(evil, []),
    )
    page = Page(text)
    assert not page.root.all("script")
    read = [page.headings(1), [each.text for each in page.root.all("p", "pre", "strong", "span", "summary")]]
    assert read == [[], [" ".join(evil.split())] * 5]
    assert page.headings() == [evil]
    (table,) = tables(page.root)
    assert (table.header, table.rows) == ([evil], [[evil]])
    assert [image.attributes["alt"] for image in page.root.all("img")] == [evil]
    assert captions(page.root) == [evil]
    assert "$" not in text


def test_pictures_lie_inside_and_nothing_is_fetched() -> None:
    text = html.page("t", html.picture(Image.new("RGB", (40, 20), "red"), "red"), curves([], {}, "nothing"))
    (image,) = Page(text).root.all("img")
    assert image.attributes["src"].startswith("data:image/webp;base64,")
    assert (image.attributes["width"], image.attributes["height"]) == ("288", "144")
    fetched = re.findall(r"""(?:src|href)=["'](?!data:|#)([^"']+)""", text)
    assert fetched == []
    assert "url(http" not in text
    assert "@import" not in text


def test_a_table_marks_its_best_cells() -> None:
    (table,) = tables(Page(html.table(["method", "score"], [["a", "1"], ["b", "2"]], [(1, 1)])).root)
    assert table.rows == [["a", "1"], ["b", "2"]]
    assert table.best == {("b", "score")}


def test_curves_are_text_in_the_colour_of_the_page() -> None:
    rows = [{"epoch": 1.0, "val/loss": 2.0}, {"epoch": 2.0, "val/loss": 1.0, "late": 3.0}]
    drawn = curves(rows, {"val/loss": "validation", "late": "later", "never": "absent"}, "Loss")
    assert "currentColor" in drawn
    assert "#010203" not in drawn
    (texts,) = drawings(Page(drawn).root)
    assert {"validation", "later", "epoch"} <= set(texts)
    assert "absent" not in texts
    assert curves(rows, {"val/loss": "validation"}, "Loss") == curves(rows, {"val/loss": "validation"}, "Loss")
