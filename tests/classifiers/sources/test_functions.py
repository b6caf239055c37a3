from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import functions
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(8, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

SERVICE = """
calls = []

def redness(pictures):
    calls.append(pictures.shape)
    red = pictures[..., 0].mean((1, 2)) / 255
    return [[value, 1 - value] for value in red]
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_service.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield "function:their_service:redness"
    sys.modules.pop("their_service", None)


def pictures(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)


def normalised(given: np.ndarray) -> torch.Tensor:
    return PREPROCESSING.normalise(torch.from_numpy(given).permute(0, 3, 1, 2))


def made(function: object, outputs: str = "softmax", **changes: object) -> Explanandum:
    settings = {"classes": ("a", "b"), "outputs": outputs, "preprocessing": PREPROCESSING, **changes}
    return Explanandum.from_function(function, **settings)  # type: ignore[arg-type]


def test_it_sees_the_very_pixels() -> None:
    seen = []

    def answer(given: np.ndarray) -> np.ndarray:
        seen.append(given.copy())
        return np.full((len(given), 2), 0.5)

    classifier = made(answer)
    seen.clear()
    classifier(normalised(pictures()))
    assert seen[0].dtype == np.uint8
    assert np.array_equal(np.concatenate(seen), pictures())


def test_named_on_the_command_line(service: str) -> None:
    spec = f"{service}?outputs=softmax&size=8&batch=2"
    classifier = Explanandum.load(spec, classes=("red", "other"))
    calls = sys.modules["their_service"].calls
    calls.clear()
    red = torch.from_numpy(pictures()[..., 0]).double().mean((1, 2)) / 255
    assert torch.allclose(classifier.probabilities(normalised(pictures()))[:, 0].double(), red, atol=1e-5)
    assert calls == [(2, 8, 8, 3), (2, 8, 8, 3), (1, 8, 8, 3)]
    assert (classifier.activation, classifier.differentiable) == ("softmax", False)


def test_a_saved_folder_runs_it_only_where_it_is_trusted(service: str, tmp_path: Path) -> None:
    classifier = Explanandum.load(f"{service}?outputs=softmax&size=8&version=2", classes=("red", "other"))
    classifier.save(tmp_path / "saved")
    with pytest.raises(InputError, match="trust_factory=True"):
        Explanandum.load(tmp_path / "saved")
    assert Explanandum.load(tmp_path / "saved", trust_factory=True).weights_hash == classifier.weights_hash
    other = Explanandum.load(f"{service}?outputs=softmax&size=8&version=3", classes=("red", "other"))
    assert other.weights_hash != classifier.weights_hash


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda given: np.full((len(given), 2), 0.7), "sum to 1.4"),
        (lambda given: np.full((len(given), 2), -3.0), "outputs=logits"),
        (lambda given: np.full((len(given), 2), np.nan), "returned NaN"),
        (lambda given: np.full(2, 0.5), r"shape \(2,\) for 1 pictures"),
        (lambda given: "cat", "no array of numbers"),
        (lambda given: np.full((len(given), 3), 1 / 3), "2 classes"),
    ],
)
def test_answers_that_are_none(answer: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        made(answer)


def test_a_service_that_stumbles_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(functions, "time", SimpleNamespace(sleep=waits.append))
    turns = iter([ConnectionError("busy"), ConnectionError("busy"), None])

    def stumbling(given: np.ndarray) -> np.ndarray:
        trouble = next(turns, None)
        if trouble is not None:
            raise trouble
        return np.full((len(given), 2), 0.5)

    made(stumbling)
    assert waits == [0.5, 1.0]


def test_a_service_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "time", SimpleNamespace(sleep=lambda seconds: None))

    def gone(given: np.ndarray) -> np.ndarray:
        raise ConnectionError("refused")

    with pytest.raises(InputError, match="failed 3 times, last with ConnectionError: refused"):
        made(gone, retries=2)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("function:their_service:redness", "outputs=softmax, sigmoid or logits"),
        ("function:their_service:absent?outputs=softmax", "has no 'absent'"),
        ("function:their_service:calls?outputs=softmax", "name a function"),
        ("function:their_service:redness?outputs=softmax&speed=3", "its options are"),
        ("function:their_service:redness?outputs=softmax&size=8&retries=often", "retries='often'"),
        ("function:their_service:redness?outputs=softmax", "preprocessing cannot be known"),
    ],
)
def test_what_cannot_be_known_is_asked_for(service: str, spec: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Explanandum.load(spec, classes=("red", "other"))


def test_infinite_logits_are_no_answer(service: str) -> None:
    __import__("their_service").unbounded = lambda given: np.full((len(given), 2), np.inf)
    with pytest.raises(InputError, match="NaN or infinity"):
        Explanandum.load(
            "function:their_service:unbounded?outputs=logits&size=8", classes=("a", "b"), activation="sigmoid"
        )


def test_no_pictures_and_a_folder_of_a_function_in_hand(tmp_path: Path) -> None:
    classifier = made(lambda given: np.full((len(given), 2), 0.5))
    assert classifier.probabilities(normalised(pictures(0))).shape == (0, 2)
    classifier.save(tmp_path / "saved")
    with pytest.raises(InputError, match=r"function in hand.*from_function"):
        Explanandum.load(tmp_path / "saved", trust_factory=True)


def boxes_of(given: np.ndarray) -> list[dict[str, object]]:
    sure = given[..., 0].mean((1, 2)) / 255
    return [{"boxes": [[0, 0, 4, 4]] * 2, "scores": [float(each), 0.5], "labels": ["a", 0]} for each in sure]


def test_boxes_of_a_function_are_reduced() -> None:
    given = pictures()
    red = torch.from_numpy(given[..., 0].mean((1, 2)) / 255).float()
    for reduce, expected in (("max", red.clamp(min=0.5)), ("noisy_or", 1 - (1 - red) * 0.5)):
        probabilities = made(boxes_of, "sigmoid", reduce=reduce).probabilities(normalised(given))
        torch.testing.assert_close(probabilities[:, 0], expected)
        assert (probabilities[:, 1] < 1e-6).all()


def test_pixels_of_a_function_are_reduced() -> None:
    given = pictures()
    answer = made(lambda some: np.stack([some[..., 0], some[..., 1]], 1) / 255, "sigmoid", reduce="mean")
    expected = torch.from_numpy(given[..., :2].mean((1, 2)) / 255).float()
    torch.testing.assert_close(answer.probabilities(normalised(given)), expected)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda given: [{"scores": [0.5], "labels": ["c"]}] * len(given), "found 'c', which is not a class"),
        (lambda given: [{"scores": [0.5], "labels": [2]}] * len(given), "found 2, which is not a class"),
        (lambda given: [{"scores": [], "labels": []}] * 7, "boxes of 7 pictures for"),
        (lambda given: np.zeros((len(given), 2)), "returned a ndarray of shape"),
        (lambda given: "none", "returned a str; with reduce='max'"),
        (lambda given: np.full((len(given), 2, 3, 3), np.nan), "NaN or infinity"),
    ],
)
@pytest.mark.bad_input
def test_answers_that_cannot_be_reduced(answer: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        made(answer, "sigmoid", reduce="max")


@pytest.mark.bad_input
def test_reduced_classes_are_independent() -> None:
    with pytest.raises(InputError, match="outputs='softmax', but with reduce='max'"):
        made(boxes_of, "softmax", reduce="max")
