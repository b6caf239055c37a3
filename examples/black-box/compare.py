"""Two Explainers of one classifier, trained through its surrogate and on its own gradients, judged by the box itself.

    python examples/black-box/compare.py BOX DATA THROUGH_SURROGATE DIRECT [--split test]

Prints soft IoU with the segmentations, and receipts of the classes that the box sees: probability on the whole picture,
on what the binarised mask keeps and on what it removes (each the worst of its fills), and the mask's area.
"""

from __future__ import annotations

import argparse
from statistics import mean, stdev

import torch

from explanans import Explainer, Explanandum, open_dataset
from explanans.data import LabelledImages, loader
from explanans.explanations.receipt import Receipt, receipts
from explanans.metrics import label_region, soft_iou
from explanans.ops.masking import merge

BATCH = 50


@torch.no_grad()
def receipts_of(explainer: Explainer, box: Explanandum, dataset: LabelledImages) -> list[Receipt]:
    found: list[Receipt] = []
    for batch in loader(dataset, BATCH):
        images = batch["image"]
        whole = box.probabilities(images)
        asked = whole >= 0.5
        found += receipts(box, images, explainer(images)[asked], asked, whole=whole, batch_size=BATCH)
    return found


@torch.no_grad()
def soft_ious(explainer: Explainer, dataset: LabelledImages) -> list[float]:
    found: list[float] = []
    for batch in loader(dataset, BATCH):
        labels = batch["labels"].bool()
        mask, labelled = merge(explainer(batch["image"]), labels), labels.any(1)
        found += soft_iou(mask[0], *label_region(batch["segmentation"], labels))[labelled].tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("box", "data", "through_surrogate", "direct"):
        parser.add_argument(name)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    box = Explanandum.load(options.box)
    dataset = open_dataset(
        options.data, options.split, classes=box.classes, preprocessing=box.preprocessing, cache=True
    )
    # One was trained on the box; the other on the network that the box was made from, which has another hash.
    explainers = {
        "through the surrogate": Explainer.from_pretrained(options.through_surrogate, explanandum=box),
        "on its own gradients": Explainer.from_pretrained(options.direct),
    }
    for name, explainer in explainers.items():
        values = soft_ious(explainer, dataset)
        made = receipts_of(explainer, box, dataset.without_segmentation(cache=True))
        means = {what: mean(getattr(each, what) for each in made) for what in ("whole", "kept", "removed", "area")}
        shown = "  ".join(f"{what} {value:.3f}" for what, value in means.items())
        error = 1.96 * stdev(values) / len(values) ** 0.5
        print(f"{name}: soft IoU {mean(values):.3f} ± {error:.3f} ({len(values)} pictures)")
        print(f"  {len(made)} receipts of the box: {shown}", flush=True)


if __name__ == "__main__":
    main()
