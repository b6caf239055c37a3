from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explanans.deploy.annotations.brush_code import decode_brush, encode_brush
from explanans.errors import InputError

from .explained_masks import random_masks


def test_brush_code_by_hand() -> None:
    # 4 values in 32 bits; words of 8; the four sizes, each less one; then a run of the first size, 4 long.
    head = f"{4:032b}" + "00111" + "0010" + "0011" + "0111" + "1111"
    wanted = head + "1" + "00" + "011" + "11111111"
    wanted += "0" * (-len(wanted) % 8)
    assert encode_brush(np.ones((1, 1), bool)) == [int(wanted[k : k + 8], 2) for k in range(0, len(wanted), 8)]
    # Four values one by one, of which the last, alpha, counts.
    plain = head + "0" + "00" + "011" + "00000000" * 3 + "00000001"
    plain += "0" * (-len(plain) % 8)
    assert decode_brush([int(plain[k : k + 8], 2) for k in range(0, len(plain), 8)], 1, 1).all()


def test_brush_code_there_and_back() -> None:
    for mask in random_masks():
        assert (decode_brush(encode_brush(mask), *mask.shape) == mask).all()


def test_brush_code_is_what_label_studio_reads() -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="needs label-studio-sdk")
    for mask in random_masks():
        read = brush.decode_rle(encode_brush(mask)).reshape(*mask.shape, 4)
        assert (read == 255 * mask[..., None]).all()
        theirs = brush.encode_rle(np.repeat(mask.ravel() * np.uint8(255), 4))
        assert (decode_brush(theirs, *mask.shape) == mask).all()


@pytest.mark.bad_input
@pytest.mark.parametrize("code", [[], [1, 2, 3], [0, 0, 0, 4, 56], "text", [300], encode_brush(np.ones((2, 2), bool))])
def test_wrong_brush_codes(code: Any) -> None:
    with pytest.raises(InputError, match="rle"):
        decode_brush(code, 3, 3)
