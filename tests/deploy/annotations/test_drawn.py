from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.deploy.annotations.drawn import TABLE, Drawn, write_drawn
from explanans.errors import InputError

THOUSAND = [f"c{number}" for number in range(1000)]


def squares(names: list[str]) -> list[Drawn]:
    """A picture of one row with a pixel of each class."""
    return [Drawn("a.png", name, np.arange(len(names))[None] == place) for place, name in enumerate(names)]


def test_of_a_thousand_classes_those_that_were_drawn_have_values(tmp_path: Path) -> None:
    names = write_drawn(squares(["c999", "c300", "c7"]), tmp_path / "out", THOUSAND)
    assert names == ["c7", "c300", "c999"]
    assert np.asarray(Image.open(tmp_path / "out" / "masks" / "000000.png")).tolist() == [[3, 2, 1]]
    assert "a.png" in (tmp_path / "out" / TABLE).read_text(encoding="utf-8")


def test_a_list_that_has_values_for_all_keeps_them(tmp_path: Path) -> None:
    assert write_drawn(squares(["c253"]), tmp_path / "out", THOUSAND[:254]) == THOUSAND[:254]
    assert np.asarray(Image.open(tmp_path / "out" / "masks" / "000000.png")).tolist() == [[254]]


@pytest.mark.bad_input
@pytest.mark.parametrize("classes", [None, THOUSAND])
def test_more_drawn_classes_than_values(tmp_path: Path, classes: list[str] | None) -> None:
    with pytest.raises(InputError, match=r"255 classes were drawn, .* at most 254; export the pictures in parts"):
        write_drawn(squares(THOUSAND[:255]), tmp_path / "out", classes)
    assert not (tmp_path / "out").exists()


@pytest.mark.bad_input
def test_a_class_that_is_not_in_a_long_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'other' was drawn and is not among c0, .* and 980 more\.$"):
        write_drawn(squares(["other"]), tmp_path / "out", THOUSAND)
