from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.errors import InputError
from explanans.images.segmentations import as_picture, not_void, numbers_type, void_of


@pytest.mark.parametrize(
    ("classes", "dtype", "void"), [(1, np.uint8, 255), (254, np.uint8, 255), (255, np.int32, 65535)]
)
def test_few_classes_have_8_bits_and_more_have_16(classes: int, dtype: type, void: int) -> None:
    assert numbers_type(classes) == dtype
    assert void_of(numbers_type(classes)) == void


def test_what_is_void_depends_on_the_type() -> None:
    numbers = [0, 254, 255, 300, 65535]
    assert not_void(torch.tensor(numbers[:3], dtype=torch.uint8)).tolist() == [True, True, False]
    assert not_void(torch.tensor(numbers, dtype=torch.int32)).tolist() == [True, True, True, True, False]
    assert not_void(np.array(numbers, np.uint16)).tolist() == [True, True, True, True, False]
    with pytest.raises(InputError, match=r"segmentation is torch\.int64; give uint8, where 255 is void, or .* int32"):
        not_void(torch.tensor(numbers))


@pytest.mark.parametrize(("numbers", "mode"), [([0, 7, 255], "L"), ([0, 255, 300, 65535], "I;16")])
def test_a_file_has_as_many_bits_as_the_numbers(numbers: list[int], mode: str, tmp_path: Path) -> None:
    given = np.array([numbers], np.uint8 if mode == "L" else np.int32)
    as_picture(given).save(tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as opened:
        assert opened.mode == mode
        assert np.asarray(opened).tolist() == given.tolist()
