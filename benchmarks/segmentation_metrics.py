"""Time of the segmentation metrics for one batch, beside a loop over images (and thresholds) in numpy.

    python benchmarks/segmentation_metrics.py [--device cuda] [--masks 64] [--size 224] [--repeats 7]

The loop scores one image and one threshold at a time, each score by its own formula, as evaluation scripts do; it runs
on the CPU and is given arrays that already lie there, with objects that are bool already. Both sides are checked to
agree to 1e-6 and are then timed in turns. Printed are medians of the wall clock, which is what a user waits, and of the
processor's time, which another load on the machine changes less. OMP_NUM_THREADS sets the threads of the batched side;
the loop has one.
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

from explanans.metrics import (
    FINE_THRESHOLDS,
    PAPER_THRESHOLDS,
    average_precision,
    background_coverage,
    binarised_overlap,
    object_coverage,
    roc_auc,
    soft_overlap,
)
from explanans.utils.memory import keep_freed_memory

Side = Callable[[], list[Tensor] | list[NDArray]]


def f1(mask: NDArray, target: NDArray) -> float:
    return 2 * np.sum(mask * target) / (np.sum(mask) + np.sum(target))


def iou(mask: NDArray, target: NDArray) -> float:
    return np.sum(np.minimum(mask, target)) / np.sum(np.maximum(mask, target))


def overlap(mask: Tensor, target: Tensor, thresholds: tuple[float, ...]) -> list[Tensor]:
    """Soft accuracy, F1, IoU, each (N,), and F1, IoU at every threshold, each (N, T)."""
    soft, binary = soft_overlap(mask, target), binarised_overlap(mask, target, thresholds=thresholds)
    return [soft.accuracy(), soft.f1(), soft.iou(), binary.f1(), binary.iou()]


def overlap_loop(mask: NDArray, target: NDArray, thresholds: tuple[float, ...]) -> list[NDArray]:
    """The same numbers, one image and one threshold at a time."""
    soft = np.zeros((3, len(mask)))
    binary = np.zeros((2, len(mask), len(thresholds)))
    for i, (m, g) in enumerate(zip(mask, target, strict=True)):
        soft[:, i] = 1 - np.abs(m - g).mean(), f1(m, g), iou(m, g)
        for j, threshold in enumerate(thresholds):
            binarised = m >= np.float32(threshold)
            binary[:, i, j] = f1(binarised, g), iou(binarised, g)
    return [*soft, *binary]


def coverage_loop(mask: NDArray, target: NDArray) -> list[NDArray]:
    rows = [
        (m[g].sum(dtype=np.float64) / g.sum(), m[~g].sum(dtype=np.float64) / (~g).sum())
        for m, g in zip(mask, target, strict=True)
    ]
    return [np.array(column) for column in zip(*rows, strict=True)]


def running_counts(mask: NDArray, target: NDArray) -> tuple[NDArray, NDArray]:
    """Object pixels and all pixels at or above each distinct value of a mask, from the highest."""
    order = np.argsort(-mask, axis=None)
    values = mask.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    return np.cumsum(target.ravel()[order])[last], last + 1


def roc_auc_loop(mask: NDArray, target: NDArray) -> list[NDArray]:
    scores = []
    for m, g in zip(mask, target, strict=True):
        hits, reached = running_counts(m, g)
        scores.append(np.trapezoid(np.append(0, hits / g.sum()), np.append(0, (reached - hits) / (~g).sum())))
    return [np.array(scores)]


def average_precision_loop(mask: NDArray, target: NDArray) -> list[NDArray]:
    scores = []
    for m, g in zip(mask, target, strict=True):
        hits, reached = running_counts(m, g)
        scores.append(np.sum(np.diff(hits, prepend=0) * (hits / reached)) / g.sum())
    return [np.array(scores)]


def median_ms(sides: tuple[Side, Side], repeats: int, device: torch.device) -> list[tuple[float, float]]:
    """Wall clock and processor time of each side, which are run in turns so that both meet the same machine."""
    times: tuple[list, list] = ([], [])
    for _ in range(repeats + 1):
        for side, taken in zip(sides, times, strict=True):
            wall, processor = time.perf_counter(), time.process_time()
            side()
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
            taken.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)))
    # The first turn warms up.
    return [tuple(statistics.median(column) for column in zip(*taken[1:], strict=True)) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--masks", default=64, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--repeats", default=7, type=int)
    args = parser.parse_args()
    keep_freed_memory()  # as the commands do

    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(args.masks, args.size, args.size, generator=generator)
    target = torch.rand(args.masks, args.size, args.size, generator=generator) < 0.3
    m, g = mask.numpy(), target.numpy()
    mask, target = mask.to(args.device), target.to(args.device)
    cases: dict[str, tuple[Side, Side]] = {
        f"soft scores, F1 and IoU at {len(t)} thresholds": (
            lambda t=t: overlap(mask, target, t),
            lambda t=t: overlap_loop(m, g, t),
        )
        for t in (PAPER_THRESHOLDS, FINE_THRESHOLDS)
    }
    cases["object and background coverage"] = (
        lambda: [object_coverage(mask, target), background_coverage(mask, target)],
        lambda: coverage_loop(m, g),
    )
    cases["ROC-AUC"] = lambda: [roc_auc(mask, target)], lambda: roc_auc_loop(m, g)
    cases["average precision"] = lambda: [average_precision(mask, target)], lambda: average_precision_loop(m, g)
    print(
        f"{args.masks} masks of {args.size}×{args.size}, torch {torch.__version__} on {args.device} "
        f"({torch.get_num_threads()} threads), numpy {np.__version__}; medians of {args.repeats} runs, ms: "
        "wall clock (processor time)"
    )
    for name, (batched, loop) in cases.items():
        for ours, theirs in zip(batched(), loop(), strict=True):
            np.testing.assert_allclose(ours.cpu().numpy(), theirs, rtol=0, atol=1e-6)
        (wall, processor), (loop_wall, loop_processor) = median_ms((batched, loop), args.repeats, args.device)
        print(
            f"{name:40s} batched {wall:7.2f} ({processor:7.2f})   loop {loop_wall:7.1f} ({loop_processor:7.1f})   "
            f"ratio {loop_wall / wall:5.1f} ({loop_processor / processor:5.1f})"
        )


if __name__ == "__main__":
    main()
