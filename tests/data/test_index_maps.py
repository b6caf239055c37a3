from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.data.index_maps import classes_present, index_lookup, read_index_map
from explanans.errors import InputError
from explanans.images.reading import ImageError


def write(path: Path, values: list[int], mode: str = "L") -> Path:
    picture = Image.new(mode, (len(values), 1))
    if mode == "P":
        picture.putpalette(bytes(range(256)) * 3)
    picture.putdata(values)
    picture.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "P"])
def test_values_become_the_chosen_classes_and_the_rest_background(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "m.png", [0, 1, 2, 3, 4, 255], mode)
    assert read_index_map(path, index_lookup([3, 1], known=4)).tolist() == [[0, 2, 0, 1, 0, 255]]


def test_classes_present_leaves_out_background_and_void() -> None:
    assert classes_present(np.array([[0, 255, 2, 2]], np.uint8), 3).tolist() == [0, 1, 0]
    assert classes_present(np.array([[0, 255]], np.uint8), 2).tolist() == [0, 0]


def test_bad_maps(tmp_path: Path) -> None:
    lookup = index_lookup([1, 2], known=2)
    with pytest.raises(ImageError, match=r"m\.png.* values 3, 77; .*1 to 2 are classes") as caught:
        read_index_map(write(tmp_path / "m.png", [0, 3, 77]), lookup)
    assert caught.value.path == tmp_path / "m.png"
    Image.new("RGB", (2, 2)).save(tmp_path / "rgb.png")
    with pytest.raises(ImageError, match=r"rgb\.png.*mode RGB"):
        read_index_map(tmp_path / "rgb.png", lookup)
    with pytest.raises(ImageError, match="no such file"):
        read_index_map(tmp_path / "missing.png", lookup)
    with pytest.raises(InputError, match="254"):
        index_lookup([1], known=255)


def test_a_class_whose_number_no_map_can_hold_is_refused() -> None:
    # The last two of three hundred classes are in the maps.
    values = [None] * 298 + [1, 2]
    with pytest.raises(InputError, match="class number 300 is in a segmentation, which has values for at most 254"):
        index_lookup(values, 2)
    assert index_lookup([1, 2] + [None] * 298, 2)[2] == 2
