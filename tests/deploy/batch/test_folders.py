from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.main import main
from explanans.deploy.batch import explain_many, folder_name
from explanans.deploy.batch.changes import Changes
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Settings
from explanans.explanations.explanation import Explanation
from explanans.explanations.selection import Selection
from explanans.images.listing import list_files
from explanans.images.preprocessing import Preprocessing
from explanans.utils.temporaries import temporary_file, temporary_folder


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


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


def test_a_second_run_skips_what_is_done(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    pictures, out = list_files([photos / "a.png", photos / "a.jpg"]), tmp_path / "out"
    told: list[Changes] = []
    explain_many(explainer, pictures, out, told=told.append)
    before = contents(out)
    assert [done.skipped for done in explain_many(explainer, pictures, out, told=told.append)] == [True, True]
    assert contents(out) == before
    assert told == []


def test_a_photo_that_another_took_the_place_of_is_explained_again(
    explainer: Explainer, photos: Path, tmp_path: Path
) -> None:
    pictures, out = list_files([photos / "a.png", photos / "a.jpg"]), tmp_path / "out"
    explain_many(explainer, pictures, out)
    Image.new("RGB", (20, 10), "blue").save(pictures[0])
    # Older than what was made of the one before.
    os.utime(pictures[0], (1_000_000_000, 1_000_000_000))
    told: list[Changes] = []
    again = explain_many(explainer, pictures, out, told=told.append)
    assert told == [Changes(changed=(str(pictures[0]),))]
    assert [done.skipped for done in again] == [False, True]
    assert again[0].classes[0]["name"] == "blue"
    assert [done.skipped for done in explain_many(explainer, pictures, out)] == [True, True]


def test_photos_that_were_added_and_that_are_gone_are_told(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    explain_many(explainer, list_files([photos / "a.png", photos / "a.jpg"]), out)
    told: list[Changes] = []
    results = explain_many(explainer, list_files([photos / "b/a.png", photos / "a.jpg"]), out, told=told.append)
    assert told == [Changes(added=(str(photos / "b/a.png"),), gone=(str(photos / "a.png"),))]
    assert [done.skipped for done in results] == [False, True]
    assert (out / folder_name(photos / "a.png") / "explanation.json").is_file()
    assert [Path(entry["source"]).name for entry in index_of(out)["images"]] == ["a.png", "a.jpg"]


@pytest.mark.parametrize("lost", ["mask", "overlay", "figure", "explanation.json", "damaged", "all"])
def test_a_folder_that_lost_a_file_is_not_done(explainer: Explainer, photos: Path, tmp_path: Path, lost: str) -> None:
    pictures, out = list_files([photos / "a.png", photos / "a.jpg"]), tmp_path / "out"
    explain_many(explainer, pictures, out)
    before = contents(out)
    folder = out / folder_name(pictures[0])
    if lost == "damaged":
        (folder / "explanation.json").write_text("{")
    for path in folder.iterdir():
        if lost == "all" or lost in path.name:
            path.unlink()
    assert [done.skipped for done in explain_many(explainer, pictures, out)] == [False, True]
    assert contents(out) == before


class Mixing(nn.Module):
    """A network whose maps depend on the whole batch, as real ones do in their last bits."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :2] * self.weight + images.mean()


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_run_that_was_stopped_ends_in_the_same_bytes(
    explainer: Explainer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    explainer = Explainer(explainer.explanandum, Mixing()).eval()
    pictures = list_files([photos, photos / "absent.jpg"])
    settings = Settings(Selection(top_k=2), batch_size=3)
    explain_many(explainer, pictures, tmp_path / "whole", settings)
    save, saved = Explanation.save, []

    def stopped(self: Explanation, folder: Path, regions: None) -> Path:
        if len(saved) == kept:
            raise KeyboardInterrupt
        saved.append(folder)
        return save(self, folder, regions)

    with monkeypatch.context() as patch:
        patch.setattr(Explanation, "save", stopped)
        if kept < 3:
            with pytest.raises(KeyboardInterrupt):
                explain_many(explainer, pictures, tmp_path / "stopped", settings)
            waiting = [entry["failure"] for entry in index_of(tmp_path / "stopped")["images"]]
            assert waiting == ["not explained yet"] * 5
        else:
            explain_many(explainer, pictures, tmp_path / "stopped", settings)
    results = explain_many(explainer, pictures, tmp_path / "stopped", settings)
    assert sum(done.skipped for done in results) == kept
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_what_a_killed_run_left_is_cleared(
    explainer: Explainer, photos: Path, tmp_path: Path, of_the_dead: Callable[[Path], Path]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for path in (out / "index.json", out / folder_name(photos / "a.png")):
        of_the_dead(temporary_file(path))
    left = of_the_dead(temporary_folder(out / folder_name(photos / "a.png")))
    (left / "figure.png").write_text("half")
    explain_many(explainer, [photos / "a.png"], out)
    assert {path.name for path in out.iterdir()} == {".lock", "index.json", folder_name(photos / "a.png")}


class Counting(nn.Module):
    """A network that notes how many threads it computes with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.threads: list[int] = []
        self.fails = False

    def forward(self, images: Tensor) -> Tensor:
        self.threads.append(torch.get_num_threads())
        if self.fails:
            raise ArithmeticError
        return images[:, :2] * self.weight


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number, which is put back in the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_goes_on_with_the_threads_of_the_first(
    explainer: Explainer, photos: Path, tmp_path: Path, threads: Callable[[int], None], fails: bool
) -> None:
    network = Counting()
    explainer = Explainer(explainer.explanandum, network).eval()
    out = tmp_path / "out"
    threads(3)
    explain_many(explainer, [photos / "a.png"], out)
    assert index_of(out)["threads"] == 3
    threads(2)
    network.threads.clear()
    network.fails = fails
    with pytest.raises(ArithmeticError) if fails else nullcontext():
        explain_many(explainer, [photos / "a.png", photos / "b/a.png"], out)
    assert set(network.threads) == {3}
    assert torch.get_num_threads() == 2
    assert index_of(out)["threads"] == 3


def test_other_threads_than_those_of_the_first_run_are_told(
    saved: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(saved), str(photos / "a.png"), "--out", str(tmp_path / "out"), "--device=cpu", "--quiet"]
    for threads in (2, 2, None, 1):
        assert "begun" not in capsys.readouterr().err
        assert main(words if threads is None else [*words, f"--threads={threads}"]) == 0
    told = capsys.readouterr().err
    assert f"threads: {tmp_path / 'out'} was begun with 2, and goes on with them; name a new folder for 1." in told


@pytest.mark.parametrize("value", [0, -1, 10**6, 2**80, True, 1.5, "2", None, [2]])
def test_threads_that_are_no_number_are_refused(
    explainer: Explainer, photos: Path, tmp_path: Path, value: object
) -> None:
    out = tmp_path / "out"
    explain_many(explainer, [photos / "a.png"], out)
    before = contents(out)
    (out / "index.json").write_text(json.dumps({**index_of(out), "threads": value}))
    with pytest.raises(InputError, match=r"index\.json .* threads=.*; put back a copy of it, or name a new folder"):
        explain_many(explainer, [photos / "a.png"], out)
    # A folder of before there was such an entry.
    entries = index_of(out)
    del entries["threads"]
    (out / "index.json").write_text(json.dumps(entries))
    explain_many(explainer, [photos / "a.png"], out)
    assert contents(out) == before


def test_other_settings_are_refused(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    pictures, out = list_files([photos / "a.png"]), tmp_path / "out"
    explain_many(explainer, pictures, out)
    with pytest.raises(InputError, match=r"other settings: options\.threshold was null, is 0\.1"):
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
