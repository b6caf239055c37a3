from __future__ import annotations

import pytest
import torch
from torch import nn

from explanans.errors import InputError
from explanans.utils.devices import choose_device, like


def test_the_processor_by_name_and_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert choose_device("cpu") == choose_device("auto") == torch.device("cpu")


def test_an_accelerator_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("meta"))
    assert choose_device("auto") == torch.device("meta")


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "cuda:99"])
def test_what_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"device='{name}' cannot be used here; take auto"):
        choose_device(name)


def test_like_a_module() -> None:
    module = nn.Sequential(nn.BatchNorm2d(2, affine=False), nn.Linear(2, 2, dtype=torch.float64))
    assert like(module).dtype == torch.float64
    # Without parameters a buffer says it, but no count of batches.
    module[0].num_batches_tracked += 1
    assert like(module[0].double()).dtype == torch.float64
    assert like(module[1].to("meta")).device.type == "meta"
    assert like(nn.ReLU()).device.type == "cpu"
    assert torch.zeros(1, dtype=torch.float16).to(like(nn.ReLU())).dtype == torch.float32
