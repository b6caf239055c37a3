from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.surrogates import Queries, batches

# Mean and std make the mean colour 0 and white 2, so that what is seen of a white picture is seen in the numbers.
PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def pictures(tmp_path: Path) -> LabelledImages:
    (tmp_path / "train" / "a").mkdir(parents=True)
    for number in range(5):
        Image.fromarray(np.full((40, 40, 3), 255 - number, np.uint8)).save(tmp_path / "train" / "a" / f"{number}.png")
    return open_dataset(tmp_path, "train", classes=("a",), preprocessing=PREPROCESSING)


def test_every_picture_is_shown_whole_once_and_masked_in_turn(pictures: LabelledImages) -> None:
    queries = Queries(pictures)
    shown = [queries.picture_of(number) for number in range(60)]
    whole = [picture for picture, is_whole in shown if is_whole]
    assert sorted(whole) == [0, 1, 2, 3, 4]
    assert [number for number, (_, is_whole) in enumerate(shown) if is_whole] == [0, 4, 8, 12, 16]
    masked = [picture for picture, is_whole in shown if not is_whole]
    for start in range(0, 55, 5):
        assert sorted(masked[start : start + 5]) == [0, 1, 2, 3, 4]


def test_a_query_follows_from_its_number_alone(pictures: LabelledImages) -> None:
    queries = Queries(pictures, seed=3)
    backwards = {number: queries[number] for number in reversed(range(12))}
    for start, batch in zip((0, 5, 10), batches(Queries(pictures, seed=3), 0, 12, 5), strict=True):
        for place, image in enumerate(batch):
            assert torch.equal(image, backwards[start + place])
    assert not torch.equal(Queries(pictures, seed=4)[1], queries[1])


def test_masks_are_soft_binary_and_those_of_rise(pictures: LabelledImages) -> None:
    queries = Queries(pictures, fill="mean")
    assert torch.equal(queries[0], pictures[queries.picture_of(0)[0]]["image"])
    seen, binary, soft = [], 0, 0
    for number in range(300):
        picture, whole = queries.picture_of(number)
        if whole or number % 3 == 0:
            continue
        mask = queries[number][0] / pictures[picture]["image"][0]
        seen.append(float(mask.mean()))
        if ((mask < 1e-4) | (mask > 1 - 1e-4)).all():
            binary += 1
        else:
            soft += 1
    # As much is kept as is removed, over the whole range.
    assert 0.4 < np.mean(seen) < 0.6
    assert min(seen) < 0.1
    assert max(seen) > 0.9
    assert 0.35 < binary / (binary + soft) < 0.65


def test_an_augmented_data_set_is_refused(pictures: LabelledImages) -> None:
    pictures.augment = lambda image, *others: image
    with pytest.raises(InputError, match="augments"):
        Queries(pictures)
