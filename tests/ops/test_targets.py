from __future__ import annotations

import re

import pytest
import torch

from explanans.errors import InputError
from explanans.ops.targets import Target, class_index, multi_hot

CLASSES = ("cat", "dog", "bird")

VALID = {
    "name": ("dog", [[0, 1, 0], [0, 1, 0]]),
    "index": (2, [[0, 0, 1], [0, 0, 1]]),
    "names": (["cat", "bird"], [[1, 0, 1], [1, 0, 1]]),
    "indices": ((0, 1), [[1, 1, 0], [1, 1, 0]]),
    "mixed": (["cat", 1], [[1, 1, 0], [1, 1, 0]]),
    "repeated": ([1, 1], [[0, 1, 0], [0, 1, 0]]),
    "empty list": ([], [[0, 0, 0], [0, 0, 0]]),
    "one class per image": (torch.tensor([2, 0]), [[0, 0, 1], [1, 0, 0]]),
    "one class per image, uint8": (torch.tensor([2, 0], dtype=torch.uint8), [[0, 0, 1], [1, 0, 0]]),
    "multi-hot float": (torch.tensor([[1.0, 0, 1], [0, 0, 0]]), [[1, 0, 1], [0, 0, 0]]),
    "multi-hot bool": (torch.tensor([[True, True, True], [False, True, False]]), [[1, 1, 1], [0, 1, 0]]),
    "multi-hot int": (torch.tensor([[0, 1, 0], [1, 0, 0]]), [[0, 1, 0], [1, 0, 0]]),
}

INVALID = {
    "unknown name": ("fish", "not a class"),
    "index too large": (3, "outside 0 … 2"),
    "negative index": (-1, "outside 0 … 2"),
    "bool": (True, "is a bool"),
    "float": (1.0, "is a float"),
    "None": (None, "is a NoneType"),
    "set": ({1}, "is a set"),
    "list of lists": ([[0, 1]], "is a list"),
    "list with a bool": ([0, True], "is a bool"),
    "0-D tensor": (torch.tensor(1), "0-D"),
    "1-D too short": (torch.tensor([0]), "1 entries for 2 images"),
    "1-D of another length": (torch.tensor([0, 1, 2]), "3 entries for 2 images"),
    "1-D float": (torch.tensor([0.0, 1.0]), "1-D torch.float32"),
    "1-D bool": (torch.tensor([True, False]), "1-D torch.bool"),
    "1-D out of range": (torch.tensor([0, 3]), "outside 0 … 2"),
    "1-D negative": (torch.tensor([0, -1]), "outside 0 … 2"),
    "multi-hot of other classes": (torch.zeros(2, 4), r"multi-hot needs \(2, 3\)"),
    "multi-hot of other batch": (torch.zeros(1, 3), r"multi-hot needs \(2, 3\)"),
    "probabilities": (torch.full((2, 3), 0.5), "other than 0 and 1"),
    "NaN": (torch.full((2, 3), float("nan")), "other than 0 and 1"),
    "3-D tensor": (torch.zeros(2, 3, 1), "3-D"),
}


@pytest.mark.parametrize("name", VALID)
def test_every_form_becomes_multi_hot(name: str) -> None:
    target, expected = VALID[name]
    result = multi_hot(target, CLASSES, 2)
    assert result.dtype == torch.bool
    assert result.int().tolist() == expected


@pytest.mark.bad_input
@pytest.mark.parametrize("name", INVALID)
def test_anything_else_is_refused_and_the_forms_are_listed(name: str) -> None:
    target, complaint = INVALID[name]
    with pytest.raises(InputError, match=complaint) as caught:
        multi_hot(target, CLASSES, 2)
    assert re.search("class name.*index.*list.*1-D.*multi-hot", str(caught.value))


def test_rows_can_be_changed_one_by_one() -> None:
    result = multi_hot("cat", CLASSES, 2)
    result[0, 1] = True
    assert result.int().tolist() == [[1, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("target", ["cat", [0, 1], torch.tensor([2, 0]), torch.zeros(2, 3)], ids=str)
def test_the_result_lies_where_it_is_asked_for(target: Target) -> None:
    assert multi_hot(target, CLASSES, 2, torch.device("meta")).device.type == "meta"
    assert multi_hot(target, CLASSES, 2).device.type == "cpu"


def test_a_tensor_stays_where_it_is() -> None:
    assert multi_hot(torch.tensor([2, 0]), CLASSES, 2, None).device.type == "cpu"
    given = torch.zeros(2, 3)
    assert multi_hot(given, CLASSES, 2, torch.device("cpu")).device == given.device


def test_no_images() -> None:
    assert multi_hot("cat", CLASSES, 0).shape == (0, 3)
    assert multi_hot(torch.zeros(0, dtype=torch.long), CLASSES, 0).shape == (0, 3)


def test_class_index_names_the_classes() -> None:
    assert class_index("bird", CLASSES) == class_index(2, CLASSES) == 2
    assert class_index("cat", CLASSES) == class_index(0, CLASSES) == 0
    with pytest.raises(InputError, match="'cat', 'dog', 'bird'"):
        class_index("Cat", CLASSES)


def test_what_is_said_of_the_classes_that_there_are() -> None:
    """The last index, and twenty names at most."""
    with pytest.raises(InputError, match=r"index 4 is outside 0 … 3\."):
        class_index(4, "abcd")
    names = [f"class {number}" for number in range(21)]
    with pytest.raises(InputError, match=r"'class 19'\. A target"):
        class_index("none", names[:20])
    with pytest.raises(InputError, match=r"'class 19', …\. A target"):
        class_index("none", names)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("1", "(did you mean 'hunting dog', the class at that index? give its name)"),
        ("Dog", "(did you mean one of: hunting dog, dog, hound?)"),
        ("dog hunting", "(did you mean one of: hunting dog?)"),
        ("douhg", "(did you mean 'dough'?)"),
    ],
)
def test_what_a_name_that_is_no_class_may_mean(given: str, meant: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{given!r} is not a class {meant};")):
        class_index(given, ["dough", "hunting dog", "dog, hound"])


@pytest.mark.parametrize("given", ["4", "-1", "9" * 5000, "²", " "])
def test_numbers_that_are_no_place_are_not_read_as_one(given: str) -> None:
    with pytest.raises(InputError) as caught:
        class_index(given, ["cat", "dog"])
    assert "did you mean" not in str(caught.value)
