"""A quick backward pass for strided depthwise convolutions on the CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class _StridedDepthwise(torch.autograd.Function):
    """conv2d(x, w, b, stride, padding, groups=channels) whose input gradient is itself a depthwise convolution.

    The gradient is spread out with zeros between its values and convolved, stride 1, with the mirrored kernel.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(images, weight, bias, stride, padding, 1, images.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0]
        images, weight = ctx.saved_tensors
        (down, right), padding = ctx.stride, ctx.padding
        to_images = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            count, channels, height, width = images.shape
            kernel = weight.shape[-2:]
            sides = [
                side + 2 * pad - size + 1 for side, pad, size in zip((height, width), padding, kernel, strict=True)
            ]
            spread = gradient.new_zeros(count, channels, *sides).contiguous(memory_format=torch.channels_last)
            spread[:, :, ::down, ::right] = gradient
            reach = (kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1])
            to_images = functional.conv2d(spread, weight.flip(2, 3), None, 1, reach, 1, channels)
        if ctx.needs_input_grad[1]:
            to_weight = torch.ops.aten.convolution_backward(
                gradient, images, weight, None, ctx.stride, padding, [1, 1], False, [0, 0], images.shape[1],
                [False, True, False],
            )[1]  # fmt: skip
        if ctx.needs_input_grad[2]:
            to_bias = gradient.sum((0, 2, 3))
        return to_images, to_weight, to_bias, None, None


class _QuickDepthwise(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.conv2d and len(args) == 7 and torch.is_autocast_enabled("cpu"):
            images, weight, bias, stride, padding, dilation, groups = args
            stride, padding, dilation = (_pair(value) for value in (stride, padding, dilation))
            depthwise = groups == images.shape[1] == weight.shape[0] and groups > 1
            if (
                depthwise
                and images.device.type == "cpu"
                and stride
                and max(stride) > 1
                and padding
                and dilation == (1, 1)
            ):
                low = torch.get_autocast_dtype("cpu")
                lowered = [None if each is None else each.to(low) for each in (images, weight, bias)]
                return _StridedDepthwise.apply(*lowered, stride, padding)
        return func(*args, **(kwargs or {}))


def quick_depthwise(device: torch.device) -> AbstractContextManager[Any]:
    """A context for the forward pass in which strided depthwise convolutions get a quicker backward pass.

    oneDNN's own takes 10 to 30 times as long as the forward pass (``benchmarks/depthwise.py``), which made it most of
    a training step with MobileNet-like networks in bfloat16. Values are the same, gradients up to rounding. Nothing
    changes on other devices, for other convolutions or in float32, where oneDNN is as quick.
    """
    return _QuickDepthwise() if device.type == "cpu" else nullcontext()


def _pair(value: Any) -> tuple[int, int] | None:
    """Both numbers of a convolution's setting; None for the names that PyTorch also allows ("same")."""
    if isinstance(value, str):
        return None
    return (value, value) if isinstance(value, int) else (value[0], value[1])
