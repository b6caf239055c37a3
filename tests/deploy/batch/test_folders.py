from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.deploy.batch import explain_many, folder_name
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Settings
from explanans.explanations.selection import Selection
from explanans.images.listing import list_files
from explanans.images.preprocessing import Preprocessing


class Colours(nn.Module):
    """Logits for red and blue: how much more of the colour there is than of green."""

    def forward(self, images: Tensor) -> Tensor:
        red, green, blue = images.mean((2, 3)).unbind(1)
        return torch.stack([red - green, blue - green], 1) * 10 - 2


@pytest.fixture
def explainer() -> Explainer:
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explanandum = Explanandum(Colours(), classes=["red", "blue"], activation="sigmoid", preprocessing=preprocessing)
    torch.manual_seed(0)
    return Explainer(explanandum, nn.Conv2d(3, 2, 1)).eval()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in (("a.png", "red"), ("b/a.png", "blue"), ("a.jpg", "red")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), colour).save(path)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path / "photos"


def index_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "index.json").read_text())


def test_one_bad_picture_stops_nothing(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    pictures = list_files([photos])
    results = explain_many(explainer, pictures, tmp_path / "out", Settings(batch_size=2))
    assert [Path(done.source).name for done in results] == ["a.jpg", "a.png", "a.png", "broken.jpg"]
    assert [done.failure is None for done in results] == [True, True, True, False]
    assert "not a picture" in str(results[3].failure)
    assert [[found["name"] for found in done.classes] for done in results[:3]] == [["red"], ["red"], ["blue"]]
    folders = {str(done.folder) for done in results[:3]}
    assert len(folders) == 3
    assert folders == {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    saved = json.loads((tmp_path / "out" / str(results[0].folder) / "explanation.json").read_text())
    assert saved["source"] == str(pictures[0])
    assert [entry["source"] for entry in index_of(tmp_path / "out")["images"]] == [done.source for done in results]


def test_a_second_run_skips_what_is_done_and_notices_a_changed_picture(
    explainer: Explainer, photos: Path, tmp_path: Path
) -> None:
    import os

    pictures, out = list_files([photos / "a.png", photos / "a.jpg"]), tmp_path / "out"
    explain_many(explainer, pictures, out)
    assert [done.skipped for done in explain_many(explainer, pictures, out)] == [True, True]
    Image.new("RGB", (20, 10), "blue").save(pictures[0])
    future = (out / folder_name(pictures[0]) / "explanation.json").stat().st_mtime + 10
    os.utime(pictures[0], (future, future))
    again = explain_many(explainer, pictures, out)
    assert [done.skipped for done in again] == [False, True]
    assert again[0].classes[0]["name"] == "blue"


def test_other_settings_are_refused(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    pictures, out = list_files([photos / "a.png"]), tmp_path / "out"
    explain_many(explainer, pictures, out)
    with pytest.raises(InputError, match=r"other settings: options\.threshold was 0\.5, is 0\.1"):
        explain_many(explainer, pictures, out, Settings(Selection(threshold=0.1)))
    with torch.no_grad():
        next(explainer.network.parameters()).add_(1)
    with pytest.raises(InputError, match="other settings"):
        explain_many(explainer, pictures, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="other things"):
        explain_many(explainer, pictures, tmp_path / "mine")


def test_finds_files_folders_and_patterns_once(photos: Path) -> None:
    found = list_files([photos / "a.png", str(photos / "*.png"), photos / "b", "nowhere.jpg"])
    assert [path.relative_to(photos).as_posix() if path.is_relative_to(photos) else str(path) for path in found] == [
        "a.png",
        "b/a.png",
        "nowhere.jpg",
    ]
    with pytest.raises(InputError, match="nothing matches"):
        list_files([str(photos / "*.tiff")])


def test_names_do_not_collide() -> None:
    assert folder_name(Path("x/cat 1.jpg")).startswith("cat_1-")
    assert len({folder_name(Path(name)) for name in ("x/cat.jpg", "y/cat.jpg", "x/cat.png")}) == 3
