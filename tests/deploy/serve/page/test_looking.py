"""What is seen of a photo and its masks."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.explanations.explain import explain

from .browsing import drop, pixel, until, wait_until_done


def test_masks_are_those_of_python(open_page: Any, masker: Any, make_photo: Any, encode: Any) -> None:
    content = encode(make_photo())
    page = open_page()
    found = page.evaluate(
        """async (content) => {
          const engine = await import("./engine.js");
          const blob = new Blob([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))]);
          const said = await engine.explain({ blob }, ["red", "green", "blue", "bright, pale"]);
          return said.classes.map(({ name, mask }) => [name, mask.width, mask.height, [...mask.data]]);
        }""",
        base64.b64encode(content).decode(),
    )
    expected = explain(masker, content, classes=[name for name, *_ in found])
    assert len(found) == 4
    for name, width, height, data in found:
        mask = np.array(data).reshape(height, width) / 255
        assert np.abs(mask - expected[name].input_mask).max() <= 1 / 255


def test_a_photo_is_dropped_and_looked_at(open_page: Any, masker: Any, make_photo: Any, encode: Any) -> None:
    content = encode(make_photo())
    page = open_page()
    drop(page, ("../<b>photo</b>.png", content))
    wait_until_done(page)
    expected = explain(masker, content)
    rows = page.locator(".class")
    assert rows.count() == 5
    assert rows.first.locator(".name").inner_text() == expected.classes[0]
    assert f"{next(iter(expected)).receipt.kept:.2f}" in page.locator(".receipt").first.inner_text()
    # A name is text, wherever it stands.
    assert page.locator("b:text-is('photo')").count() == 0
    assert "<b>photo</b>" in page.locator("#stage").get_attribute("aria-label")
    assert "<script>alert(1)</script>" in page.locator("#classes").inner_text()


def test_the_cut_moves_area_and_receipt(open_page: Any, masker: Any, make_photo: Any, encode: Any) -> None:
    content = encode(make_photo())
    page = open_page()
    drop(page, ("photo.png", content))
    wait_until_done(page)
    name = page.locator(".class.shown .name").inner_text()
    mask = np.rint(255 * explain(masker, content, classes=name)[name].input_mask)
    areas = page.evaluate(
        """async () => {
          const { areaOf, cutOf, levelAt } = await import("./contour.js");
          const said = document.getElementById("cut-said"), slider = document.getElementById("cut"), found = [];
          for (let place = 0; place <= 100; place += 4) {
            slider.value = place;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            found.push([cutOf(levelAt(place)), Number(/area (\\d+)/.exec(said.textContent)[1])]);
          }
          return found;
        }"""
    )
    assert areas[12][0] < 0.5 <= areas[13][0]
    for cut, area in areas:
        assert area == pytest.approx(100 * (mask >= 255 * cut).mean(), abs=0.51)
    shares = [area for _, area in areas]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    # When it rests, the receipt is asked anew.
    page.locator("#cut").fill("54")
    page.wait_for_selector(".receipt:not([aria-busy])")
    until(page, "document.querySelector('.receipt p').textContent.startsWith('The classifier says')")
    cut = page.evaluate("import('./contour.js').then(({ cutOf, levelAt }) => cutOf(levelAt(54)))")
    receipt = explain(masker, content, classes=name, mask_threshold=cut)[name].receipt
    assert page.locator(".receipt p").inner_text().replace("\u00a0", " ").replace(" %", "%") == str(receipt)


def test_outlines_enclose_what_is_inside(open_page: Any) -> None:
    """Areas by the shoelace formula, signed: outer outlines and holes turn in opposite ways."""
    page = open_page()
    square, ring, corners = np.zeros((8, 8)), np.zeros((9, 9)), np.zeros((4, 4))
    square[2:5, 3:7] = 255
    ring[1:8, 1:8] = 255
    ring[3:6, 3:6] = 0
    corners[0, 0] = corners[1, 1] = corners[3, 3] = 255
    script = """async (values) => {
      const { outlines } = await import("./contour.js");
      const mask = { width: values[0].length, height: values.length, data: Uint8Array.from(values.flat()) };
      return outlines(mask, 128);
    }"""

    def signed(polygon: list[float]) -> float:
        x, y = np.array(polygon).reshape(-1, 2).T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2

    (only,) = page.evaluate(script, square.tolist())
    # Corners are cut at 45 degrees through the middle between two centres: an eighth of a pixel each.
    assert abs(signed(only)) == pytest.approx(12 - 4 / 8, abs=0.02)
    assert np.array(only).reshape(-1, 2).min(0) == pytest.approx([3, 2], abs=0.01)
    outer, inner = sorted(map(signed, page.evaluate(script, ring.tolist())), key=abs, reverse=True)
    assert abs(outer) == pytest.approx(49 - 0.5, abs=0.05)
    assert abs(inner) == pytest.approx(9 - 0.5, abs=0.1)
    assert outer * inner < 0
    # Whatever is inside at the edge is closed there, and nothing leaves the picture.
    polygons = page.evaluate(script, corners.tolist())
    points = np.concatenate([np.array(each).reshape(-1, 2) for each in polygons])
    assert points.min() == 0
    assert points.max() == 4
    assert page.evaluate(script, np.zeros((3, 3)).tolist()) == []


def test_what_it_keeps_and_what_it_removes(open_page: Any, encode: Any) -> None:
    halves = Image.new("RGB", (240, 240), (220, 30, 30))
    halves.paste((20, 30, 30), (120, 0, 240, 240))
    page = open_page()
    drop(page, ("halves.png", encode(halves)))
    wait_until_done(page)
    # As long as people press, while the page is drawn anew.
    page.locator(".class", has_text="red").click(delay=150)
    page.wait_for_selector(".class.shown.ready[aria-selected=true]")
    page.get_by_text("What it keeps").click()
    assert (pixel(page, 0.2, 0.5), pixel(page, 0.8, 0.5)) == ([220, 30, 30], [128, 128, 128])
    page.get_by_text("What it removes").click()
    assert (pixel(page, 0.2, 0.5), pixel(page, 0.8, 0.5)) == ([128, 128, 128], [20, 30, 30])
    page.get_by_text("Photo", exact=True).last.click()
    assert (pixel(page, 0.2, 0.5), pixel(page, 0.8, 0.5)) == ([220, 30, 30], [20, 30, 30])


def test_a_bad_file_is_said_and_the_others_go_on(open_page: Any, encode: Any, make_photo: Any) -> None:
    page = open_page()
    drop(
        page,
        ("bad.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("good.tif", encode(make_photo(1, 60, 40), "TIFF")),
    )
    until(page, "document.querySelectorAll('.thumb.done').length === 1")
    page.wait_for_selector("#status.wrong")
    assert "Save it as JPEG" in page.locator("#status").inner_text()
    page.locator(".thumb.done").click(delay=150)
    wait_until_done(page)
    # A browser cannot read TIFF; the server sends what it read.
    assert pixel(page, 0.5, 0.5) != [0, 0, 0]
