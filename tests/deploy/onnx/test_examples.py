"""The examples as their users run them: without PyTorch, and in a browser."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.deploy.onnx import Exported, check_pictures
from explanans.deploy.onnx.check import open_session
from explanans.explainers.explainer import Explainer
from explanans.images.drawing import colour_of

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

Export = Callable[..., tuple[Explainer, Exported]]
EXAMPLES = Path(__file__).parents[3] / "examples"
RUNTIME = EXAMPLES / "onnx-browser" / "ort"
BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "explanans", "onnx"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    check_pictures(1)[0].save(path)
    return path


@pytest.mark.parametrize("preprocessing", ["inside", "outside"])
def test_python_without_pytorch(exported: Export, photo: Path, tmp_path: Path, preprocessing: str) -> None:
    explainer, done = exported(preprocessing=preprocessing)
    program = [sys.executable, "-c", BLOCKED, str(EXAMPLES / "onnx-python" / "explain.py"), str(done.path), str(photo)]
    ended = subprocess.run(
        [*program, "--out", str(tmp_path / "overlays"), "--threshold", "0"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = {line.split()[0]: [float(word) for word in line.split()[1::2]] for line in ended.stdout.splitlines()}
    expected = {each.name: each.probability for each in explainer.explain(photo, top_k=3, receipts=False)}
    assert found.keys() == expected.keys()
    for name, probability in expected.items():
        assert found[name][0] == pytest.approx(probability, abs=0.03)
        with Image.open(tmp_path / "overlays" / f"photo-{name}.png") as drawn, Image.open(photo) as picture:
            assert drawn.size == picture.size


def test_python_says_what_it_needs(exported: Export, photo: Path) -> None:
    _, masks = exported(what="masks")
    program = [sys.executable, str(EXAMPLES / "onnx-python" / "explain.py"), str(masks.path), str(photo)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--what both" in done.stderr


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.skipif(not RUNTIME.is_dir(), reason="needs examples/onnx-browser/ort; run fetch_runtime.sh")
def test_the_page_of_serve_in_a_browser_alone(exported: Export, photo: Path, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([EXAMPLES / "onnx-browser" / "make_page.sh", tmp_path / "page"], check=True, env=environment)
    explainer, done = exported(preprocessing="inside")
    model = shutil.copy(done.path, tmp_path / "page" / "explainer.onnx")
    with served(tmp_path / "page") as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.set_input_files("#files", photo)
        page.wait_for_selector("body[data-status=done] .class.ready")
        shown = page.locator(".class .name").all_inner_texts()
        said = page.evaluate(
            """async (content) => {
              const engine = await import("./engine.js");
              const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
              const photo = { blob: new Blob([bytes]) }, { classes } = await engine.about();
              const { probabilities, classes: found } = await engine.explain(photo, classes);
              const flat = ({ index, mask, receipt }) => [index, mask.width, [...mask.data], receipt];
              return [probabilities, found.map(flat)];
            }""",
            base64.b64encode(photo.read_bytes()).decode(),
        )
        browser.close()
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    probabilities, masks = open_session(model).run(None, {"pictures": np.asarray(Image.open(photo))[None]})
    assert shown == [explainer.classes[place] for place in np.argsort(-probabilities[0])]
    assert said[0] == pytest.approx(probabilities[0].tolist(), abs=1e-4)
    assert len(said[1]) == 3
    for index, width, data, receipt in said[1]:
        assert np.abs(np.reshape(data, (-1, width)) / 255 - masks[0, index]).max() <= 1 / 255
        inside = np.reshape(data, (-1, width)) >= 127.5
        assert receipt["area"] == pytest.approx(inside.mean())
        # Pictures are hidden before they are resized here, and after it in Python.
        expected = explainer.explain(photo, classes=[index])[index].receipt
        assert receipt["whole"] == pytest.approx(expected.whole, abs=1e-3)
        assert receipt["fills"]["mean"]["kept"] == pytest.approx(expected.fills["mean"].kept, abs=0.1)
        assert receipt["fills"]["mean"]["removed"] == pytest.approx(expected.fills["mean"].removed, abs=0.1)
        assert set(receipt["fills"]) == {"mean", "blur"}


def test_a_class_has_the_same_colour_in_every_engine(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    engine = (EXAMPLES / "onnx-browser" / "engine.js").read_text(encoding="utf-8")
    (tmp_path / "engine.mjs").write_text(
        f"{engine}\nfor (let i = 0; i < 300; i++) console.log(colourOf(i));\n", "utf-8"
    )
    done = subprocess.run([node, tmp_path / "engine.mjs"], capture_output=True, text=True, check=True)
    found = [[int(line[place : place + 2], 16) for place in (1, 3, 5)] for line in done.stdout.split()]
    assert np.abs(np.array(found) - np.array([colour_of(index) for index in range(300)])).max() <= 1


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *arguments: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
