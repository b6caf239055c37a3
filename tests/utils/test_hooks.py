from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explanans.utils.hooks import watching


def network() -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Flatten(), nn.ReLU())


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_each_pass_is_told_by_name_and_nothing_stays() -> None:
    module, told = network(), []

    def see(name: str, part: nn.Module, inputs: Any, output: Tensor) -> None:
        told.append((name, part, inputs[0].tolist(), output.tolist()))

    with watching(module.named_children(), see):
        module(torch.tensor([[-1.0, 2.0]]))
    module(torch.tensor([[5.0]]))
    assert told == [
        ("0", module[0], [[-1.0, 2.0]], [[0.0, 2.0]]),
        ("1", module[1], [[0.0, 2.0]], [[0.0, 2.0]]),
        ("2", module[2], [[0.0, 2.0]], [[0.0, 2.0]]),
    ]
    assert hooks(module) == 0


def test_what_is_returned_takes_the_output_s_place() -> None:
    module = network()
    with watching([("first", module[0])], lambda name, part, inputs, output: output - 3):
        assert module(torch.tensor([[5.0, 1.0]])).tolist() == [[2.0, 0.0]]
    assert module(torch.tensor([[5.0, 1.0]])).tolist() == [[5.0, 1.0]]


def test_nothing_stays_when_the_block_or_a_part_fails() -> None:
    module = network()
    with pytest.raises(RuntimeError), watching(module.named_children(), lambda *told: None):
        module(torch.zeros(3) @ torch.zeros(2))
    assert hooks(module) == 0
    with pytest.raises(AttributeError), watching([("good", module[0]), ("none", None)], lambda *told: None):  # type: ignore[list-item]
        pass
    assert hooks(module) == 0


def test_what_begins_is_told_before_it_ends() -> None:
    module, told = network(), []

    def see(name: str, part: nn.Module, inputs: Any, output: Tensor) -> None:
        told.append(name)

    with watching(module.named_children(), see, lambda: told.append("begins")):
        module(torch.tensor([[1.0]]))
    assert told == ["begins", "0", "begins", "1", "begins", "2"]
    assert hooks(module) == 0
    assert not any(part._forward_pre_hooks for part in module.modules())
