"""Time of the segmentation metrics for one batch, beside a loop over images and thresholds in numpy.

    python benchmarks/segmentation_metrics.py [--device cuda] [--masks 64] [--size 224]

Both sides compute, for every mask: soft accuracy, F1, IoU, object and background coverage; accuracy, F1 and IoU at
every threshold; ROC-AUC and average precision. The loop scores one image and one threshold at a time, each score by
its own formula, as evaluation scripts do; it runs on the CPU and is given arrays that already lie there. Both sides are
checked to agree to 1e-6 before they are timed, in turns. Printed are medians over repeated runs: of all scores, and of
those without the two rankings.
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

from explanans import metrics
from explanans.metrics import FINE_THRESHOLDS, PAPER_THRESHOLDS

Scores = dict[str, NDArray]


def batched(mask: Tensor, target: Tensor, thresholds: tuple[float, ...], rankings: bool) -> dict[str, Tensor]:
    """Soft scores (N,), binarised scores (N, T), rankings (N,)."""
    soft = metrics.soft_overlap(mask, target)
    ranks = metrics.ranking(mask, target)
    binary = ranks.overlap(torch.tensor(thresholds))
    scores = {
        "soft accuracy": soft.accuracy(),
        "soft F1": soft.f1(),
        "soft IoU": soft.iou(),
        "object coverage": soft.object_coverage(),
        "background coverage": soft.background_coverage(),
        "accuracy": binary.accuracy(),
        "F1": binary.f1(),
        "IoU": binary.iou(),
    }
    if rankings:
        scores |= {"ROC-AUC": ranks.roc_auc(), "average precision": ranks.average_precision()}
    return scores


def accuracy(mask: NDArray, target: NDArray) -> float:
    return 1 - np.mean(np.abs(mask - target))


def f1(mask: NDArray, target: NDArray) -> float:
    return 2 * np.sum(mask * target) / (np.sum(mask) + np.sum(target))


def iou(mask: NDArray, target: NDArray) -> float:
    return np.sum(np.minimum(mask, target)) / np.sum(np.maximum(mask, target))


def _counts(mask: NDArray, target: NDArray) -> tuple[NDArray, NDArray]:
    """Object and background pixels at or above every distinct value, the highest first."""
    order = np.argsort(-mask, axis=None, kind="stable")
    values, inside = mask.ravel()[order], target.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), values.size - 1)
    true = np.cumsum(inside)[last]
    return true, last + 1 - true


def roc_auc(mask: NDArray, target: NDArray) -> float:
    true, false = _counts(mask, target)
    return np.trapezoid(np.append(0, true) / true[-1], np.append(0, false) / false[-1])


def average_precision(mask: NDArray, target: NDArray) -> float:
    true, false = _counts(mask, target)
    return np.sum(np.diff(true, prepend=0) / true[-1] * (true / (true + false)))


def looped(mask: NDArray, target: NDArray, thresholds: tuple[float, ...], rankings: bool) -> Scores:
    """The same numbers, one image and one threshold at a time."""
    soft = ("soft accuracy", "soft F1", "soft IoU", "object coverage", "background coverage")
    scores = {name: np.zeros(len(mask)) for name in soft}
    scores |= {name: np.zeros((len(mask), len(thresholds))) for name in ("accuracy", "F1", "IoU")}
    if rankings:
        scores |= {name: np.zeros(len(mask)) for name in ("ROC-AUC", "average precision")}
    for i, (m, g) in enumerate(zip(mask, target, strict=True)):
        scores["soft accuracy"][i] = accuracy(m, g)
        scores["soft F1"][i] = f1(m, g)
        scores["soft IoU"][i] = iou(m, g)
        scores["object coverage"][i] = np.sum(m * g) / np.sum(g)
        scores["background coverage"][i] = np.sum(m * ~g) / np.sum(~g)
        for j, threshold in enumerate(thresholds):
            binarised = m >= np.float32(threshold)
            scores["accuracy"][i, j] = np.mean(binarised == g)
            scores["F1"][i, j] = f1(binarised, g)
            scores["IoU"][i, j] = iou(binarised, g)
        if rankings:
            scores["ROC-AUC"][i] = roc_auc(m, g)
            scores["average precision"][i] = average_precision(m, g)
    return scores


def elapsed_ms(run: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--masks", default=64, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--repeats", default=5, type=int)
    args = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(args.masks, args.size, args.size, generator=generator)
    target = torch.rand(args.masks, args.size, args.size, generator=generator) < 0.3
    mask_there, target_there = mask.to(args.device), target.to(args.device)
    print(
        f"{args.masks} masks of {args.size}×{args.size}, torch {torch.__version__} on {args.device} "
        f"({torch.get_num_threads()} threads), numpy {np.__version__}; medians of {args.repeats} runs"
    )
    for rankings in (False, True):
        for thresholds in (PAPER_THRESHOLDS, FINE_THRESHOLDS):
            ours = batched(mask_there, target_there, thresholds, rankings)
            theirs = looped(mask.numpy(), target.numpy(), thresholds, rankings)
            for name, numbers in theirs.items():
                np.testing.assert_allclose(ours[name].cpu().numpy(), numbers, rtol=0, atol=1e-6, err_msg=name)
            fast, slow = [], []
            for _ in range(args.repeats):
                slow.append(
                    elapsed_ms(lambda t=thresholds, r=rankings: looped(mask.numpy(), target.numpy(), t, r), args.device)
                )
                fast += [
                    elapsed_ms(lambda t=thresholds, r=rankings: batched(mask_there, target_there, t, r), args.device)
                    for _ in range(5)
                ]
            here, there = statistics.median(fast), statistics.median(slow)
            print(
                f"{len(thresholds):3d} thresholds, {'with' if rankings else 'without'} ROC-AUC and average precision: "
                f"batched {here:.1f} ms, loop {there:.0f} ms, ratio {there / here:.1f}"
            )


if __name__ == "__main__":
    main()
