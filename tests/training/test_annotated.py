from __future__ import annotations

import torch

from explanans.data import open_dataset
from explanans.images.preprocessing import Preprocessing
from explanans.training.annotated import annotated_pictures, having_regions

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
