from __future__ import annotations

from types import MappingProxyType

import pytest
import torch

from explanans.training.precision import choose_precision


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_what_is_asked_for_is_taken(precision: str) -> None:
    assert choose_precision(precision) == precision


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, "32-true"),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "32-true"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"neon": True, "bf16": True}, "bf16-mixed"),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(capabilities), raising=False)
    assert choose_precision("auto", "cpu") == expected


def test_an_old_pytorch_that_cannot_tell_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", "cpu") == "32-true"
