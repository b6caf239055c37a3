"""Time of the segmentation metrics for one batch, beside a loop over images and thresholds in numpy.

    python benchmarks/segmentation_metrics.py [--device cuda] [--masks 64] [--size 224]

The loop scores one image and one threshold at a time, each score by its own formula, as evaluation scripts do; it runs
on the CPU and is given arrays that already lie there. Both sides are checked to agree to 1e-6 before they are timed.
Printed are medians over repeated runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explanans.metrics import FINE_THRESHOLDS, PAPER_THRESHOLDS, binarised_overlap, soft_overlap


def batched(mask: Tensor, target: Tensor, thresholds: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Soft accuracy, F1, IoU (3, N), and F1, IoU at every threshold (2, N, T)."""
    soft, binary = soft_overlap(mask, target), binarised_overlap(mask, target, thresholds)
    return torch.stack([soft.accuracy(), soft.f1(), soft.iou()]), torch.stack([binary.f1(), binary.iou()])


def f1(mask: NDArray, target: NDArray) -> float:
    return 2 * np.sum(mask * target) / (np.sum(mask) + np.sum(target))


def iou(mask: NDArray, target: NDArray) -> float:
    return np.sum(np.minimum(mask, target)) / np.sum(np.maximum(mask, target))


def looped(mask: NDArray, target: NDArray, thresholds: tuple[float, ...]) -> tuple[NDArray, NDArray]:
    """The same numbers, one image and one threshold at a time."""
    soft = np.zeros((3, len(mask)))
    binary = np.zeros((2, len(mask), len(thresholds)))
    for i, (m, g) in enumerate(zip(mask, target, strict=True)):
        soft[:, i] = 1 - np.abs(m - g).mean(), f1(m, g), iou(m, g)
        for j, threshold in enumerate(thresholds):
            binarised = m >= np.float32(threshold)
            binary[:, i, j] = f1(binarised, g), iou(binarised, g)
    return soft, binary


def median_ms(run: Callable[[], object], repeats: int, device: torch.device) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--masks", default=64, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--repeats", default=7, type=int)
    args = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(args.masks, args.size, args.size, generator=generator)
    target = torch.rand(args.masks, args.size, args.size, generator=generator) < 0.3
    mask_there, target_there = mask.to(args.device), target.to(args.device)
    print(
        f"{args.masks} masks of {args.size}×{args.size}, torch {torch.__version__} on {args.device} "
        f"({torch.get_num_threads()} threads), numpy {np.__version__}; medians of {args.repeats} runs"
    )
    for thresholds in (PAPER_THRESHOLDS, FINE_THRESHOLDS):
        ours = batched(mask_there, target_there, thresholds)
        theirs = looped(mask.numpy(), target.numpy(), thresholds)
        for here, there in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(here.cpu().numpy(), there, rtol=0, atol=1e-6)
        fast = median_ms(lambda t=thresholds: batched(mask_there, target_there, t), args.repeats, args.device)
        slow = median_ms(
            lambda t=thresholds: looped(mask.numpy(), target.numpy(), t), min(args.repeats, 3), torch.device("cpu")
        )
        print(f"{len(thresholds):3d} thresholds: batched {fast:.2f} ms, loop {slow:.2f} ms, ratio {slow / fast:.1f}")


if __name__ == "__main__":
    main()
