from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from explanans.benchmark.results import Results
from explanans.benchmark.slices import SLICES, part_of
from explanans.errors import InputError


def test_kinds_by_hand() -> None:
    rows = pa.table(
        {
            "index": [0, 1, 2, 3, 4],
            "labels": [["a"], ["a", "b"], ["b"], ["b", "c", "a"], ["c"]],
            "object_area": [0.05, 0.1, 0.29, 0.3, None],
        }
    )
    found = {kind: part_of(rows, kind)["index"].to_pylist() for kind in SLICES}
    assert found == {
        "one label": [0, 2, 4],
        "several labels": [1, 3],
        "small objects": [0],
        "medium objects": [1, 2],
        "large objects": [3],
    }
    with pytest.raises(InputError, match=r"photos='many'; take one of one label, several"):
        part_of(rows, "many")


def test_summaries_of_a_kind_are_means_over_it(done: Results) -> None:
    table = done.rows("tiny", "evidence")
    several = np.array([len(labels) > 1 for labels in table["labels"].to_pylist()])
    assert 0 < several.sum() < len(several)
    (row,) = [
        row
        for row in done.summary("iou_soft", subset="all", photos="several labels", steps="own")
        if row.method == "evidence"
    ]
    assert row.images == several.sum()
    assert row.mean["iou_soft"] == pytest.approx(table["iou_soft"].to_numpy()[several].mean())
    indices, values = done.values("iou_soft", "tiny", "evidence", photos="one label")
    assert indices.tolist() == np.flatnonzero(~several).tolist()
    assert len(values) == (~several).sum()
    assert {row.normalisation for row in done.summary("iou_soft", steps="own")} == {"raw"}
