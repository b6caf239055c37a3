from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from explanans.training import depthwise
from explanans.training.depthwise import quick_depthwise


@pytest.mark.parametrize("side", [7, 8, 11])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (3, 2, 0), (5, 3, 2), (5, 2, 1)])
def test_gradients_are_those_of_the_ordinary_convolution(side: int, kernel: int, stride: int, padding: int) -> None:
    generator = torch.Generator().manual_seed(side)
    images = torch.randn(2, 4, side, side, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64, generator=generator, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, generator=generator, requires_grad=True)
    expected = functional.conv2d(images, weight, bias, stride, padding, 1, 4)
    found = depthwise._StridedDepthwise.apply(images, weight, bias, (stride, stride), (padding, padding))
    assert torch.equal(found, expected)
    upstream = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    for own, other in zip(
        torch.autograd.grad(found, (images, weight, bias), upstream),
        torch.autograd.grad(expected, (images, weight, bias), upstream),
        strict=True,
    ):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


def test_only_strided_depthwise_convolutions_in_low_precision_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, ...]] = []
    original = depthwise._StridedDepthwise.apply

    def counting(*args: object) -> object:
        taken.append(args[0].shape)  # type: ignore[attr-defined]
        return original(*args)

    monkeypatch.setattr(depthwise._StridedDepthwise, "apply", counting)
    images = torch.randn(1, 4, 8, 8)
    strided = nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4)
    others = [
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
        nn.Conv2d(4, 4, 3, stride=2, dilation=2, padding=1, groups=4),
    ]
    with quick_depthwise(images.device):
        strided(images)
        assert taken == []
        with torch.autocast("cpu", torch.bfloat16):
            for layer in others:
                layer(images)
            assert taken == []
            quick = strided(images)
    assert taken == [images.shape]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quick, strided(images))
