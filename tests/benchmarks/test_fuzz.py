"""A few random inputs of every kind, always the same; benchmarks/fuzz.py tries others for as long as one likes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EXAMPLES = {"pictures": 60, "archives": 40, "tables": 40, "configurations": 30, "records": 30, "lines": 60, "names": 40}


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    pytest.importorskip("hypothesis", reason="needs hypothesis, of the extra dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("fuzz")


@pytest.fixture(scope="module")
def place(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield fuzz.Place(folder)


@pytest.mark.parametrize("name", EXAMPLES)
def test_random_damage_is_answered(fuzz: ModuleType, place: Any, name: str) -> None:
    assert fuzz.fuzz(fuzz.KINDS[name](place), EXAMPLES[name]) >= EXAMPLES[name] // 2


def test_every_kind_is_tried(fuzz: ModuleType) -> None:
    assert EXAMPLES.keys() == fuzz.KINDS.keys()


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), TimeoutError("x")])
def test_another_exception_is_a_failure(fuzz: ModuleType, place: Any, error: Exception) -> None:
    def use(case: Any) -> None:
        raise error

    strategy, _ = fuzz.KINDS["names"](place)
    with pytest.raises(type(error)):
        fuzz.fuzz((strategy, use), 3)
