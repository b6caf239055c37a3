"""Guides against segmentations: what a training would learn from, before anything is trained.

    python benchmarks/guide_quality.py CLASSIFIER voc:DEVKIT --split "train[90%:]"

For every variant, over photos with one and with several labels: the soft IoU of a guide with the region of its class;
precision, the share in the region of the pixels that it says are inside; recall, the share of the region that it says
is inside; missed, the share in the region of the pixels that it says are outside; told, the share of the pixels that
it says anything of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from explanans import Explanandum
from explanans.metrics.shared.overlap import soft_overlap
from explanans.objectives import Guided
from explanans.objectives.guides import LEVELS, VOID
from labelled import add_data, pictures

SIZE = 56
SOFT = {"scales": (1.43,), "sharpness": 12.0}
SHARP = {"scales": (1.43,), "sharpness": 1e4}
VARIANTS: dict[str, dict[str, Any]] = {
    "as in a step: one scale, level 0.6, sharpness 30": {"scales": (1.43,), "contested": "all"},
    "sharpness 12, level 0.55": {**SOFT, "level": 0.55, "contested": "all"},
    "sharpness 12, level 0.5": {**SOFT, "level": 0.5, "contested": "all"},
    "level 0.5, sharp as a cut": {**SHARP, "level": 0.5, "contested": "all"},
    "level 0.7, sharp as a cut": {**SHARP, "level": 0.7, "contested": "all"},
    "three scales, level 0.5, sharp as a cut": {
        "scales": (1.0, 1.43, 2.0),
        "level": 0.5,
        "sharpness": 1e4,
        "contested": "all",
    },
    "one scale, strongest alone where contested": {**SHARP, "level": 0.5, "contested": "strongest"},
    "… and 0.4 to 0.6 left out": {**SOFT, "level": 0.5, "sure": 0.77, "contested": "strongest"},
}


def inside(segmentation: Tensor, labels: Tensor) -> Tensor:
    """(P, h, w): the share of each cell of a guide that is in the region of its class."""
    regions = torch.stack([segmentation == label + 1 for label in labels.nonzero().flatten().tolist()])
    return functional.interpolate(regions[:, None].float(), (SIZE, SIZE), mode="area")[:, 0]


def measured(objective: Guided, explanandum: Explanandum, dataset: Any) -> Iterator[tuple[bool, Tensor, Tensor]]:
    """For each photo whether it has several labels, the sums over its guides, and their soft IoU."""
    for index in dataset.labels.bool().any(1).nonzero().flatten().tolist():
        sample = dataset[index]
        made = objective.guides(sample["image"][None], sample["labels"][None], explanandum, (SIZE, SIZE))
        truth, sure = inside(sample["segmentation"], sample["labels"]), made != VOID
        target = made.float().clamp(max=LEVELS) / LEVELS
        positive, negative = sure & (target >= 0.5), sure & (target < 0.5)
        sums = [truth[positive].sum(), positive.sum(), truth[negative].sum(), negative.sum(), truth.sum()]
        # What is left out counts as outside here.
        iou = soft_overlap(target * sure, truth >= 0.5).iou().mean()
        yield len(made) > 1, torch.tensor([*map(float, sums), made.numel()]), iou


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier")
    add_data(parser, "train[90%:]")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    explanandum = Explanandum.load(options.classifier)
    dataset = pictures(explanandum, options, cache=True).with_segmentation()
    for name, settings in VARIANTS.items():
        found = list(measured(Guided(once=True, **settings), explanandum, dataset))
        for several in (False, True):
            rows = [(sums, iou) for many, sums, iou in found if many is several]
            if not rows:
                continue
            hit, positive, missed, negative, true, pixels = torch.stack([sums for sums, _ in rows]).sum(0).tolist()
            print(
                f"{name:44} {'several labels' if several else 'one label':14} {len(rows):4} photos  "
                f"IoU {torch.stack([iou for _, iou in rows]).mean():.3f}  precision {hit / positive:.3f}  "
                f"recall {hit / true:.3f}  missed {missed / negative:.3f}  told {(positive + negative) / pixels:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
