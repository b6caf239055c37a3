"""The page as a person meets it, in a headless Chromium."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from explanans.deploy.serve import Repeat, Sample, make_app, open_socket
from explanans.explanations.explain import explain

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

REPEAT = Repeat("channels", "explanans explain CHANNELS", "import explanans\n\nwho = WHO")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Quiet(uvicorn.Server):
    """In a thread of a test, which gets no signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
def address(masker: Any, make_photo: Any, encode: Any) -> Iterator[str]:
    sample = Sample(
        "bird.jpg",
        encode(make_photo(5, 64, 48), "JPEG"),
        "bird",
        "Ann",
        "https://a.example",
        "https://b.example",
        "CC BY 2.0",
    )
    opened = open_socket("127.0.0.1", 0)
    server = Quiet(uvicorn.Config(make_app(masker, samples=[sample], repeat=REPEAT, threads=1), log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    yield f"http://127.0.0.1:{opened.getsockname()[1]}/"
    server.should_exit = True
    masker.gate.set()
    thread.join()
    opened.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """``open_page(color_scheme="dark", …)``: the page in a context of its own; what it asks of others, or complains of
    in its console, is a failure."""
    contexts, wrong = [], []

    def opened(**options: Any) -> Any:
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: wrong.append(request.url) if not _is_ours(request.url, address) else None)
        page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))


def _is_wrong(message: Any) -> bool:
    # A browser complains of every answer that is a refusal.
    return message.type == "error" and "status of 415" not in message.text


def drop(page: Any, *files: tuple[str, bytes]) -> None:
    """Files dropped onto the page, as a browser tells of it."""
    given = [(name, base64.b64encode(content).decode()) for name, content in files]
    page.evaluate(
        """(given) => {
          const transfer = new DataTransfer();
          for (const [name, content] of given) {
            const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
            transfer.items.add(new File([bytes], name));
          }
          const drop = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
          document.querySelector("main").dispatchEvent(drop);
        }""",
        given,
    )


def until(page: Any, expression: str) -> None:
    """Playwright's own way to wait for an expression is forbidden by the page's policy, as it should be."""
    for _ in range(2000):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(10)
    pytest.fail(f"never: {expression}")


def wait_until_done(page: Any) -> None:
    page.wait_for_selector("body[data-status=done] .class")


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


def pixel(page: Any, x: float, y: float) -> list[int]:
    """Of the canvas, at a place in [0, 1]."""
    return page.evaluate(
        """async ([x, y]) => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const canvas = document.getElementById("stage");
          return [...canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )


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


def test_what_is_taken_home(open_page: Any, masker: Any, encode: Any, make_photo: Any, tmp_path: Path) -> None:
    content = encode(make_photo(3, 50, 36))
    page = open_page()
    drop(page, ("a/b c.png", content), ("second.png", encode(make_photo(4))))
    wait_until_done(page)
    until(page, "document.querySelectorAll('.thumb.done').length === 2")
    first = page.locator(".class.shown .name").inner_text()
    files = {}
    for what in ("cutout", "mask", "json", "zip"):
        with page.expect_download() as begun:
            # A click of Playwright's waits for a page that a download does not bring.
            page.locator(f"[data-what={what}]").dispatch_event("click")
        begun.value.save_as(tmp_path / what)
        files[what] = begun.value.suggested_filename
    expected = explain(masker, content, classes=first)[first]
    mask = Image.open(tmp_path / "mask").convert("L")
    assert mask.size == (50, 36)
    assert np.abs(np.asarray(mask) / 255 - expected.mask).mean() < 0.02
    alpha = np.asarray(Image.open(tmp_path / "cutout").convert("RGBA"))[..., 3]
    assert ((alpha > 127) == (expected.mask >= 0.5)).mean() > 0.97
    said = json.loads((tmp_path / "json").read_text())
    assert (said["width"], said["height"], said["cut"]) == (50, 36, 0.5)
    assert said["classes"][0]["receipt"]["kept"] == pytest.approx(expected.receipt.kept, abs=1e-4)
    assert files["zip"] == "explanations.zip"
    with zipfile.ZipFile(tmp_path / "zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"01-b_c", "02-second"} or {
            name.split("/")[0] for name in names
        } == {"01-a_b_c", "02-second"}
        inner = next(name for name in names if name.startswith("01-") and name.endswith(".mask.png"))
        assert Image.open(io.BytesIO(archive.read(inner))).size == (50, 36)


def test_the_lines_give_the_same(
    open_page: Any, masker: Any, encode: Any, make_photo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode(make_photo())
    (tmp_path / "it's.png").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    page = open_page()
    drop(page, ("it's.png", content))
    wait_until_done(page)
    page.locator(".class", has_text="bright, pale").click()
    page.locator("#cut").fill("53")
    page.wait_for_selector(".receipt:not([aria-busy])")
    page.locator("summary").click()
    lines = page.locator("#python").inner_text()
    held: dict[str, Any] = {"WHO": masker}
    exec(lines, held)
    assert [found.name for found in held["explanation"]] == ["bright, pale"]
    # The page asks a moment after the cut was moved, which on a busy machine may be after the first look at it.
    page.wait_for_function("() => !document.querySelector('.receipt p').innerText.startsWith('Asking')")
    said = page.locator(".receipt p").inner_text().replace(" %", "%")
    assert said == str(held["explanation"]["bright, pale"].receipt)
    shell = page.locator("#shell").inner_text().split("\n")
    assert shell[0] == "printf '%s\\n' 'bright, pale' > classes.txt"
    assert re.fullmatch(
        r"""explanans explain CHANNELS 'it'"'"'s.png' --classes classes.txt --mask_threshold 0\.\d+""", shell[1]
    )


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
