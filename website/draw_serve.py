"""The picture of the page in docs/serve.md, taken in Chromium.

    python website/draw_serve.py                # needs the extras sample and serve, Playwright and Chromium

Three of the package's photos; of the first one, a sample with its credit, the two most probable classes are pinned.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from explanans.pipelines.package_photos import photos

OUT = Path(__file__).parents[1] / "docs" / "images" / "serve.webp"
FIRST, OTHERS = "bald eagle", ("schooner.jpg", "ladybugs.jpg")


def main() -> None:
    files = {photo.file.name: str(photo.file) for photo in photos()}
    words = [sys.executable, "-m", "explanans", "serve", "sample:efficientnet_lite0", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as started:
        assert server.stdout is not None
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+/", line)))
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 1090}, device_scale_factor=1.4)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.locator("#samples button", has_text=FIRST).click()
        page.wait_for_selector('body[data-status="done"]', timeout=60_000)
        for name in OTHERS:
            page.set_input_files("#files", files[name])
            page.wait_for_timeout(500)
            page.wait_for_selector('body[data-status="done"]', timeout=60_000)
        page.locator("#strip button").first.click()
        for row in page.locator("#classes .class").all()[:2]:
            row.click()
        page.mouse.move(1, 1)
        page.wait_for_timeout(1500)
        Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB").save(OUT, quality=82, method=6)
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
