from __future__ import annotations

from pathlib import Path

import pytest

from explanans.audit.object_boxes import Boxes
from explanans.errors import InputError

HEADER = "image,class,left,top,right,bottom\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "boxes.csv"


def test_a_box_is_scaled_and_cut_at_the_frame(table: Path) -> None:
    table.write_text(HEADER + "a.jpg,dog,10,0,20,5\na,dog,-5,5,5,99\n")
    boxes = Boxes.read(table, ["cat", "dog"], ["folder/a.jpg"])
    cat, dog = boxes.regions("folder/a.jpg", [0, 1], (10, 20), (4, 8))
    assert not cat.any()
    expected = [[0, 0, 0, 0, 1, 1, 1, 1]] * 2 + [[1, 1, 0, 0, 0, 0, 0, 0]] * 2
    assert dog.int().tolist() == expected
    assert not boxes.regions("other", [1], (10, 20), (4, 8)).any()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("b.jpg,dog,0,0,1,1\n", "row 1: 'b.jpg' is no photo of the data"),
        ("a.jpg,cow,0,0,1,1\n", "'cow' is no class; the classes are cat, dog"),
        ("a.jpg,dog,1,0,1,1\n", "is no box; left < right"),
        ("a.jpg,dog,nan,0,1,1\n", "is no box"),
        ("a.jpg,dog,x,0,1,1\n", "must be numbers"),
    ],
)
def test_rows_that_are_refused(table: Path, rows: str, message: str) -> None:
    table.write_text(HEADER + rows)
    with pytest.raises(InputError, match=message):
        Boxes.read(table, ["cat", "dog"], ["a.jpg"])


@pytest.mark.bad_input
def test_columns_that_lack(table: Path) -> None:
    table.write_text("image,class,left\na.jpg,dog,0\n")
    with pytest.raises(InputError, match="lacks the columns top, right, bottom"):
        Boxes.read(table, ["dog"], ["a.jpg"])


@pytest.mark.bad_input
def test_a_box_outside_of_its_photo(table: Path) -> None:
    table.write_text(HEADER + "a.jpg,dog,20,0,30,5\n")
    with pytest.raises(InputError, match=r"\(20, 0, 30, 5\) of a.jpg lies outside of the photo, which is 20 wide"):
        Boxes.read(table, ["dog"], ["a.jpg"]).regions("a.jpg", [0], (10, 20), (4, 8))
