from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from explanans.errors import InputError
from explanans.utils.files import atomic_file, atomic_folder, scratch_folder
from explanans.utils.temporaries import is_temporary, temporary_file, temporary_folder


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill_and_raise(folder: Path, error: type[BaseException]) -> None:
    with atomic_folder(folder, replace_if_holds="mark") as temporary:
        (temporary / "mark").write_text("half")
        raise error


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "result.json"
    with atomic_file(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".json"
        assert not target.exists()
    assert target.read_text() == "new"
    assert listing(target.parent) == ["result.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_block_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail() -> None:
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert listing(tmp_path) == ["result.json"]


def test_a_file_is_readable_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_file(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    with atomic_folder(tmp_path / "folder"):
        pass
    (tmp_path / "made").mkdir()
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "folder").stat().st_mode == (tmp_path / "made").stat().st_mode


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "result"
    with atomic_folder(target) as temporary:
        (temporary / "mark").write_text("1")
        assert not target.exists()
    assert listing(target) == ["mark"]
    assert listing(tmp_path) == ["result"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_block_leaves_no_folder(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fill_and_raise(tmp_path / "result", error)
    assert listing(tmp_path) == []


def test_an_interrupted_block_leaves_the_old_folder(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "result") as temporary:
        (temporary / "mark").write_text("old")
    with pytest.raises(KeyError):
        fill_and_raise(tmp_path / "result", KeyError)
    assert (tmp_path / "result" / "mark").read_text() == "old"
    assert listing(tmp_path) == ["result"]


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "result") as temporary:
        (temporary / "mark").write_text("old")
        (temporary / "left over").write_text("old")
    with atomic_folder(tmp_path / "result", replace_if_holds="mark") as temporary:
        (temporary / "mark").write_text("new")
    assert (tmp_path / "result" / "mark").read_text() == "new"
    assert listing(tmp_path / "result") == ["mark"]
    assert listing(tmp_path) == ["result"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "result"
    with atomic_folder(target) as temporary:
        (temporary / "mark").write_text("old")
    replace = Path.replace

    def refuse(self: Path, destination: Path) -> Path:
        if destination == target and not self.name.endswith(".old"):
            raise OSError("the disk says no")
        return replace(self, destination)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk"), atomic_folder(target, replace_if_holds="mark") as temporary:
        (temporary / "mark").write_text("new")
    assert (target / "mark").read_text() == "old"
    assert listing(tmp_path) == ["result"]


@pytest.mark.parametrize("mark", [None, "mark"])
def test_a_foreign_folder_is_refused_before_any_work(tmp_path: Path, mark: str | None) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="holds other things"), atomic_folder(target, replace_if_holds=mark):
        pytest.fail("the block must not run")
    assert listing(target) == ["thesis.tex"]
    with pytest.raises(InputError, match="is a file"), atomic_folder(target / "thesis.tex"):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_scratch_folder_vanishes(tmp_path: Path, error: type[BaseException] | None) -> None:
    with suppress(KeyboardInterrupt), scratch_folder(tmp_path / "deep" / "result") as folder:
        assert is_temporary(folder.name)
        (folder / "half").write_text("")
        if error is not None:
            raise error
    assert listing(tmp_path / "deep") == []


def test_what_a_killed_process_left_is_cleared(tmp_path: Path, of_the_dead: Callable[[Path], Path]) -> None:
    for number, write in enumerate((atomic_file, atomic_folder, scratch_folder)):
        folder = tmp_path / str(number)
        folder.mkdir()
        of_the_dead(temporary_file(folder / "result"))
        (of_the_dead(temporary_folder(folder / "other")) / "half").write_text("")
        with write(folder / "result"):
            assert len(listing(folder)) == 1
    assert listing(tmp_path / "0") == listing(tmp_path / "1") == ["result"]


def test_whatever_lies_in_a_place_of_ones_own_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "old").write_text("")
    with atomic_folder(tmp_path / "mine", replace=True) as temporary:
        (temporary / "new").write_text("")
    assert listing(tmp_path / "mine") == ["new"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    with atomic_folder(tmp_path / "result") as temporary:
        (temporary / "mark").write_text("1")
    assert listing(tmp_path / "result") == ["mark"]
