"""A few random inputs of every kind, always the same; benchmarks/fuzz.py tries others for as long as one likes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
EXAMPLES = {"pictures": 60, "archives": 40, "tables": 40, "configurations": 30, "records": 30, "lines": 60, "names": 40}


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    pytest.importorskip("hypothesis", reason="needs hypothesis, of the extra dev")
    spec = importlib.util.spec_from_file_location("fuzz", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


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
def test_another_exception_is_a_failure(fuzz: ModuleType, error: Exception) -> None:
    def use(case: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        fuzz.fuzz((fuzz.st.integers(), use), 3)
