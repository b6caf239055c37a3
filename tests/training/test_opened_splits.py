from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.opened_splits import augmented, check_batch, describe, facts_of, open_splits
from explanans.training.run_settings import Run

from .conftest import PREPROCESSING


def pictures(labels: list[list[float]], classes: str = "abc", **changes: Any) -> LabelledImages:
    names = [str(number) for number in range(len(labels))]
    given = {
        "name": "mine",
        "classes": tuple(classes),
        "paths": [Path(name) for name in names],
        "names": names,
        "labels": torch.tensor(labels).reshape(len(labels), len(classes)),
        "preprocessing": PREPROCESSING,
    }
    return LabelledImages(**{**given, **changes})


def split(data: Any, validation: Any = None, run: Run | None = None, **changes: Any) -> Any:
    settings = {"classes": "abc", "preprocessing": PREPROCESSING, "run": run or Run(batch_size=2), **changes}
    return open_splits(data, validation, "train", "val", **settings)


FOUR = [[1.0, 0, 0]] * 4


def test_both_splits_are_opened_alike(scenes: str, classes: tuple[str, ...]) -> None:
    training, held_out = split(scenes, classes=classes)
    assert (len(training), len(held_out)) == (24, 8)
    assert training.preprocessing == held_out.preprocessing == PREPROCESSING
    assert training.augment is held_out.augment is None
    assert split(scenes, training, classes=classes)[1] is training


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"data: mine has the classes \('x', 'y', 'z'\), the classifier \('a', 'b'"):
        split(pictures(FOUR, "xyz"))
    with pytest.raises(InputError, match=r"validation: mine has the classes"):
        split(pictures(FOUR), pictures(FOUR, "xyz"))
    assert len(split(pictures(FOUR, "xyz"), labels=False)[0]) == 4
    other = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"data: mine was opened with .*32.*; this classifier needs .*48"):
        split(pictures(FOUR, preprocessing=other))


def test_nothing_to_validate_on_is_refused() -> None:
    with pytest.raises(InputError, match="validation: empty has no picture; name another validation_split"):
        split(pictures(FOUR), pictures([], name="empty"))


def test_fewer_pictures_than_a_batch_are_refused() -> None:
    wanted = r"data: mine has 4 pictures, fewer than one batch \(run.batch_size=5\).*run.batch_size=4 or less"
    with pytest.raises(InputError, match=wanted):
        split(pictures(FOUR), run=Run(batch_size=5))
    assert len(split(pictures(FOUR), run=Run(batch_size=4))[0]) == 4
    # On three devices of two machines each batch is made six times.
    check_batch(12, Run(batch_size=2, devices=3, num_nodes=2), "data")
    with pytest.raises(InputError, match=r"data has 11 pictures.*run.batch_size=2 on each of 6 devices.*=1 or less"):
        check_batch(11, Run(batch_size=2, devices=3, num_nodes=2), "data")


def test_a_change_of_its_own_stays() -> None:
    one, other = torch.nn.Identity(), torch.nn.Identity()
    plain = pictures(FOUR)
    assert augmented(plain, one).augment is one
    assert plain.augment is None
    assert augmented(pictures(FOUR, augment=other), one).augment is other


def test_counts_of_classes() -> None:
    labels = [[1.0, 0, 0], [1.0, 1, 0], [0.0, 0, 0]]
    assert describe("training", pictures(labels)).splitlines() == [
        "training: 3 pictures of mine; a 2, b 1; 1 without a label",
        "training: no picture of c",
    ]


def test_of_many_classes_the_ends_are_listed() -> None:
    classes = "abcdefghijklmnopqrst"
    labels = [[float(row <= column) for column in range(20)] for row in range(20)]
    line = describe("validation", pictures(labels, classes))
    ends = "t 20, s 19, r 18, q 17, p 16, o 15, … f 6, e 5, d 4, c 3, b 2, a 1"
    assert line == f"validation: 20 pictures of mine; {ends} (20 classes)"
    nothing = describe("validation", pictures([[0.0] * 20], classes))
    assert nothing.endswith(
        "; 1 without a label\nvalidation: no picture of a, b, c, d, e, f, g, h, i, j, k, l and 8 more"
    )


def test_facts(scenes: str) -> None:
    data = open_dataset(scenes, "val", preprocessing=PREPROCESSING)
    facts = facts_of(data)
    assert facts == {"name": data.name, "images": 8, "hash": data.fingerprint()}
