from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.explanations.explain import explain

from .browsing import drop, until, wait_until_done


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
