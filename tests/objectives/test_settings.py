"""What a user may give as an objective's numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from explanans.errors import InputError
from explanans.objectives import OBJECTIVES, Guided, make_objective

WEIGHTS = [
    (name, each.name)
    for name, kind in OBJECTIVES.items()
    for each in dataclasses.fields(kind)
    if each.name.endswith("_weight")
]
SHARES = [
    ("guided", "own_share"),
    ("guided", "level"),
    ("dabkowski2017", "absent_share"),
    ("stalder2022", "minimum_area"),
    ("stalder2022", "maximum_area"),
]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, "much", None, True, [1.0]])
@pytest.mark.parametrize(("objective", "weight"), WEIGHTS)
def test_weights_are_numbers_of_at_least_0(objective: str, weight: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{weight}=.*; give a (number of at least 0|finite number)\."):
        make_objective(objective, **{weight: value})


@pytest.mark.parametrize(("objective", "weight"), WEIGHTS)
def test_a_weight_of_0_or_without_a_point_is_fine(objective: str, weight: str) -> None:
    for value in (0, 2, 1e3):
        assert getattr(make_objective(objective, **{weight: value}), weight) == value


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, "half"])
@pytest.mark.parametrize(("objective", "share"), SHARES)
def test_shares_lie_between_0_and_1(objective: str, share: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{share}=.*; give a (number in \[0, 1\]|finite number)\."):
        make_objective(objective, **{share: value})


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("guided", {"start": -0.1}),
        ("guided", {"own_start": "late"}),
        ("guided", {"absent_classes": 0}),
        ("guided", {"absent_classes": 2.5}),
        ("guided", {"sharpness": 0}),
        ("guided", {"sharpness": float("nan")}),
        ("guided", {"scales": "1.4"}),
        ("guided", {"scales": 1.4}),
        ("guided", {"scales": [1.0, float("nan")]}),
        ("guided", {"scales": ["large"]}),
        ("dabkowski2017", {"destroyer_power": 0}),
        ("dabkowski2017", {"destroyer_power": "strong"}),
    ],
)
def test_other_numbers(objective: str, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(settings))}="):
        make_objective(objective, **settings)


def test_a_start_beyond_the_end_is_never() -> None:
    assert make_objective("guided", start=2.0, own_start=2.0)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_asked_stays(objective: str) -> None:
    asked = make_objective(objective)
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.fill = "black"  # type: ignore[attr-defined]


def test_the_guide_looks_at_an_enlargement_unless_told_otherwise() -> None:
    """320 pixels of a picture of 224."""
    assert Guided() == Guided(scales=(1.43,), sharpness=30.0, level=0.6)
    assert Guided().scales[0] == pytest.approx(320 / 224, abs=0.01)
