from __future__ import annotations

import pytest
import torch

from explanans.data import open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.annotated import annotated_pictures, beside_each, classes_there, having_regions

PREPROCESSING = Preprocessing(48, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_a_share_of_the_pictures_and_what_is_in_their_maps(scenes: str) -> None:
    data = open_dataset(scenes, "train", preprocessing=PREPROCESSING)
    labelled = data.labels.any(1).nonzero().flatten().tolist()
    assert annotated_pictures(data, 1.0, 0) == labelled
    some = annotated_pictures(data, 0.5, 0)
    assert len(some) == round(0.5 * len(labelled))
    assert set(some) < set(labelled)
    assert annotated_pictures(data, 0.5, 1) != some
    having = having_regions(data, some)
    assert torch.equal(having[some], data.labels[some].bool())
    assert int(having.any(1).sum()) == len(some)


def test_a_quarter_of_each_batch_where_few_are_annotated() -> None:
    assert beside_each(None, 0.1, 16) == 4
    assert beside_each(None, 1.0, 16) == 0
    assert beside_each(7, 1.0, 8) == 7
    assert beside_each(0, 0.1, 8) == 0


@pytest.mark.bad_input
@pytest.mark.parametrize("beside", [8, -1, 1.5, True])
def test_others_need_room(beside: int) -> None:
    with pytest.raises(InputError, match=r"beside=.*from 0 to 7"):
        beside_each(beside, 0.5, 8)


def test_classes_that_have_a_pixel() -> None:
    few = torch.tensor([[[0, 2, 255]], [[1, 2, 2]]], dtype=torch.uint8)
    assert classes_there(few, 3).tolist() == [[False, True, False], [True, True, False]]
    many = torch.tensor([[[0, 255, 300, 65535]]], dtype=torch.int32)
    assert classes_there(many, 400).nonzero().tolist() == [[0, 254], [0, 299]]
