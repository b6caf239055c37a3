from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explanans.benchmark.results import Results
from explanans.benchmark.statistics import bootstrap, paired
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.metrics import specificity_gap, specificity_matrix


def test_summary_is_the_mean_over_all_images(done: Results) -> None:
    rows = done.summary("iou_soft", "insertion", subset="all")
    assert [(row.method, row.normalisation) for row in rows] == [
        (method, step) for method in ("evidence", "fails", "nan", "cheap") for step in ("raw", "minmax")
    ]
    for row in rows:
        values = done.rows("tiny", row.method, row.normalisation)["iou_soft"].to_numpy()
        assert row.mean["iou_soft"] == pytest.approx(values.mean())
        low, high = bootstrap(values, seed=0)
        assert (row.low["iou_soft"], row.high["iou_soft"]) == (pytest.approx(low), pytest.approx(high))
        assert row.images == row.scored["iou_soft"] == len(done.images)
        assert row.scored["insertion"] == (0 if row.method == "cheap" else 4)
    assert np.isnan(rows[-1].mean["insertion"])
    assert [row.title for row in rows[:2]] == ["the evidence", "the evidence (minmax)"]


def test_all_methods_share_the_subset(done: Results) -> None:
    rows = done.summary("iou_soft", subset="shared", classifier="tiny")
    assert {row.method for row in rows} == set(done.methods)
    assert {row.images for row in rows} == {4}
    places = [done.images.index(name) for name in done.subset_images]
    expected = done.rows("tiny", "evidence")["iou_soft"].to_numpy()[places]
    assert rows[0].mean["iou_soft"] == pytest.approx(expected.mean())
    assert {row.subset for row in done.summary("iou_soft")} == {"all", "shared"}


def test_pairs_are_of_the_same_images(done: Results) -> None:
    a, b = (done.rows("tiny", name)["iou_soft"].to_numpy() for name in ("evidence", "fails"))
    assert done.paired("iou_soft", "tiny", "evidence", "fails") == paired(a, b)
    found = done.paired("iou_soft", "tiny", "slow", "evidence")
    assert found.images == 4
    places = [done.images.index(name) for name in done.subset_images]
    slow = done.rows("tiny", "slow")["iou_soft"].to_numpy()
    assert found.difference == pytest.approx((slow - a[places]).mean())
    assert done.paired("insertion", "tiny", "evidence", "cheap").images == 0


def test_specificity_is_the_matrix_of_the_metric(done: Results, val: LabelledImages) -> None:
    values = torch.tensor(done.rows("tiny", "nan")["specificity"].to_pylist()).view(-1, 6, 6)
    expected = specificity_matrix(values, val.labels)
    assert done.specificity("tiny", "nan") == pytest.approx(expected.numpy(), nan_ok=True, abs=1e-6)
    (row, *_) = [row for row in done.summary("specificity_gap", subset="all") if row.method == "nan"]
    assert row.mean["specificity_gap"] == pytest.approx(specificity_gap(expected).item(), abs=1e-6)
    assert np.isnan(done.specificity("tiny", "cheap")).all()


def test_wrong_questions(done: Results, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no benchmark\.json"):
        Results.open(tmp_path)
    with pytest.raises(InputError, match="it has the classifiers"):
        done.rows("big", "evidence")
    with pytest.raises(InputError, match="measured with"):
        done.rows("tiny", "evidence", "rank")
    with pytest.raises(InputError, match="'all' or 'shared'"):
        done.rows("tiny", "evidence", subset="some")
    with pytest.raises(InputError, match="metric 'beauty'"):
        done.summary("beauty")
    with pytest.raises(InputError, match="metric 'beauty'"):
        done.paired("beauty", "tiny", "evidence", "nan")


def test_a_folder_of_which_nothing_is_done(done: Results, tmp_path: Path) -> None:
    (tmp_path / "benchmark.json").write_text((done.folder / "benchmark.json").read_text())
    empty = Results.open(tmp_path)
    assert empty.summary("iou_soft") == []
    assert empty.costs("tiny", "evidence") is None
    assert empty.maps("tiny", "evidence") == {}
    assert empty.sanity("tiny", "evidence") is None


READERS: dict[str, Callable[[Results], object]] = {
    "benchmark.json": lambda results: Results.open(results.folder),
    "scores/tiny/evidence/part-00000.parquet": lambda results: results.rows("tiny", "evidence"),
    "costs/tiny/evidence.json": lambda results: results.costs("tiny", "evidence"),
    "sanity/tiny/evidence.json": lambda results: results.sanity("tiny", "evidence"),
    "maps/tiny/evidence.npz": lambda results: results.maps("tiny", "evidence"),
}


@pytest.mark.parametrize("content", [b"", b"\x00\xff no such file", "cut", "folder"])
@pytest.mark.parametrize(("name", "read"), READERS.items(), ids=READERS)
def test_a_damaged_file_is_named_with_the_next_step(
    done: Results, tmp_path: Path, name: str, read: Callable[[Results], object], content: bytes | str
) -> None:
    folder = shutil.copytree(done.folder, tmp_path / "copy")
    results, path = Results.open(folder), folder / name
    read(results)
    results = Results.open(folder)
    whole = path.read_bytes()
    path.unlink()
    if content == "folder":
        path.mkdir()
    else:
        path.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    if content == "folder" and not name.endswith(".parquet"):
        # Not a file of ours, and so as good as absent.
        return
    step = "put back a copy of it, or measure" if name == "benchmark.json" else "delete it, and 'explanans benchmark'"
    with pytest.raises(InputError, match=rf"{path.name} \(.*\) .*; {step}"):
        read(results)


@pytest.mark.parametrize("change", [{"classifiers": []}, {"data": {"images": [1]}}, {"methods": {"a": {"title": 1}}}])
def test_a_record_of_another_form(done: Results, tmp_path: Path, change: dict[str, Any]) -> None:
    record = json.loads((done.folder / "benchmark.json").read_text())
    (tmp_path / "benchmark.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(InputError, match=rf"benchmark\.json \(benchmark\) .*{next(iter(change))}"):
        Results.open(tmp_path)
