from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.utils.devices import choose_device


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
