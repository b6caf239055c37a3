"""The paper's objective, forward and backward on the CPU without any network, against loops with sorts.

    python benchmarks/objective.py

The loops take one image and one class at a time and sort class masks for the area bound: "present" sorts those of the
image's labels, "every" sorts all and keeps those of the labels. Printed are the median seconds of one step, the ratio
to ours, and by how much a step raises the peak memory of a process. All three compute the same loss.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from explanans import Explanandum, Preprocessing
from explanans.objectives import Stalder2022
from explanans.ops.masking import apply_mask


class Pooled(nn.Module):
    """A classifier that costs nothing: mean colour, then a fixed linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.mean((2, 3)))


def bound_with_sort(mask: Tensor, low: float, high: float) -> Tensor:
    values = mask.flatten().sort(descending=True).values
    lowest, highest = int(low * len(values)), int(high * len(values))
    return ((1 - values[:lowest]).sum() + values[highest:].sum()) / len(values)


def variation(mask: Tensor) -> Tensor:
    return (mask[:, 1:] - mask[:, :-1]).abs().mean() + (mask[1:] - mask[:-1]).abs().mean()


def looped(
    settings: Stalder2022,
    logits: Tensor,
    images: Tensor,
    labels: Tensor,
    explained: Explanandum,
    *,
    sort_every: bool,
) -> Tensor:
    losses = []
    for own, image, wanted in zip(logits, images, labels, strict=True):
        masks = own.sigmoid()
        target, non_target = torch.zeros_like(masks[0]), torch.zeros_like(masks[0])
        bounds = []
        for mask, label in zip(masks, wanted, strict=True):
            if label or sort_every:
                bound = bound_with_sort(mask, settings.minimum_area, settings.maximum_area)
            if label:
                target = torch.maximum(target, mask)
                bounds.append(bound)
            else:
                non_target = torch.maximum(non_target, mask)
        nothing = torch.zeros_like(image)[None]
        kept = explained(apply_mask(image[None], target[None], nothing))
        removed = explained(apply_mask(image[None], 1 - target[None], nothing)).log_softmax(1)
        losses.append(
            nn.functional.binary_cross_entropy_with_logits(kept, wanted[None])
            + settings.entropy_weight * (removed.exp() * removed).mean()
            + settings.bound_weight * torch.stack(bounds).mean()
            + settings.target_weight * target.mean()
            + settings.non_target_weight * non_target.mean()
            + settings.tv_weight * (variation(target) + variation(non_target))
        )
    return torch.stack(losses).mean()


def ours(settings: Stalder2022, logits: Tensor, images: Tensor, labels: Tensor, explained: Explanandum) -> Tensor:
    return torch.stack(list(settings(logits, images, labels, explained).values())).sum()


KINDS: dict[str, Callable[..., Tensor]] = {
    "ours": ours,
    "present": partial(looped, sort_every=False),
    "every": partial(looped, sort_every=True),
}


def measure(kind: str, shape: tuple[int, int, int], repeats: int) -> dict[str, float]:
    """Median seconds of a step, the loss, and by how many MiB the step raises this process's peak memory."""
    count, classes, side = shape
    torch.manual_seed(0)
    logits = torch.randn(count, classes, side, side, requires_grad=True)
    images = torch.randn(count, 3, side, side)
    labels = torch.zeros(count, classes)
    labels[torch.arange(count), torch.arange(count) % classes] = 1
    labels[::2, 0] = 1
    preprocessing = Preprocessing(side, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    names = [str(index) for index in range(classes)]
    explained = Explanandum(Pooled(classes), classes=names, activation="sigmoid", preprocessing=preprocessing)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(repeats):
        logits.grad = None
        start = time.perf_counter()
        loss = KINDS[kind](Stalder2022(), logits, images, labels, explained)
        loss.backward()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # ru_maxrss counts KiB on Linux and bytes on macOS.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return {"seconds": median(seconds), "loss": float(loss.detach()), "mebibytes": (peak - before) / unit}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(16, 20, 224), metavar=("N", "C", "SIDE"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kind", choices=KINDS, help="measure one in this process and print JSON")
    arguments = parser.parse_args()
    if arguments.kind:
        print(json.dumps(measure(arguments.kind, tuple(arguments.shape), arguments.repeats)))
        return
    results = {}
    for kind in KINDS:
        # A process each, because the peak memory of a process never falls.
        command = [sys.executable, __file__, "--kind", kind, "--repeats", str(arguments.repeats), "--shape"]
        command += [str(number) for number in arguments.shape]
        results[kind] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{tuple(arguments.shape)}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for kind, result in results.items():
        ratio = result["seconds"] / results["ours"]["seconds"]
        print(
            f"{kind:8} {result['seconds']:7.3f} s  {ratio:5.1f} x  {result['mebibytes']:6.0f} MiB  "
            f"loss {result['loss']:.6f}"
        )


if __name__ == "__main__":
    main()
