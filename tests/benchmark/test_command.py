"""``explanans benchmark``, as commands/benchmark.py has it."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from explanans.cli.main import main
from explanans.data import LabelledImages

from .report.pages import Page, tables

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def words(saved: Path, scenes: Path, tmp_path: Path) -> list[str]:
    given = {"classifiers.tiny": saved, "data": f"scenes:{scenes}", "limit": 4, "batch_size": 2, "cost_images": 1}
    given |= {"device": "cpu", "out": tmp_path / "out"}
    return ["benchmark", *(f"--{name}={value}" for name, value in given.items())]


def test_from_options_to_table_files_and_page(words: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert main([*words, "--methods.evidence={}", "--methods.cam.method=grad_cam", "--reference=evidence"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny, 4 images (all)"
    assert lines[1].split("  ")[0] == "method"
    assert "IoU (soft) ↑" in lines[1]
    assert [line.split("  ")[0] for line in lines[2:4]] == ["the evidence", "Grad-CAM"]
    assert f"explanans report {tmp_path / 'out'}" in lines[-1]
    found = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file()}
    expected = {"benchmark.json", "report.html"}
    for method in ("evidence", "cam"):
        expected |= {f"scores/tiny/{method}/part-0000{k}.parquet" for k in (0, 1)}
        expected |= {f"costs/tiny/{method}.json", f"maps/tiny/{method}.npz"}
    assert found >= expected


def test_a_score_of_the_shared_images_stands_in_their_table_alone(words: list[str], capsys: Captured) -> None:
    asked = ["--methods.evidence={}", "--subset_size=2", "--subset_metrics=[insertion]", "--no_report"]
    assert main([*words, *asked]) == 0
    every, shared = capsys.readouterr().out.split("\n\n")
    assert every.startswith("tiny, 4 images (all)")
    assert shared.startswith("tiny, 2 images (shared)")
    assert "insertion AUC" not in every
    assert "insertion AUC" in shared
    assert "–" not in every + shared


def test_without_a_report_and_without_a_word(words: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert main([*words, "--methods.evidence={}", "--no_report", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {".lock", "benchmark.json", "scores", "costs", "maps"}


def test_failures_are_listed_and_the_status_says_so(
    words: list[str], val: object, brightest: tuple[int, float], capsys: Captured, tmp_path: Path
) -> None:
    words = [word for word in words if not word.startswith("--limit")]
    words += [f"--methods.fails={{settings: {{above: {brightest[1]}}}}}", "--no_report"]
    for more in ([], ["--quiet"]):
        # The second time nothing is left to do, and the failure is no smaller.
        assert main([*words, *more]) == 1
        captured = capsys.readouterr()
        name = val.names[brightest[0]]
        assert f"failed: tiny, fails, {name}: RuntimeError: no layer for so bright an image" in captured.err
        assert captured.err.count(f"fails, {name}") == 1
        assert (captured.out == "") == bool(more)


def test_nothing_that_is_printed_steers_the_terminal(words: list[str], capsys: Captured) -> None:
    odd = '--methods.evidence={title: "\\e[31mred", settings: {scale: 3}, normalisations: [minmax, raw]}'
    assert main([*words, odd, "--no_report"]) == 1
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert r"\x1b[31mred" in captured.out


def test_many_failures_are_counted(words: list[str], capsys: Captured) -> None:
    words = [word for word in words if not word.startswith("--limit")]
    assert main([*words, "--methods.fails={settings: {above: -9}}", "--also_normalise=[minmax]", "--no_report"]) == 1
    error = capsys.readouterr().err
    assert "failed: tiny, fails, when its cost was measured: RuntimeError" in error
    assert error.count("failed: ") == 10
    assert "more; they are in" in error


def test_a_failure_under_another_normalisation_is_one(words: list[str], capsys: Captured) -> None:
    asked = ["--methods.evidence={settings: {scale: 3}, normalisations: [minmax, raw]}", "--no_report"]
    assert main([*words, *asked]) == 1
    error = capsys.readouterr().err
    assert error.count("failed: tiny, evidence") == 4
    assert "take 'minmax'" in error


def test_a_table_of_one_s_own_photos_and_masks(
    saved: Path, val: LabelledImages, tmp_path: Path, capsys: Captured
) -> None:
    lines = [",".join(["image", "segmentation", *val.classes])]
    assert val.segmentations is not None
    for path, mask, labels in zip(val.paths, val.segmentations, val.labels.int().tolist(), strict=True):
        lines.append(",".join([str(path), str(mask), *map(str, labels)]))
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    words = ["benchmark", f"--classifiers.tiny={saved}", f"--data=table:{tmp_path / 'mine.csv'}", "--split=all"]
    words += ["--methods.evidence={}", "--methods.constant_1={}", "--cost_images=1", "--device=cpu"]
    words += ["--metrics=[classes, predicted, segmentation, boundary]", f"--background=[{val.classes[0]}]"]
    assert main([*words, f"--out={tmp_path / 'out'}"]) == 0
    out = capsys.readouterr().out
    others = int(val.labels[:, 1:].bool().any(1).sum())
    assert out.startswith(f"tiny, {others} images (all)")
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "constant 1, which looks at nothing, has" in page.text
    (table,) = [each for each in tables(page.root) if "mIoU (VOC), labels known ↑" in each.header]
    assert [cells[0] for cells in table.rows] == ["the evidence", "constant 1"]
    main_scores = next(each for each in tables(page.root) if "IoU per class (soft) ↑" in each.header)
    assert main_scores.header[2] == "IoU per class (soft) ↑"
    shown = [heading.text for heading in page.section("Photos").all("h4")]
    assert shown
    assert val.classes[0] not in shown


def test_a_printed_configuration_does_the_same(words: list[str], capsys: Captured, tmp_path: Path) -> None:
    asked = ["--methods.evidence={}", "--methods.slow={method: noise, subset: shared}", "--subset_size=2"]
    assert main([*words, *asked, "--print_config"]) == 0
    config = tmp_path / "benchmark.yaml"
    config.write_text(capsys.readouterr().out)
    assert main([*words, *asked, "--no_report"]) == 0
    first = capsys.readouterr().out
    # Accepted by the same folder: nothing that counts is another.
    assert main(["benchmark", "--config", str(config), "--no_report"]) == 0
    assert capsys.readouterr().out == first
    assert "tiny, 2 images (shared)" in first


def test_ctrl_c_is_status_130_and_the_same_command_goes_on(
    words: list[str], fakes: ModuleType, capsys: Captured, tmp_path: Path
) -> None:
    fakes.LIMITS["interrupt"] = 7
    asked = ["--methods.evidence={}", "--batch_size=1", "--no_report"]
    assert main([*words, *asked]) == 130
    assert "repeat the command to go on" in capsys.readouterr().err
    parts = sorted((tmp_path / "out" / "scores" / "tiny" / "evidence").glob("part-*"))
    before = {part: part.stat().st_mtime_ns for part in parts}
    assert 0 < len(before) < 4
    fakes.LIMITS.clear()
    assert main([*words, *asked]) == 0
    assert {part: part.stat().st_mtime_ns for part in before} == before
    folder = tmp_path / "out" / "scores" / "tiny" / "evidence"
    assert sum(pq.ParquetFile(part).metadata.num_rows for part in folder.glob("part-*")) == 4


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (["--methods.gard_cam={}"], "'gard_cam' is not known"),
        (["--methods.evidence={}", "--data=scenes:/no/such/folder"], "/no/such/folder"),
        (["--methods.evidence={}", "--metrics=[iou]"], "metrics: ['iou'] are not known"),
        (["--methods.evidence={}", "--threshold_split=val[:5]"], "choose thresholds on other images"),
        (["--methods.evidence={}", "--classifiers.tiny=/no/such/classifier"], "/no/such/classifier"),
        ([], "methods is empty"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    words: list[str], asked: list[str], named: str, capsys: Captured, tmp_path: Path
) -> None:
    assert main([*words, *asked]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_another_configuration_is_status_2(words: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert main([*words, "--methods.evidence={}", "--quiet"]) == 0
    assert main([*words, "--methods.evidence={}", "--limit=3"]) == 2
    assert "holds a benchmark with other settings: settings.limit was 4, is 3" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text())["settings"]["limit"] == 4


@pytest.mark.parametrize("option", [["--methods.constant_0.5", "{}"], ["--methods.constant_0.5.title=half"]])
def test_a_name_with_a_dot_is_not_cut_in_two(words: list[str], option: list[str], capsys: Captured) -> None:
    assert main([*words, *option]) == 2
    assert "'constant_0.5' is not known" in capsys.readouterr().err


def test_a_method_with_settings_of_its_own_by_option(words: list[str], capsys: Captured, tmp_path: Path) -> None:
    given = ["--methods.constant_half={}", "--methods.constant_1.settings={value: 0.75}", "--no_report", "--limit=1"]
    assert main([*words, *given]) == 0, capsys.readouterr().err
    tables = [pq.read_table(tmp_path / "out" / "scores" / "tiny" / name) for name in ("constant_half", "constant_1")]
    assert [table["area"].to_pylist() for table in tables] == [[0.5], [0.75]]
