from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.utils import temporaries
from explanans.utils.temporaries import is_temporary, old_folder, sweep, temporary_file, temporary_folder

Kill = Callable[[Path], Path]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["result.json", "no suffix", "a.b-c.npz", "ü" * 100, "x" * 200 + ".png"])
def test_names_are_known_again_and_keep_the_suffix(tmp_path: Path, name: str) -> None:
    file, folder = temporary_file(tmp_path / name), temporary_folder(tmp_path / name)
    assert file.is_file()
    assert folder.is_dir()
    assert file.suffix == Path(name).suffix or not Path(name).suffix
    assert is_temporary(file.name)
    assert is_temporary(folder.name)
    assert is_temporary(old_folder(tmp_path / "x").name)


@pytest.mark.parametrize("name", [".lock", ".git", ".result.json.swp", "result.json.tmp", ".x.12-3.tmp", ".x.tmp"])
def test_names_of_others_are_not_ours(tmp_path: Path, name: str) -> None:
    assert not is_temporary(name)
    (tmp_path / name).write_text("mine")
    sweep(tmp_path)
    assert names(tmp_path) == [name]


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="tells the dead from the living by /proc")
def test_what_the_dead_left_is_cleared_and_what_the_living_write_is_not(tmp_path: Path, of_the_dead: Kill) -> None:
    mine = [temporary_file(tmp_path / "a.json"), temporary_folder(tmp_path / "b")]
    of_the_dead(temporary_file(tmp_path / "a.json"))
    left = of_the_dead(temporary_folder(tmp_path / "b"))
    (left / "half").write_text("1")
    sweep(tmp_path)
    assert names(tmp_path) == sorted(path.name for path in mine)
    # A number that came again: the process that has it now began at another time.
    other = mine[0].with_name(mine[0].name.replace(f"-{temporaries._start(os.getpid())}.", "-7."))
    mine[0].rename(other)
    sweep(tmp_path)
    assert names(tmp_path) == [mine[1].name]


@pytest.mark.parametrize("full", [False, True], ids=["room", "no room"])
def test_workers_that_outlive_their_process_write_nothing_into_what_is_cleared(
    tmp_path: Path, of_the_dead: Kill, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    left = of_the_dead(temporary_folder(tmp_path / "b"))
    (left / "part").mkdir()
    late = left / "part" / "late"
    remove, found = temporaries.shutil.rmtree, []

    def while_a_worker_writes(path: Path, *, ignore_errors: bool) -> None:
        found.append((left / "part").is_dir())
        if found[-1] and not full:
            late.write_text("")
        remove(path, ignore_errors=ignore_errors)

    def no_room(path: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(temporaries.shutil, "rmtree", while_a_worker_writes)
    if full:
        monkeypatch.setattr(temporaries, "temporary_folder", no_room)
    sweep(tmp_path)
    assert found[0] == full
    assert names(tmp_path) == []


def test_only_so_many_levels_are_searched(tmp_path: Path, of_the_dead: Kill) -> None:
    deep = tmp_path / "one" / "two"
    deep.mkdir(parents=True)
    left = of_the_dead(temporary_file(deep / "a.json"))
    sweep(tmp_path, 1)
    assert left.exists()
    (tmp_path / "link").symlink_to(deep)
    sweep(tmp_path, 2)
    assert names(tmp_path) == ["link", "one", "one/two"]


def test_a_link_is_not_followed(tmp_path: Path, of_the_dead: Kill) -> None:
    (tmp_path / "elsewhere").mkdir()
    left = of_the_dead(temporary_file(tmp_path / "elsewhere" / "a.json"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    sweep(tmp_path / "out", 3)
    assert left.exists()


def test_what_another_machine_left_is_cleared_after_a_day(tmp_path: Path) -> None:
    here = temporaries._host()
    new, old = (temporary_file(tmp_path / "a.json") for _ in range(2))
    new, old = (path.rename(path.with_name(path.name.replace(here, "0123abcd"))) for path in (new, old))
    past = time.time() - temporaries.FOREIGN_AGE - 60
    os.utime(old, (past, past))
    sweep(tmp_path)
    assert names(tmp_path) == [new.name]


def test_an_old_folder_comes_back_where_none_took_its_place(tmp_path: Path, of_the_dead: Kill) -> None:
    for name in ("lost", "replaced"):
        waiting = old_folder(tmp_path / name)
        waiting.mkdir()
        (waiting / "old").write_text("")
        of_the_dead(waiting)
    (tmp_path / "replaced").mkdir()
    sweep(tmp_path)
    assert names(tmp_path) == ["lost", "lost/old", "replaced"]


def test_a_folder_is_searched_once(tmp_path: Path, of_the_dead: Kill, monkeypatch: pytest.MonkeyPatch) -> None:
    temporaries.sweep_once(tmp_path)
    left = of_the_dead(temporary_file(tmp_path / "a.json"))
    temporaries.sweep_once(tmp_path)
    assert left.exists()
    # Only the latest are remembered.
    monkeypatch.setattr(temporaries, "_MOST_REMEMBERED", 1)
    (tmp_path / "other").mkdir()
    temporaries.sweep_once(tmp_path / "other")
    temporaries.sweep_once(tmp_path)
    assert not left.exists()
