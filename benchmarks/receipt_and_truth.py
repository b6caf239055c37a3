"""Whether a receipt agrees with the truth, where there is one.

    python benchmarks/receipt_and_truth.py CLASSIFIER DATA [--split test] [--methods spread_cam …] [--every 1]

CLASSIFIER is a saved classifier, whose masks a method makes, or a saved Explainer (--methods explainer). Looked at are
the masks of the classes that the classifier sees and that are in the picture. Printed are, for each method, Spearman's
correlation between their IoU with the region of the class (void pixels count nowhere) and figures of their receipts;
then by the receipt's word how many masks there are, their mean IoU, and how many of them are below 0.3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import fmean

import torch
from torchmetrics.functional import spearman_corrcoef

from explanans import Explanandum, open_dataset
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Masker, Settings, explain_batch
from explanans.explanations.explain import masker_of
from explanans.explanations.receipt import Receipt
from explanans.utils.memory import keep_freed_memory

FIGURES: dict[str, Callable[[Receipt], float]] = {
    "kept − removed": lambda receipt: receipt.kept - receipt.removed,
    "kept − elsewhere": lambda receipt: receipt.kept - receipt.elsewhere,
    "− shared": lambda receipt: -receipt.shared,
    "score": lambda receipt: receipt.score,
}
WORDS = ("holds", "weak", "shared", "fills the frame", "empty")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier or Explainer")
    parser.add_argument("data", help="data set with segmentations, such as voc:PATH")
    parser.add_argument("--split", default="test")
    parser.add_argument("--methods", nargs="+", default=["spread_cam"])
    parser.add_argument("--every", type=int, default=1, help="take each so-many-th picture (default: all)")
    return parser.parse_args()


def measured(masker: Masker, options: argparse.Namespace) -> list[tuple[float, Receipt]]:
    """The IoU of every mask, and its receipt."""
    explanandum = masker.explanandum
    data = open_dataset(
        options.data, options.split, classes=explanandum.classes, preprocessing=explanandum.preprocessing
    ).with_segmentation()
    found = []
    for place in range(0, len(data), options.every):
        sample = data[place]
        image = sample["image"][None].contiguous(memory_format=torch.channels_last)
        explained = explain_batch(masker, image, Settings(batch_size=8))
        valid = sample["segmentation"] != 255
        for (_, column), mask, receipt in zip(
            explained.asked.nonzero().tolist(), explained.masks, explained.receipts, strict=True
        ):
            if sample["labels"][column] and receipt is not None:
                region, kept = sample["segmentation"] == column + 1, (mask >= 0.5) & valid
                found.append(((kept & region).sum().item() / max(1, (kept | region).sum().item()), receipt))
    return found


def main() -> None:
    options = arguments()
    keep_freed_memory()
    for name in options.methods:
        if name == "explainer":
            masker: Masker = Explainer.from_pretrained(options.classifier).folded()
        else:
            masker = masker_of(Explanandum.load(options.classifier), name)
        found = measured(masker, options)
        ious = torch.tensor([iou for iou, _ in found])
        print(f"{name}, {options.data} {options.split}: {len(found)} masks, IoU {ious.mean():.2f}")
        for title, figure in FIGURES.items():
            values = torch.tensor([figure(receipt) for _, receipt in found])
            print(f"  {title:18} {spearman_corrcoef(values, ious):6.2f}")
        for word in WORDS:
            of = [iou for iou, receipt in found if receipt.word.startswith(word)]
            if of:
                print(f"  {word:18} {len(of):4} masks, IoU {fmean(of):.2f}, below 0.3: {sum(iou < 0.3 for iou in of)}")


if __name__ == "__main__":
    main()
