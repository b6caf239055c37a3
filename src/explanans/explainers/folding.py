"""Batch norms folded into the convolutions before them: the same masks in less time, for a network that is trained."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from explanans.utils.hooks import watching
from explanans.utils.modes import evaluating


@torch.no_grad()
def fold_batch_norms(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy of ``network`` in evaluation mode, without the batch norms that follow a convolution.

    In evaluation mode a batch norm is a scale and a shift per channel, γ/√(σ² + ε) and β − μγ/√(σ² + ε), which the
    weights and the bias of the convolution can hold. One pass over ``images`` finds the pairs: a batch norm whose input
    is the very tensor that a convolution returned, each used once. A batch norm that has an activation inside (timm's)
    leaves that behind. If the copy's answer to ``images`` differs by more than rounding, because something else used
    the convolution's output too, an unchanged copy is returned.

    Args:
        network: (N, 3, H, W) → (N, C, h, w).
        images: some, of the network's size.
    """
    folded = copy.deepcopy(network).eval()
    parts = dict(folded.named_modules())
    for convolution, norm in _pairs(folded, images):
        before, after = cast(nn.Conv2d, parts[convolution]), cast(nn.BatchNorm2d, parts[norm])
        mean, variance = cast(Tensor, after.running_mean), cast(Tensor, after.running_var)
        before.weight, before.bias = fuse_conv_bn_weights(
            before.weight, before.bias, mean, variance, after.eps, after.weight, after.bias
        )
        parent, _, name = norm.rpartition(".")
        # timm's batch norms are followed by an activation of their own.
        setattr(parts[parent] if parent else folded, name, getattr(after, "act", None) or nn.Identity())
    with evaluating(network):
        expected, got = network(images), folded(images)
    close = torch.allclose(got, expected, rtol=1e-3, atol=1e-3 * max(1.0, float(expected.abs().max())))
    return folded.eval() if close else copy.deepcopy(network).eval()


def _pairs(network: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Names of convolutions and of the batch norms that take their output."""
    made: dict[int, tuple[str, Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    calls: Counter[str] = Counter()

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        calls[name] += 1
        if isinstance(module, nn.Conv2d):
            # The tensor is kept, so that no later one can have its identity.
            made[id(output)] = (name, output)
        elif inputs and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], name))

    parts = [
        (name, part)
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d) or (isinstance(part, nn.BatchNorm2d) and part.track_running_stats)
    ]
    with watching(parts, see):
        network(images)
    return [pair for pair in pairs if calls[pair[0]] == calls[pair[1]] == 1]
