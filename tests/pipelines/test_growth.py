from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.main import main
from explanans.deploy.batch import explain_many
from explanans.deploy.batch.folders import folder_name
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Settings
from explanans.explanations.region import RegionSettings
from explanans.explanations.selection import Selection
from explanans.images.preprocessing import Preprocessing
from explanans.pipelines.growth import read_series
from explanans.pipelines.growth_page import series_page
from explanans.pipelines.series import MEASURES
from explanans.pipelines.severity_table import severity

pytest.importorskip("skimage", reason="regions need scikit-image")

HEIGHT, WIDTH = 90, 150
LENGTHS, SHIFTS = (40, 60, 75), ((0, 0), (4, -6), (-3, 5))


class Redness(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        red = (images[:, 0] > 0.9).float().amax((1, 2))
        return torch.stack([6 * red - 3, 0 * red - 3], 1)


class Red(nn.Module):
    """The mask is the red channel, steep around one half."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.scale * images[:, 0], -self.scale + 0 * images[:, 0]], 1)


def wall(length: int, down: int, right: int) -> Image.Image:
    """A textured wall with a red line of 4 pixels that begins in the same place of it."""
    coarse = np.random.default_rng(1).integers(0, 256, (40, 60, 2), np.uint8)
    pixels = np.zeros((160, 240, 3), np.uint8)
    for channel in (1, 2):
        fine = Image.fromarray(coarse[..., channel - 1]).resize((240, 160), Image.Resampling.BICUBIC)
        pixels[..., channel] = fine
    pixels[70:74, 60 : 60 + length, 0] = 255
    return Image.fromarray(pixels[35 - down : 35 - down + HEIGHT, 40 - right : 40 - right + WIDTH])


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of a wall at three times, of another place at two, and their explanations."""
    folder = tmp_path_factory.mktemp("series")
    rows = []
    for number, (length, shift) in enumerate(zip(LENGTHS, SHIFTS, strict=True)):
        wall(length, *shift).save(folder / f"wall{number}.png")
        rows.append(f"wall{number}.png,wall,2026-0{number + 1}-01")
    for number in range(2):
        wall(0, 0, 0).save(folder / f"clean{number}.png")
        rows.append(f"clean{number}.png,clean,2026-02-0{number + 1}")
    # The rows need not be in the order of time.
    text = "\n".join(["image,place,time", *reversed(rows)]) + "\n"
    (folder / "series.csv").write_text(text)
    preprocessing = Preprocessing(size=(HEIGHT, WIDTH), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    explanandum = Explanandum(Redness(), classes=("crack", "other"), activation="sigmoid", preprocessing=preprocessing)
    paths = sorted(folder.glob("*.png"))
    settings = Settings(Selection(), receipts=False)
    explain_many(
        Explainer(explanandum, Red()), paths, folder / "out", settings, regions=RegionSettings(mm_per_pixel=0.5)
    )
    return folder


def test_severity_by_hand(explained: Path) -> None:
    rows = {Path(row["picture"]).name: row for row in severity(explained / "out", ["crack"])}
    assert len(rows) == 5
    wall0 = rows["wall0.png"]
    assert (wall0["number"], wall0["area"], wall0["share"]) == (1, 160, 160 / (HEIGHT * WIDTH))
    assert (wall0["longest"], wall0["widest"]) == pytest.approx((40, 4), rel=0.02)
    assert (wall0["area_mm2"], wall0["length_mm"]) == pytest.approx((40, 20), rel=0.02)
    clean = rows["clean0.png"]
    assert (clean["number"], clean["area"], clean["longest"], clean["area_mm2"]) == (0, 0, 0, None)
    # Without classes there are rows for those that are explained.
    assert len(severity(explained / "out")) == 3


def test_growth_and_shifts_that_are_known(explained: Path) -> None:
    series = {each.place: each for each in read_series(explained / "out", explained / "series.csv", ["crack"])}
    wall = series["wall"]
    assert [photo.said for photo in wall.photos] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    for photo, (down, right) in zip(wall.photos, SHIFTS, strict=True):
        assert (photo.shift.down, photo.shift.right) == pytest.approx((down, right), abs=0.3)
        assert photo.shift.match > 0.8
    assert wall.window == (3, 86, 6, 145)
    steps = {(step["from"], step["measure"]): step for step in wall.steps()}
    assert len(steps) == 2 * len(MEASURES)
    first, second = steps["2026-01-01", "length"], steps["2026-02-01", "length"]
    assert (first["growth"], second["growth"]) == pytest.approx((10, 7.5), abs=0.3)
    assert first["unit"] == "mm"
    assert first["per_time"] == pytest.approx(10 / 31, abs=0.01)
    assert first["per"] == "day"
    assert first["low"] <= first["growth"] <= first["high"]
    assert (first["says"], steps["2026-01-01", "widest"]["says"]) == ("grows", "unsure")
    assert steps["2026-01-01", "area"]["growth"] == pytest.approx(20 * 4 * 0.25)
    assert steps["2026-01-01", "number"]["growth"] == 0
    clean = {step["measure"]: step["growth"] for step in series["clean"].steps()}
    assert set(clean.values()) == {0}


def test_the_page_and_the_command(explained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["severity", str(explained / "out"), "--classes", "crack", "--series", str(explained / "series.csv")]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert "growth-wall-crack.html" in capsys.readouterr().out
    with (tmp_path / "growth.csv").open() as file:
        steps = list(csv.DictReader(file))
    assert len(steps) == 3 * len(MEASURES)
    assert pq.read_table(tmp_path / "severity.parquet").num_rows == 5
    page = (tmp_path / "growth-wall-crack.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert page.count("<img") == 3
    for fact in ("2026-03-01", "grows", "0.5 mm for each pixel", "shifted right", "2026-01-01 to 2026-02-01"):
        assert fact in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_a_place_is_text_on_its_page(explained: Path) -> None:
    (wall,) = (
        each for each in read_series(explained / "out", explained / "series.csv", ["crack"]) if each.place == "wall"
    )
    object.__setattr__(wall, "place", "<script>")
    assert "<script>" not in series_page(wall)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("image,place\nwall0.png,a\n", "no column 'time'"),
        ("image,place,time\nwall0.png,a,1\n", "has one photo"),
        ("image,place,time\nwall0.png,a,1\nwall1.png,a,1\n", "two photos of the time 1"),
        ("image,place,time\nwall0.png,a,soon\nwall1.png,a,1\n", "'soon' is neither a number nor a date"),
        ("image,place,time\nwall0.png,a,2026-01-01\nwall1.png,a,1\n", "some are dates and some are numbers"),
        ("image,place,time\nwall0.png,a,1\nwall0.png,a,2\n", "has .*wall0.png at two times"),
        ("image,place,time\nwall0.png,a,1\nabsent.png,a,2\n", "no such file"),
        ("image,place,time\nwall0.png,a,1\nwall1.png,a,nan\n", "'nan' is neither a number nor a date"),
        ("image,place,time\nwall0.png,a,1\nwall1.png,a,inf\n", "'inf' is neither a number nor a date"),
        ("image,place,time\nwall0.png,a,1\nwall1.png,,2\n", "names no place for .*wall1.png"),
        ("image,place,time\nwall0.png,a,20260101\nwall1.png,a,2\n", "some are dates and some are numbers"),
        ("image,place,time\nwall0.png,a,1\nlate.jpg,a,2\n", "has no explanation of .*late.jpg; explain it"),
    ],
)
def test_wrong_tables(explained: Path, tmp_path: Path, table: str, says: str) -> None:
    wall(10, 0, 0).save(explained / "late.jpg")
    path = explained / f"{tmp_path.name}.csv"
    path.write_text(table)
    with pytest.raises(InputError, match=says):
        read_series(explained / "out", path, ["crack"])
    # Neither does the command leave half of its tables.
    words = ["severity", str(explained / "out"), "--classes", "crack", "--series", str(path)]
    assert main([*words, "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.bad_input
def test_a_mask_of_other_pixels_than_its_photo_is_refused(explained: Path, tmp_path: Path) -> None:
    for number in range(2):
        wall(40, 0, 0).save(tmp_path / f"{number}.png")
    (tmp_path / "series.csv").write_text("image,place,time\n0.png,a,1\n1.png,a,2\n")
    for name in ("0", "1"):
        copy = tmp_path / "out" / folder_name(tmp_path / f"{name}.png")
        shutil.copytree(explained / "out" / folder_name(explained / "wall0.png"), copy)
    shutil.copy(explained / "out" / "index.json", tmp_path / "out")
    (mask,) = (tmp_path / "out" / folder_name(tmp_path / "1.png")).glob("*mask.png")
    Image.new("L", (8, 9)).save(mask)
    with pytest.raises(InputError, match=f"has 8 × 9 pixels and its photo {WIDTH} × {HEIGHT}; explain"):
        read_series(tmp_path / "out", tmp_path / "series.csv", ["crack"])
    mask.write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read; explain the photo anew"):
        read_series(tmp_path / "out", tmp_path / "series.csv", ["crack"])


def test_times_of_several_zones_are_put_in_order(explained: Path) -> None:
    path = explained / "zones.csv"
    rows = ("wall0.png,a,2026-01-01T10:00+00:00", "wall1.png,a,2026-01-01T10:00+02:00", "wall2.png,a,20260102")
    path.write_text("\n".join(["image,place,time", *rows]) + "\n")
    (found,) = read_series(explained / "out", path, ["crack"])
    assert [photo.path.name for photo in found.photos] == ["wall1.png", "wall0.png", "wall2.png"]
    assert found.steps()[0]["per_time"] == pytest.approx(12 * found.steps()[0]["growth"])


@pytest.mark.bad_input
@pytest.mark.parametrize("tolerance", ["-0.1", "1", "nan"])
def test_a_tolerance_is_a_share(explained: Path, tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["severity", str(explained / "out"), "--classes", "crack", "--series", str(explained / "series.csv")]
    assert main([*words, "--tolerance", tolerance]) == 2
    assert "tolerance" in capsys.readouterr().err


@pytest.mark.bad_input
def test_a_class_that_nobody_knows_is_no_row_of_zeros(explained: Path) -> None:
    with pytest.raises(InputError, match="crak"):
        severity(explained / "out", ["crak"])


@pytest.mark.bad_input
def test_wrong_folders_and_classes(explained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'carck' is no class"):
        read_series(explained / "out", explained / "series.csv", ["carck"])
    with pytest.raises(InputError, match="holds no explanations"):
        severity(tmp_path)
    assert main(["severity", str(explained / "out"), "--series", "x.csv"]) == 2
