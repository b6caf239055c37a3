from __future__ import annotations

import pyarrow as pa
import pytest

from explanans.audit import samples
from explanans.audit.samples import draw


def part(indices: range, seen: bool = True) -> pa.Table:
    return pa.table({"index": list(indices), "class_index": [n % 2 for n in indices], "seen": [seen] * len(indices)})


def test_a_sample_does_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST", 50)
    whole = draw([part(range(400))], 3)
    pieces = draw([part(range(10)), part(range(10, 399)), part(range(399, 400))], 3)
    assert [len(rows) for rows in whole] == [50, 50, 0]
    for one, other in zip(whole, pieces, strict=True):
        assert one["index"].to_pylist() == other["index"].to_pylist() == sorted(one["index"].to_pylist())
    assert {index % 2 for index in whole[1]["index"].to_pylist()} == {1}
    assert draw([part(range(400))], 3, seed=1)[0]["index"].to_pylist() != whole[0]["index"].to_pylist()


def test_what_is_not_seen_is_no_sample() -> None:
    assert [len(rows) for rows in draw([part(range(6), seen=False)], 2)] == [0, 0]
