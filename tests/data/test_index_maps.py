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
    Image.fromarray(np.array([[0, 70_000]], np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(ImageError, match=r"wide\.tif.* values from 0 to 70000; save it with 16 bits"):
        read_index_map(tmp_path / "wide.tif", lookup)
    with pytest.raises(InputError, match=r"65535 classes; .* at most 65534"):
        index_lookup([1], known=65535)


def test_a_class_whose_number_no_map_can_hold_is_refused() -> None:
    values = [None] * 65_533 + [1, 2]
    with pytest.raises(InputError, match="class number 65535 is in a segmentation, which has values for at most 65534"):
        index_lookup(values, 2)
    assert index_lookup(values[:-1], 2).eight[1] == 65_534


def write_wide(path: Path, values: list[int]) -> Path:
    Image.fromarray(np.array([values], np.uint16)).save(path)
    return path


def test_of_many_classes_255_and_300_are_classes_in_16_bits_and_255_is_void_in_8(tmp_path: Path) -> None:
    lookup = index_lookup(range(1, 1001), known=1000)
    wide = read_index_map(write_wide(tmp_path / "wide.png", [0, 1, 255, 300, 1000, 65535]), lookup)
    assert wide.dtype == np.int32
    assert wide.tolist() == [[0, 1, 255, 300, 1000, 65535]]
    narrow = read_index_map(write(tmp_path / "narrow.png", [0, 1, 254, 255]), lookup)
    assert narrow.dtype == np.int32
    assert narrow.tolist() == [[0, 1, 254, 65535]]
    with pytest.raises(
        ImageError, match=r"over\.png: .* the values 1001, 65534; .*1 to 1000 are classes, 65535 is void\. Paint"
    ):
        read_index_map(write_wide(tmp_path / "over.png", [3, 1001, 65534]), lookup)


def test_of_few_classes_both_kinds_of_files_are_read_into_8_bits(tmp_path: Path) -> None:
    lookup = index_lookup([2, None, 1], known=2)
    found = read_index_map(write_wide(tmp_path / "wide.png", [0, 1, 2, 65535]), lookup)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 3, 1, 255]]
    with pytest.raises(
        ImageError, match=r"255\.png: .* the value 255; .* 65535 is void\. If 255 is void, save .* 8 bits"
    ):
        read_index_map(write_wide(tmp_path / "255.png", [0, 1, 255]), lookup)


def test_16_bits_of_a_tiff_file(tmp_path: Path) -> None:
    lookup = index_lookup(range(1, 401), known=400)
    for number, dtype in enumerate((">u2", "<u2", "<i4")):
        Image.fromarray(np.array([[0, 255, 300, 65535]], dtype)).save(tmp_path / f"{number}.tif")
        assert read_index_map(tmp_path / f"{number}.tif", lookup).tolist() == [[0, 255, 300, 65535]]


def test_classes_present_of_many() -> None:
    assert np.flatnonzero(classes_present(np.array([[0, 65535, 255, 300]], np.int32), 400)).tolist() == [254, 299]
