from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanans.benchmark.results_folder import Folder
from explanans.errors import InputError
from explanans.utils.temporaries import temporary_file

DATA = {"source": "voc:a", "name": "a", "split": "val", "fingerprint": "f", "images": ["x"]}
TINY = {
    **{"classes": ["cat"], "weights_hash": "1"},
    "preprocessing": {"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3},
}
ONE = {
    **{"title": "One", "method": "one", "settings": {}, "normalisations": ["raw"]},
    **{"subset": "all", "weights": {"tiny": "w"}},
}
RECORD: dict[str, Any] = {
    "settings": {"seed": 0, "metrics": ["kept"]},
    "seed": 0,
    "reference": None,
    "data": DATA,
    "threshold_data": None,
    "versions": {},
    "machine": {},
    "curve_thresholds": [0.5],
    "classifiers": {"tiny": TINY},
    "methods": {"one": ONE},
    "subset": {"images": ["x"]},
    "thresholds": {},
}


def changed(**entries: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RECORD), **entries}


def claim(path: Path, record: dict[str, Any]) -> Folder:
    folder = Folder(path)
    with folder.claimed(record):
        return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return claim(tmp_path / "out", RECORD)


def read(folder: Folder) -> dict[str, Any]:
    return json.loads((folder.path / "benchmark.json").read_text())


def test_the_same_again_keeps_what_was_found(folder: Folder) -> None:
    folder.record["thresholds"] = {"tiny": {"one": {"raw": 0.3}}}
    folder.write_record()
    again = claim(folder.path, RECORD)
    assert again.record["thresholds"]["tiny"]["one"] == {"raw": 0.3}


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ({"settings": {"seed": 1, "metrics": ["kept"]}}, "settings.seed was 0, is 1"),
        ({"data": {**DATA, "fingerprint": "g"}}, "data.fingerprint"),
        ({"threshold_data": {"fingerprint": "g"}}, "threshold_data.fingerprint"),
        ({"classifiers": {"tiny": {**TINY, "weights_hash": "2"}}}, "classifiers.tiny.weights_hash"),
        ({"methods": {"one": {**ONE, "settings": {"steps": 2}, "weights": {}}}}, "methods.one.settings"),
        ({"methods": {"one": {**ONE, "weights": {"tiny": "v"}}}}, "methods.one.weights"),
    ],
)
def test_another_configuration_is_refused_and_nothing_written(
    folder: Folder, entries: dict[str, Any], named: str
) -> None:
    before = read(folder)
    with pytest.raises(InputError, match=f"holds a benchmark with other settings: {named}"):
        claim(folder.path, changed(**entries))
    assert read(folder) == before


def test_what_changes_no_score_may_change(folder: Folder) -> None:
    claim(folder.path, changed(data={**DATA, "source": "voc:moved"}))
    titled = {"one": {**ONE, "title": "The one"}}
    claim(folder.path, changed(methods=titled, subset=None))
    assert read(folder)["methods"]["one"]["title"] == "The one"
    assert read(folder)["subset"] == {"images": ["x"]}


def test_what_one_run_knows_of_weights_is_not_lost_by_the_next(folder: Folder) -> None:
    other = {"one": {**ONE, "weights": {"big": "b"}}}
    claim(folder.path, changed(classifiers={"big": {**TINY, "weights_hash": "3"}}, methods=other))
    assert read(folder)["methods"]["one"]["weights"] == {"tiny": "w", "big": "b"}
    assert set(read(folder)["classifiers"]) == {"tiny", "big"}
    retrained = {"one": {**ONE, "weights": {"tiny": "v"}}}
    with pytest.raises(InputError, match=r"methods\.one\.weights"):
        claim(folder.path, changed(methods=retrained))


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        claim(tmp_path, RECORD)
    with pytest.raises(InputError, match="is a file"):
        claim(tmp_path / "note.txt", RECORD)
    assert [each.name for each in tmp_path.iterdir()] == ["note.txt"]


def maps(*names: str) -> dict[str, np.ndarray]:
    return {name: np.full((2, 3, 3), len(name), np.uint8) for name in names}


def joined(folder: Folder) -> dict[str, np.ndarray]:
    with np.load(folder.path / "maps" / "tiny" / "one.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_maps_of_any_name_are_joined(folder: Folder) -> None:
    # Three that are arguments of numpy.savez, and one in a folder.
    folder.write_maps("tiny", "one", 0, maps("file", "allow_pickle"))
    folder.write_maps("tiny", "one", 1, maps("args", "cats/ü 1"))
    folder.join_maps("tiny", "one")
    assert list(joined(folder)) == ["file", "allow_pickle", "args", "cats/ü 1"]
    assert (joined(folder)["cats/ü 1"] == 8).all()
    assert joined(folder)["file"].dtype == np.uint8
    assert not (folder.path / "maps" / "tiny" / "one").exists()


def test_killed_while_it_removes_the_parts_no_map_is_lost(folder: Folder) -> None:
    folder.write_maps("tiny", "one", 0, maps("a"))
    folder.write_maps("tiny", "one", 1, maps("bb"))
    folder.join_maps("tiny", "one")
    # As it stood when the first part was gone and the second was not.
    folder.write_maps("tiny", "one", 1, maps("bb"))
    folder.join_maps("tiny", "one")
    assert list(joined(folder)) == ["a", "bb"]
    folder.join_maps("tiny", "one")
    assert list(joined(folder)) == ["a", "bb"]


def test_one_process_at_a_time(folder: Folder) -> None:
    with folder.claimed(RECORD), pytest.raises(InputError, match="another process is writing into out="):
        claim(folder.path, RECORD)


def test_what_a_killed_run_left_is_cleared(folder: Folder, of_the_dead: Callable[[Path], Path]) -> None:
    paths = [folder.part("scores", "tiny", "one", 0), folder.json_path("costs", "tiny", "one"), folder.path / "x.json"]
    folder.write_maps("tiny", "one", 0, maps("a"))
    for path in (*paths, folder.path / "maps" / "tiny" / "one" / "part-00001.npz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        of_the_dead(temporary_file(path))
    claim(folder.path, RECORD)
    found = sorted(path.name for path in folder.path.rglob("*") if path.is_file())
    assert found == [".lock", "benchmark.json", "part-00000.npz"]


def test_damaged_maps_of_a_part_are_named(folder: Folder) -> None:
    folder.write_maps("tiny", "one", 0, maps("a"))
    part = folder.path / "maps" / "tiny" / "one" / "part-00000.npz"
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(InputError, match=r"part-00000\.npz \(maps of a benchmark\) is damaged .*; delete it"):
        folder.join_maps("tiny", "one")
