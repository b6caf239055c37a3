from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from explanans.benchmark.calling import Caller
from explanans.benchmark.grids import Grids, pointed

SIZE = 8
CLASSES = 5
# Photo 6 has two labels, photo 7 is not sure, photo 8 is sure of another class too.
LABELS = torch.eye(CLASSES)[[0, 1, 2, 3, 4, 0, 0, 1, 2]]
LABELS[6, 1] = 1


class Photos:
    """Nine photos, each of one value: its position."""

    labels = LABELS

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"image": torch.full((3, SIZE, SIZE), float(index))}


def whole(images: Tensor, indices: list[int]) -> Tensor:
    answers = LABELS * 0.95
    answers[7, 1], answers[8, 4] = 0.85, 0.6
    return answers[list(indices)]


def grids(seed: int = 0, background: tuple[int, ...] = ()) -> Grids:
    return Grids(Photos(), whole, torch.device("cpu"), seed, background)  # type: ignore[arg-type]


def test_four_sure_photos_of_four_classes() -> None:
    made = grids()
    for index in range(6):
        found = made.around(index)
        assert found is not None
        four, cell = found
        assert four[cell] == index
        assert len(four) == len({int(LABELS[each].argmax()) for each in four}) == 4
        assert not {6, 7, 8} & set(four)
    assert [made.around(index) for index in (6, 7, 8)] == [None] * 3


def test_what_is_background_may_be_in_the_photo_too() -> None:
    # Photo 8 shows class 2, and the classifier sees class 4 there.
    assert grids(background=(4,)).around(8) is not None
    assert grids(background=(3,)).around(8) is None


def test_the_draw_follows_from_seed_and_photo() -> None:
    assert [grids().around(index) for index in (3, 1)] == [grids().around(index) for index in (3, 1)]
    assert {str(grids(seed).around(0)) for seed in range(20)} != {str(grids().around(0))}
    cells = [grids(seed).around(0)[1] for seed in range(40)]  # type: ignore[index]
    assert set(cells) == {0, 1, 2, 3}


def test_without_four_classes_there_is_no_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Photos, "labels", LABELS * torch.tensor([1, 1, 1, 0, 0]))
    assert grids().around(0) is None


class Sees:
    """The pixels of one photo, found by its value; fails where it is the photo 2."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.asked.append(targets)
        if (targets[:, 2]).any():
            raise RuntimeError("no map")
        own = targets.int().argmax(1)
        maps = (images[:, 0] - own[:, None, None]).abs() < 0.5
        return maps[:, None].float() * targets[:, :, None, None]


def test_the_share_of_the_photo_s_own_cell() -> None:
    method = Sees()
    found = pointed(Caller("sees", method, 0), grids(), [0, 6, 2, 4], "raw")
    # The photo of class 0 is found where it stands, unless the other photo of that class were there too.
    assert found == {0: 1.0, 2: 0.0, 3: 1.0}
    assert all((targets.sum(1) == 1).all() for targets in method.asked)
    full = SimpleNamespace(calls=0)

    def constant(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        full.calls += 1
        return targets[:, :, None, None].float().expand(-1, -1, SIZE, SIZE).clone()

    assert pointed(Caller("constant", constant, 0), grids(), [0, 1, 5], "raw") == {0: 0.25, 1: 0.25, 2: 0.25}
    assert pointed(Caller("constant", constant, 0), grids(), [6, 7], "raw") == {}
