from __future__ import annotations

from typing import Any

import pytest

from explanans.benchmark.settings import BenchmarkSettings, MethodSettings
from explanans.errors import InputError

GIVEN: dict[str, Any] = {"classifiers": {"mine": "folder"}, "data": "voc:x", "methods": {"grad_cam": MethodSettings()}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "data is empty"),
        ({"classifiers": {}}, "classifiers is empty"),
        ({"methods": {}}, "methods is empty"),
        ({"methods": {"../up": MethodSettings("grad_cam")}}, "will name files"),
        ({"methods": {"gard_cam": MethodSettings()}}, "methods: 'gard_cam' is not known; take one of .*grad_cam"),
        ({"metrics": ["iou"]}, r"metrics: \['iou'\] are not known; take of classes"),
        ({"subset_metrics": ["iou"]}, "subset_metrics"),
        ({"metrics": ["road"], "subset_metrics": ["road"]}, r"name \['road'\] both"),
        ({"metrics": []}, "are both empty"),
        ({"also_normalise": ["rank"]}, "also_normalise"),
        ({"methods": {"grad_cam": MethodSettings(normalisations=["rank"])}}, r"methods\.grad_cam\.normalisations"),
        ({"methods": {"grad_cam": MethodSettings(without=["iou"])}}, r"methods\.grad_cam\.without"),
        ({"methods": {"grad_cam": MethodSettings(batch_size=0)}}, r"methods\.grad_cam\.batch_size=0"),
        ({"reference": "rise"}, "reference='rise' is none of the methods"),
        ({"threshold_split": "val"}, "another one"),
        ({"limit": 0}, "limit=0 must be at least 1"),
        ({"subset_size": 0}, "subset_size=0"),
        ({"keep_maps": -1}, "keep_maps=-1 must be at least 0"),
        ({"seed": -1}, "seed=-1"),
        ({"cost_seconds": float("nan")}, "cost_seconds=nan must be a number of seconds"),
        ({"cost_seconds": float("inf")}, "cost_seconds=inf"),
        ({"cost_seconds": -0.5}, "cost_seconds=-0.5"),
    ],
)
def test_wrong_settings_say_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BenchmarkSettings(**{**GIVEN, **changes})
