from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from explanans.benchmark import Results

from .scripts import load

specificity_table = load("specificity_table")


class Measured:
    classifiers, methods = ("c",), ("m",)

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        self.matrix = matrix

    def classes(self, classifier: str) -> list[str]:
        return ["cat", "dog", "cow"]

    def title(self, method: str) -> str:
        return "Method"

    def specificity(self, classifier: str, method: str) -> NDArray[np.float64]:
        return self.matrix


def test_means_of_the_diagonal_and_off_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = np.array([[0.5, 0.1, 0.2], [0.3, 0.7, 0.0], [np.nan, np.nan, np.nan]])
    monkeypatch.setattr(Results, "open", lambda run: Measured(matrix))
    specificity_table.main(["run"])
    first, cat, *_ = capsys.readouterr().out.splitlines()
    assert first == "Method: diagonal 60.00, off it 15.00"
    assert cat.split() == ["cat", "50.00", "10.00", "20.00"]


@pytest.mark.bad_input
def test_a_run_without_specificity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Results, "open", lambda run: Measured(np.full((3, 3), np.nan)))
    with pytest.raises(SystemExit, match="2"):
        specificity_table.main(["run"])
    assert "add it to the benchmark's metrics" in capsys.readouterr().err
