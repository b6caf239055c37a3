"""The examples as their users run them: without PyTorch, and in a browser."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.deploy.onnx import Exported, check_pictures
from explanans.deploy.onnx.check import open_session
from explanans.explainers.explainer import Explainer

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
def test_a_browser_gives_the_same_numbers(exported: Export, photo: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "onnx-browser", tmp_path / "page")
    shutil.copy(photo, tmp_path / "page" / "photo.png")
    explainer, done = exported(preprocessing="inside")
    model = shutil.copy(done.path, tmp_path / "page" / "explainer.onnx")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "page"))
    handler.log_message = lambda *arguments: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/index.html?photo=photo.png"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
        page = subprocess.run(["chromium", *options, address], capture_output=True, text=True, timeout=200, check=True)
        server.shutdown()
    found = re.findall(r'data-name="(\w+)" data-probability="([\d.e-]+)" data-mask="([\d.e-]+)"', page.stdout)
    probabilities, masks = open_session(model).run(None, {"pictures": np.asarray(Image.open(photo))[None]})
    assert len(found) == 3, page.stdout[-2000:]
    for name, probability, mask in found:
        place = explainer.classes.index(name)
        assert float(probability) == pytest.approx(probabilities[0, place], abs=1e-4)
        assert float(mask) == pytest.approx(masks[0, place].mean(), abs=1e-4)
