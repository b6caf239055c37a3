"""The matrix of docs/which-method.md is that of the code."""

from __future__ import annotations

import pytest

import method_matrix
from explanans.methods import METHODS


def test_the_page_has_the_matrix_of_the_code() -> None:
    assert method_matrix.problems() == []


def test_every_method_has_a_row_with_what_it_needs() -> None:
    rows = {line.split("`")[1]: line for line in method_matrix.matrix().splitlines()[2:]}
    # Other tests enter methods of their own.
    own = {name for name, entry in METHODS.items() if entry.build.__module__.startswith("explanans.")}
    assert set(rows) == {name for name in own if not name.startswith("constant")}
    assert rows["grad_cam"].startswith("| Grad-CAM | `grad_cam` |  | ● | ● |  |  |  |")
    assert rows["occlusion"].startswith("| Occlusion | `occlusion` | ● |  |  |  |  |  |")
    assert rows["explainer"].startswith("| Explainer | `explainer` |  |  |  |  | ● |  |")


def test_a_method_without_its_costs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(method_matrix.COSTS, "rise")
    with pytest.raises(SystemExit, match="rise"):
        method_matrix.matrix()
