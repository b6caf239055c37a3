from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from explanans.errors import InputError
from explanans.objectives import OBJECTIVES, make_objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_weight_is_a_finite_number_of_at_least_zero(name: str) -> None:
    weights = [field.name for field in dataclasses.fields(OBJECTIVES[name]) if field.name.endswith("_weight")]
    assert len(weights) >= 4
    for weight in weights:
        for wrong in ("much", float("nan"), float("inf"), None, -0.1, [1.0], True):
            with pytest.raises(InputError, match=f"{weight}.*give a .*number"):
                make_objective(name, **{weight: wrong})
    assert make_objective(name, **dict.fromkeys(weights, 0)) == OBJECTIVES[name](**dict.fromkeys(weights, 0.0))


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("gided", {}, r"objective='gided' \(did you mean 'guided'\?\); take one of dabkowski2017, guided, stalder2022"),
        ("guided", {"area_wight": 1}, r"'area_wight' is no option of it \(did you mean 'area_weight'\?\)"),
        ("guided", {"scales": "1.4"}, "scales='1.4'; give a list"),
        ("guided", {"scales": [1.0, "x"]}, "scales='x'; give a finite number"),
        ("guided", {"scales": []}, "give at least one enlargement above 0"),
        ("guided", {"level": 1.5}, r"level=1.5; give a number in \[0, 1\]"),
        ("guided", {"start": -0.1}, "start=-0.1; give a number of at least 0"),
        ("guided", {"sharpness": 0}, "sharpness=0.0; give a number above 0"),
        ("guided", {"fill": 3}, "fill=3; give text"),
        ("dabkowski2017", {"absent_share": 2}, "absent_share=2.0; give a share"),
        ("dabkowski2017", {"probability": "softmaxx"}, "give one of classifier, sigmoid, softmax"),
        ("stalder2022", {"minimum_area": "0"}, "minimum_area='0'; give a finite number"),
        ("stalder2022", {"ignorance": None}, "ignorance=null; give one of softmax, sigmoid, absent"),
    ],
)
def test_what_is_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_objective(name, **settings)


def test_lists_from_a_configuration_are_what_the_objective_has() -> None:
    assert make_objective("guided", scales=[1, 2]) == OBJECTIVES["guided"](scales=(1.0, 2.0))
