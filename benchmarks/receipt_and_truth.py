"""Whether a receipt agrees with the truth, where there is one.

    python benchmarks/receipt_and_truth.py CLASSIFIER DATA [--split test] [--methods spread_cam …] [--every 1]

CLASSIFIER is a saved classifier, whose masks a method makes, or a saved Explainer (--methods explainer); "truth" takes
the regions themselves for masks. Looked at are the masks of the classes that the classifier sees and that are in the
picture. Printed are, for each method, means of the receipts, each over the probability on the whole picture and at most
1; Spearman's correlation between the IoU of a mask with the region of its class (void pixels count nowhere) and figures
of its receipt; then by the receipt's word how many masks there are, their mean IoU, and how many are below 0.3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import fmean

import torch
from torchmetrics.functional import spearman_corrcoef

from explanans import Explanandum
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Masker, Settings, explain_batch
from explanans.explanations.explain import masker_of
from explanans.explanations.receipt import Receipt, receipts
from explanans.explanations.selection import Selection
from explanans.images.segmentations import not_void
from explanans.utils.memory import keep_freed_memory
from labelled import add_data, pictures

FIGURES: dict[str, Callable[[Receipt], float]] = {
    "kept − removed": lambda receipt: receipt.kept - receipt.removed,
    "kept − elsewhere": lambda receipt: receipt.kept - receipt.elsewhere,
    "− shared": lambda receipt: -receipt.shared,
    "score": lambda receipt: receipt.score,
}
MEANS: dict[str, Callable[[Receipt], float]] = {
    "kept": lambda receipt: min(1.0, receipt.kept_ratio),
    "removed": lambda receipt: min(1.0, receipt.removed_ratio),
    "elsewhere": lambda receipt: min(1.0, receipt.elsewhere / receipt.whole),
    "shared": lambda receipt: receipt.shared,
    "score": lambda receipt: receipt.score,
    "with removed": lambda receipt: with_removed(receipt),
}
WORDS = ("holds", "weak", "shared", "fills the frame", "empty")


def with_removed(receipt: Receipt) -> float:
    """The score, if what the mask removes counted like what it keeps elsewhere."""
    k, r, e = (min(1.0, each / receipt.whole) for each in (receipt.kept, receipt.removed, receipt.elsewhere))
    return k - max(r, e) - receipt.shared


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier or Explainer")
    add_data(parser, "test")
    parser.add_argument("--methods", nargs="+", default=["spread_cam"])
    parser.add_argument("--every", type=int, default=1, help="take each so-many-th picture (default: all)")
    return parser.parse_args()


def measured(
    explanandum: Explanandum, masker: Masker | None, options: argparse.Namespace
) -> list[tuple[float, Receipt]]:
    """The IoU of every mask, and its receipt; without a masker those of the true regions."""
    data = pictures(explanandum, options).with_segmentation()
    found = []
    for place in range(0, len(data), options.every):
        sample = data[place]
        image = sample["image"][None].contiguous(memory_format=torch.channels_last)
        whole = explanandum.probabilities(image)
        asked = Selection().seen(explanandum, whole) & sample["labels"].bool()
        columns = asked.nonzero()[:, 1]
        regions, valid = sample["segmentation"] == columns[:, None, None] + 1, not_void(sample["segmentation"])
        if masker is None:
            masks, made = regions, receipts(explanandum, image, regions.float(), asked, whole=whole, batch_size=8)
        else:
            explained = explain_batch(masker, image, Settings(batch_size=8), asked)
            masks, made = explained.masks >= 0.5, [each for each in explained.receipts if each is not None]
        for mask, region, receipt in zip(masks & valid, regions, made, strict=True):
            found.append(((mask & region).sum().item() / max(1, (mask | region).sum().item()), receipt))
    return found


def main() -> None:
    options = arguments()
    keep_freed_memory()
    for name in options.methods:
        masker: Masker | None = None
        if name == "explainer":
            masker = Explainer.from_pretrained(options.classifier).folded()
            explanandum = masker.explanandum
        else:
            explanandum = Explanandum.load(options.classifier)
            masker = None if name == "truth" else masker_of(explanandum, name)
        found = measured(explanandum, masker, options)
        ious = torch.tensor([iou for iou, _ in found])
        print(f"{name}, {options.data} {options.split}: {len(found)} masks, IoU {ious.mean():.2f}")
        for title, mean in MEANS.items():
            print(f"  mean {title:13} {fmean(mean(receipt) for _, receipt in found):6.2f}")
        for title, figure in FIGURES.items() if masker is not None else ():
            values = torch.tensor([figure(receipt) for _, receipt in found])
            print(f"  {title:18} {spearman_corrcoef(values, ious):6.2f}")
        for word in WORDS:
            of = [iou for iou, receipt in found if receipt.word.startswith(word)]
            if of:
                print(f"  {word:18} {len(of):4} masks, IoU {fmean(of):.2f}, below 0.3: {sum(iou < 0.3 for iou in of)}")


if __name__ == "__main__":
    main()
