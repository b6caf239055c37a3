"""Masks of a trained Explainer against segmentations, finished on their pictures in several ways.

    python benchmarks/finished_masks.py EXPLAINER voc:DEVKIT --split "train[90%:]" --compete 0 1 --refine 0 1 1.43

For ``--compete``, ``--refine`` and ``--reach`` (docs/objectives.md), all with all, over the labels of the split that
have a region: the mean soft IoU of a label's mask with its region, for all, on pictures with one and with several
labels, and for objects below a tenth of their picture; the IoU of the mask cut at 1/2; the mean area over that of the
regions; and the difference of the soft IoU from that of the first way, with its standard error, of all labels and of
those of pictures with several.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from explanans import Explainer
from explanans.benchmark.slices import SMALL
from explanans.data import LabelledImages, collate
from explanans.metrics.shared.overlap import soft_overlap
from explanans.metrics.shared.regions import class_regions
from explanans.training.held_out import spread
from labelled import add_data, pictures

TOGETHER = 16
Way = tuple[int, float, float]


@dataclass(frozen=True)
class Masks:
    """Of P masks: soft IoU, IoU cut at 1/2, area and true area as shares of the picture, whether it has more labels."""

    soft: Tensor
    cut: Tensor
    area: Tensor
    true_area: Tensor
    several: Tensor


def measured(explainer: Explainer, dataset: LabelledImages, ways: list[Way]) -> dict[Way, Masks]:
    """Every label that has a region, mask by mask, in the same order for every way."""
    parts: dict[Way, list[Masks]] = {way: [] for way in ways}
    labelled = dataset.labels.bool().any(1).nonzero().flatten().tolist()
    for start in range(0, len(labelled), TOGETHER):
        batch = collate([dataset[index] for index in labelled[start : start + TOGETHER]])
        asked = batch["labels"].bool()
        target, valid = class_regions(batch["segmentation"], asked)
        true_area = (target & valid).flatten(1).float().mean(1)
        several = asked.sum(1)[asked.nonzero()[:, 0]] > 1
        there = true_area > 0
        for way in ways:
            explainer.compete, explainer.refine, explainer.reach = bool(way[0]), *way[1:]
            masks = explainer.masks_of(batch["image"], asked)[there]
            parts[way].append(
                Masks(
                    soft_overlap(masks, target[there], valid[there]).iou(),
                    soft_overlap((masks >= 0.5).float(), target[there], valid[there]).iou(),
                    (masks * valid[there]).flatten(1).mean(1),
                    true_area[there],
                    several[there],
                )
            )
    return {way: Masks(*(torch.cat(column) for column in _columns(some))) for way, some in parts.items()}


def _columns(parts: list[Masks]) -> Iterator[list[Tensor]]:
    for name in Masks.__dataclass_fields__:
        yield [getattr(part, name) for part in parts]


def _mean(values: Tensor, some: Tensor) -> str:
    return f"{float(values[some].mean()):.3f} ({int(some.sum())})" if some.any() else "–"


def _apart(differences: Tensor) -> str:
    return f"{differences.mean():+.3f} ± {differences.std() / max(1, len(differences)) ** 0.5:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explainer", help="folder of a saved Explainer")
    add_data(parser, "train[90%:]")
    parser.add_argument("--refine", type=float, nargs="+", default=[0.0, 1.43])
    parser.add_argument("--reach", type=float, nargs="+", default=[0.0, 1.5])
    parser.add_argument("--compete", type=int, choices=[0, 1], nargs="+", default=[1])
    parser.add_argument("--limit", type=int, default=0, help="so many pictures, evenly spaced; 0: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trust_factory", action="store_true", help="run the code that the classifier's folder names")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    explainer = Explainer.from_pretrained(options.explainer, trust_factory=options.trust_factory).eval()
    dataset = pictures(explainer.explanandum, options).with_segmentation()
    if options.limit > 0:
        dataset = dataset.subset(spread(len(dataset), options.limit))
    ways = list(itertools.product(options.compete, options.refine, options.reach))
    found = measured(explainer, dataset, ways)
    first = found[ways[0]]
    for (compete, refine, reach), masks in found.items():
        apart = masks.soft - first.soft
        print(
            f"compete {compete} refine {refine:g} reach {reach:g}: soft IoU {masks.soft.mean():.3f} "
            f"({len(masks.soft)} masks, {_apart(apart)})  one label {_mean(masks.soft, ~masks.several)}  several "
            f"{_mean(masks.soft, masks.several)}, {_apart(apart[masks.several])}  "
            f"small {_mean(masks.soft, masks.true_area < SMALL)}  cut at 1/2 "
            f"{masks.cut.mean():.3f}  area {masks.area.mean() / masks.true_area.mean():.2f} ×",
            flush=True,
        )


if __name__ == "__main__":
    main()
