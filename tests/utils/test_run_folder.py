from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explanans.errors import InputError
from explanans.utils.locks import LOCK
from explanans.utils.records import Kind, write_json
from explanans.utils.run_folder import as_json, check_claimable, check_same, claimed, differences
from explanans.utils.temporaries import temporary_file, temporary_folder

KIND = Kind("test run", "do something", {"settings": dict})
SETTINGS: dict[str, Any] = {"settings": {"seed": 0}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def claim(folder: Path, **options: Any) -> dict[str, Any] | None:
    with claimed(folder / "test.json", KIND, **options) as earlier:
        return earlier


def test_a_new_an_empty_and_an_own_folder_are_claimed(tmp_path: Path) -> None:
    assert claim(tmp_path / "a" / "new") is None
    (tmp_path / "empty").mkdir()
    assert claim(tmp_path / "empty") is None
    assert names(tmp_path / "empty") == [LOCK]
    # Stopped before it wrote its record, it is as good as empty.
    assert claim(tmp_path / "empty") is None
    write_json(tmp_path / "empty" / "test.json", KIND, SETTINGS)
    (tmp_path / "empty" / "result").write_text("")
    assert claim(tmp_path / "empty") == SETTINGS


@pytest.mark.parametrize("with_lock", [False, True])
def test_a_folder_of_other_things_is_refused_and_stays(tmp_path: Path, with_lock: bool) -> None:
    for name in ("thesis.tex", "a", "b", "c", *([LOCK] if with_lock else [])):
        (tmp_path / name).write_text("years")
    before = names(tmp_path)
    expected = r"dest=.* holds other things \(a, b, c, …\) and no test\.json; name a new folder, or empty it\."
    with pytest.raises(InputError, match=expected):
        claim(tmp_path, argument="dest")
    with pytest.raises(InputError, match=r"out=.* holds other things"):
        check_claimable(tmp_path / "test.json")
    assert names(tmp_path) == before
    with pytest.raises(InputError, match=r"out=.*thesis\.tex is a file; name a folder"):
        claim(tmp_path / "thesis.tex")


def test_what_a_run_leaves_before_its_record_is_its_own(tmp_path: Path, of_the_dead: Callable[[Path], Path]) -> None:
    of_the_dead(temporary_file(tmp_path / "test.json"))
    of_the_dead(temporary_folder(tmp_path / "part"))
    (tmp_path / "list").write_text("")
    with pytest.raises(InputError, match=r"other things \(list\)"):
        claim(tmp_path)
    assert claim(tmp_path, remains=("list",)) is None
    assert names(tmp_path) == [LOCK, "list"]


def test_what_a_killed_run_left_below_is_cleared(tmp_path: Path, of_the_dead: Callable[[Path], Path]) -> None:
    write_json(tmp_path / "test.json", KIND, SETTINGS)
    (tmp_path / "part").mkdir()
    of_the_dead(temporary_file(tmp_path / "part" / "x.npz"))
    alive = temporary_file(tmp_path / "part" / "x.npz")
    claim(tmp_path, levels=1)
    assert names(tmp_path / "part") == [alive.name]


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks")
def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "test.json", KIND),
        pytest.raises(InputError, match=r"another process is writing into out=.*; wait until it is done, or name"),
    ):
        claim(tmp_path)
    claim(tmp_path)


def test_a_damaged_record_names_itself(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text("{")
    with pytest.raises(InputError, match=r"test\.json \(test run\) is not valid JSON .*; do something\."):
        claim(tmp_path)


def test_differences_are_named_with_both_values() -> None:
    before = {"a": 1, "b": {"c": [1, 2], "d": None, "e": {"f": 1}}, "g": "same", "gone": True}
    now = {"a": 2, "b": {"c": [1, 3], "d": {"x": 5}, "e": {"f": 1}}, "g": "same", "new": {"y": 0}}
    assert differences(before, now) == [
        "a was 1, is 2",
        "b.c was [1, 2], is [1, 3]",
        "b.d.x was absent, is 5",
        "gone was true, is absent",
        "new.y was absent, is 0",
    ]
    assert differences(before, now, {"a", "b", "gone", "new.y"}) == ['new was absent, is {"y": 0}']
    assert differences(now, now) == []
    assert differences({"a": None}, {"a": {}}) == ["a was null, is {}"]
    assert differences({"a": "x" * 99}, {"a": 1}) == [f'a was "{"x" * 56}…, is 1']


def test_other_settings_are_refused_with_a_next_step(tmp_path: Path) -> None:
    record = tmp_path / "test.json"
    check_same(record, KIND, {"seed": 0}, {"seed": 0})
    check_same(record, KIND, {"run": {"seed": 0}}, {"run": {"seed": 1}}, free={"run.seed"})
    expected = (
        r"out=.* holds a test run with other settings: seed was 0, is 1\. Name a new folder, or repeat .*test\.json"
    )
    with pytest.raises(InputError, match=expected):
        check_same(record, KIND, {"seed": 0}, {"seed": 1})
    many = {str(number): 0 for number in range(8)}
    with pytest.raises(InputError, match=r"4 was 0, is absent; and 3 more\. Do that\."):
        check_same(record, KIND, many, {}, next_step="Do that.")


def test_settings_are_compared_as_they_are_read(tmp_path: Path) -> None:
    settings = as_json({"widths": (4, 8), 1: None})
    write_json(tmp_path / "test.json", KIND, {"settings": settings})
    assert claim(tmp_path) == {"settings": settings} == {"settings": {"widths": [4, 8], "1": None}}
    assert json.loads((tmp_path / "test.json").read_text())["format"] == "explanans test run 1"
