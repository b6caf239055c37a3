"""A benchmark's folder that came from elsewhere, or suffered: each file is refused by its name, or harmless."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.results import Results
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings
from explanans.cli.main import main
from explanans.errors import InputError

GONE = object()
RECORD = "benchmark.json"
COST, SANITY = "costs/tiny/evidence.json", "sanity/tiny/evidence.json"
PART, CHOSEN = "scores/tiny/evidence/part-00000.parquet", "thresholds/tiny/evidence/part-00000.parquet"
MAPS = "maps/tiny/evidence.npz"


@pytest.fixture(scope="module")
def copy(done: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(done.folder, tmp_path_factory.mktemp("copy") / "results"))


@pytest.fixture
def results(copy: Path, done: Results) -> Iterator[Path]:
    """A folder to damage, whole again for the next test."""
    yield copy
    for whole in done.folder.rglob("*"):
        other = copy / whole.relative_to(done.folder)
        if whole.is_file() and (not other.is_file() or other.read_bytes() != whole.read_bytes()):
            shutil.rmtree(other, ignore_errors=True)
            shutil.copyfile(whole, other)


def use(folder: Path) -> None:
    """Everything that tables and pages ask for."""
    found = Results.open(folder)
    for classifier in found.classifiers:
        for method in found.methods:
            for metric in COLUMNS:
                found.values(metric, classifier, method)
            found.threshold(classifier, method)
            found.specificity(classifier, method)
            found.costs(classifier, method)
            found.sanity(classifier, method)
            found.maps(classifier, method)
            found.title(method)


def put(file: Path, place: str, value: Any) -> None:
    """Change one entry of a JSON file; ``GONE`` takes it out."""
    content = json.loads(file.read_text())
    *outer, last = place.split(".")
    inner = content
    for key in outer:
        inner = inner[int(key) if isinstance(inner, list) else key]
    key = int(last) if isinstance(inner, list) else last
    if value is GONE:
        del inner[key]
    else:
        inner[key] = value
    file.write_text(json.dumps(content))


def test_a_whole_folder_is_fine(results: Path) -> None:
    use(results)


ENTRIES: list[tuple[str, str, list[Any]]] = [
    (
        RECORD,
        "format",
        ["explanans benchmark 2", "explanans benchmark", "explanans benchmark -1", "torch", [], None, 1],
    ),
    (RECORD, "settings", [GONE, None, [], "x", 1]),
    (RECORD, "settings.background", ["cat", 1, {}]),
    (RECORD, "versions", [GONE, [], {"torch": 2}, None]),
    (RECORD, "machine", [GONE, [], "x"]),
    (RECORD, "data", [GONE, None, [], "x", {}]),
    (RECORD, "data.name", [GONE, None, 1, []]),
    (RECORD, "data.source", [1, [], {}]),
    (RECORD, "data.fingerprint", [GONE, 1]),
    (RECORD, "data.images", [GONE, None, "x", {}, [1], [None], [["a"]], []]),
    (RECORD, "seed", [GONE, None, "0", 0.5, True, []]),
    (RECORD, "reference", [GONE, 1, [], {}]),
    (RECORD, "threshold_data", [GONE, "x", 1, []]),
    (RECORD, "classifiers", [GONE, None, [], {}, {"": {}}, {"tiny": None}]),
    (RECORD, "classifiers.tiny", [None, [], {}, "x"]),
    (RECORD, "classifiers.tiny.classes", [GONE, None, "cat", [], [1], [None], [[]]]),
    (RECORD, "classifiers.tiny.weights_hash", [GONE, None, 1]),
    (RECORD, "classifiers.tiny.preprocessing", [GONE, None, [], "x", 1, {}, {"size": 32}]),
    (RECORD, "classifiers.tiny.preprocessing.size", [None, 0, -1, "x", [1], [1, 2, 3], [[1, 2]], 1e400]),
    (RECORD, "classifiers.tiny.preprocessing.mean", [None, 1, "xyz", [1, 2], [math.nan] * 3, [None] * 3]),
    (RECORD, "classifiers.tiny.preprocessing.std", [None, [0, 1, 1], [-1, 1, 1], [math.inf, 1, 1], []]),
    (RECORD, "classifiers.tiny.preprocessing.interpolation", [None, "magic", 1]),
    (RECORD, "methods", [GONE, None, [], {}, {"../up": {}}]),
    (RECORD, "methods.evidence", [None, [], {}, 1]),
    (RECORD, "methods.evidence.title", [GONE, None, 1, []]),
    (RECORD, "methods.evidence.method", [GONE, None, 1]),
    (RECORD, "methods.evidence.normalisations", [GONE, None, "raw", [], [1], {}]),
    (RECORD, "methods.evidence.weights", [GONE, None, [], "x"]),
    (RECORD, "methods.evidence.subset", [GONE, None, 1, []]),
    (RECORD, "subset", [GONE, [], "x", 1, {"images": ["not of these"]}, {"images": "x"}, {"images": [None]}]),
    (RECORD, "curve_thresholds", [GONE, None, "x", ["x"], [None], [True], {}]),
    (
        RECORD,
        "thresholds",
        [GONE, None, [], {"tiny": 1}, {"tiny": {"evidence": 1}}, {"tiny": {"evidence": {"raw": "x"}}}],
    ),
    (COST, "ms_per_image", [GONE, None, "x", -1, math.nan, math.inf, True, [], {}]),
    (COST, "threads", ["x", None, -1, [1]]),
    (COST, "device", [1, None, []]),
    (COST, "anything", ["x", [[]], {}]),
    (SANITY, "stages", [GONE, None, "x", {}, [1], [None], [[]], [{}], [{"spearman": "x", "ssim": 1}]]),
    (SANITY, "stages.0.spearman", [GONE, None, "x", []]),
    (SANITY, "stages.0.ssim", [GONE, None, {}]),
    (SANITY, "stages.0.failed", ["x", None, 0.5]),
    (SANITY, "randomised", [GONE, None, 1, []]),
]
DAMAGES = [(name, place, value) for name, place, values in ENTRIES for value in values]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "place", "value"), DAMAGES, ids=[f"{place}={'gone' if v is GONE else v}" for _, place, v in DAMAGES]
)
def test_an_entry_of_another_kind(results: Path, name: str, place: str, value: Any) -> None:
    put(results / name, place, value)
    with pytest.raises(InputError) as caught:
        use(results)
    message = str(caught.value)
    assert Path(name).name in message
    assert any(step in message for step in ("measure again", "measures it again", "update it"))


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "without its end": lambda whole: whole[:-3],
    "zeros": lambda whole: bytes(len(whole)),
    "a picture": lambda whole: b"\x89PNG\r\n\x1a\n" + whole,
    "a list": lambda whole: b"[1, 2]",
    "a word": lambda whole: b'"benchmark"',
    "null": lambda whole: b"null",
    "UTF-16": lambda whole: '{"format": 1}'.encode("utf-16"),
    "many levels": lambda whole: b"[" * 100_000,
}


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", BYTES)
@pytest.mark.parametrize("name", [RECORD, COST, SANITY, PART, MAPS])
def test_a_damaged_file(results: Path, name: str, damage: str) -> None:
    file = results / name
    file.write_bytes(BYTES[damage](file.read_bytes()))
    with pytest.raises(InputError, match=rf"{Path(name).name} \(.*\) .*; .*again") as caught:
        use(results)
    assert len(str(caught.value)) < 600


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "other"),
    [(PART, CHOSEN), (PART, COST), (COST, SANITY), (SANITY, COST), (MAPS, PART), (PART, MAPS), (RECORD, COST)],
)
def test_files_in_each_others_place(results: Path, name: str, other: str) -> None:
    shutil.copyfile(results / other, results / name)
    with pytest.raises(InputError, match=Path(name).name):
        use(results)


def column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))


TABLES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "other images": lambda table: column(table, "index", [10**6] * len(table)),
    "images before the first": lambda table: column(table, "index", [-1] * len(table)),
    "images of no number": lambda table: column(table, "index", [None] * len(table)),
    "another status": lambda table: column(table, "status", ["fine"] * len(table)),
    "no status": lambda table: column(table, "status", [None] * len(table)),
    "a short confusion": lambda table: column(table, "specificity", [[0.5]] * len(table)),
    "curves of two lengths": lambda table: column(table, "f1_curve", [[0.5], *[[0.5, 0.5]] * (len(table) - 1)]),
    "a column less": lambda table: table.drop_columns(["status"]),
    "a column of text": lambda table: table.set_column(
        table.schema.get_field_index("index"), "index", pa.array(["x"] * len(table))
    ),
    "nothing at all": lambda table: pa.table({}),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", TABLES)
def test_rows_of_something_else(results: Path, damage: str) -> None:
    changed = TABLES[damage](pq.read_table(results / PART))
    pq.write_table(changed, results / PART)
    with pytest.raises(InputError, match=r"part-00000\.parquet \(part of a benchmark\) .*measures it again"):
        use(results)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 4, 4), np.uint8), np.zeros((6, 4, 4)), np.zeros((6, 4), np.uint8), np.zeros((6, 0, 4), np.uint8)],
)
def test_maps_of_something_else(results: Path, array: np.ndarray) -> None:
    np.savez(results / MAPS, a=array)
    with pytest.raises(InputError, match=r"evidence\.npz \(maps of a benchmark\) has .*, not 6 maps; delete it"):
        use(results)


@pytest.mark.bad_input
def test_maps_run_no_code(results: Path) -> None:
    np.savez(results / MAPS, a=np.array([print], object))
    with pytest.raises(InputError, match=r"evidence\.npz \(maps of a benchmark\) is damaged"):
        use(results)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", [RECORD, COST, PART, MAPS])
def test_a_folder_in_a_files_place(results: Path, name: str) -> None:
    (results / name).unlink()
    (results / name).mkdir()
    if name in (COST, MAPS):
        # As a file that is not there yet.
        use(results)
    else:
        with pytest.raises(InputError, match=Path(name).name if name == PART else "holds no benchmark.json"):
            use(results)
    (results / name).rmdir()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "place", "value"),
    [(RECORD, "methods", {}), (RECORD, "threshold_data", "x"), (COST, "ms_per_image", "x")],
)
def test_a_benchmark_does_not_go_on_with_it(
    results: Path, everything: BenchmarkSettings, name: str, place: str, value: Any
) -> None:
    put(results / name, place, value)
    before = (results / name).read_bytes()
    with pytest.raises(InputError, match=Path(name).name):
        run_benchmark(everything, results)
    assert (results / name).read_bytes() == before


@pytest.mark.bad_input
@pytest.mark.parametrize("name", [RECORD, PART, COST])
def test_a_report_says_which_file_it_is(results: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (results / name).write_bytes(b"x")
    assert main(["report", str(results), "--out", str(results.parent / "page")]) == 2
    error = capsys.readouterr().err
    assert Path(name).name in error
    assert "Traceback" not in error
    assert not (results.parent / "page").exists()
