"""Nobody is left out: the keyboard alone, screen readers, dark screens, small ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .browsing import drop, until, wait_until_done


def test_the_keyboard_alone_reaches_everything(open_page: Any, make_photo: Any, encode: Any) -> None:
    page = open_page()
    # From the first key on: the sample, by tab and return.
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#samples button') !== null"):
            break
    page.keyboard.press("Enter")
    wait_until_done(page)
    page.wait_for_selector(".class:focus")
    assert "Ann" in page.locator("#credit").inner_text()
    focused = "document.activeElement.querySelector('.name')?.textContent"
    first = page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    second = page.evaluate(focused)
    assert second != first
    # What is walked to is asked for and shown; space pins, and so does return.
    page.wait_for_selector(".class.shown.ready:focus")
    page.keyboard.press("Space")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.class[aria-selected=true]').length === 2")
    until(page, "document.querySelectorAll('.receipt').length === 2")
    page.keyboard.press("Home")
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('.class[aria-selected=true]').length === 0")
    # Every control is a stop of the tab key, seen where it is.
    reached, plain = set(), []
    for _ in range(40):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(
            """() => {
              const here = document.activeElement, shown = here.closest("label") ?? here;
              const name = here.id || here.dataset.what || here.dataset.id || here.name || here.tagName;
              return [name, getComputedStyle(shown).outlineStyle !== "none"];
            }"""
        )
        reached.add(name)
        if not seen and name != "BODY":
            plain.append(name)
    assert {"0", "add", "view", "cut", "opacity", "why", "cutout", "mask", "json", "zip", "SUMMARY"} <= reached
    assert plain == []
    # Why not …?
    page.locator("#why").focus()
    page.keyboard.type("scri")
    assert page.locator("#why").get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    page.wait_for_selector(".class[aria-selected=true] .name:text-is('<script>alert(1)</script>')")
    page.locator("#cut").focus()
    before = page.locator("#cut-said").inner_text()
    page.keyboard.press("ArrowRight")
    until(page, f"document.getElementById('cut-said').textContent !== {json.dumps(before)}")
    page.locator("input[value=mask]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=keeps]").is_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)])
def test_nobody_is_left_out(open_page: Any, encode: Any, make_photo: Any, scheme: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_page(color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    drop(page, ("one.png", encode(make_photo())), ("two.png", encode(make_photo(1))))
    until(page, "document.querySelectorAll('.thumb.done').length === 2")
    page.locator(".class").nth(1).click()
    page.locator("summary").click()
    page.locator("#why").fill("b")
    until(page, "document.querySelectorAll('.receipt').length >= 1")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    # Nothing is wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 128) == (scheme == "dark")
