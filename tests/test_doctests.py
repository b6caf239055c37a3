"""The examples in docstrings say what they compute, and compute it."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import explanans

PACKAGE = Path(explanans.__file__).parent
# Only modules with an example are imported: the others may want an extra that is not installed.
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def test_examples_are_found() -> None:
    assert WITH_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert result.attempted > 0, "examples that no docstring holds are never run"
    assert result.failed == 0, capsys.readouterr().out
