from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from explanans.benchmark.memory import peak_memory

CPU = torch.device("cpu")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_the_highest_rise_not_what_is_left() -> None:
    held = np.ones(16_000_000, np.uint8)
    with peak_memory(CPU) as peak:
        assert peak.megabytes is None
        np.ones(64_000_000, np.uint8).sum()
        np.ones(8_000_000, np.uint8).sum()
    assert held.sum() == 16_000_000
    assert peak.megabytes is not None
    assert 60 < peak.megabytes < 80
    with peak_memory(CPU) as nothing:
        pass
    assert nothing.megabytes is not None
    assert nothing.megabytes < 8


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with peak_memory(CPU) as peak:
        torch.ones(10)
    assert peak.megabytes is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_allocator_that_tells() -> None:
    device = torch.device("cuda")
    with peak_memory(device) as peak:
        torch.ones(16_000_000, device=device)
    assert peak.megabytes == pytest.approx(64, rel=0.05)
