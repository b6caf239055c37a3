"""Receipts of a trained Explainer on all validation photos, and a page of unselected photos.

    python examples/voc2012-animals/receipts.py EXPLAINER voc:PATH --out DIR

Writes DIR/receipts.json and DIR/page-1.png …: the first 16 photos of the list, a mask for every predicted class.
Scores against segmentations and other methods are those of explanans benchmark.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from statistics import mean

import torch
from PIL import Image

from explanans import Explainer, open_dataset
from explanans.explanations.explanation import Explanation
from explanans.utils.files import atomic_file

PAGE = 8
BATCH = 16
WIDTH = 1100


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explainer", help="folder of the saved Explainer")
    parser.add_argument("data", help="data set, voc:PATH")
    parser.add_argument("--split", default="val", help="split that is measured (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/voc2012-animals/receipts"))
    return parser.parse_args()


def receipts(explanations: list[Explanation]) -> dict[str, float]:
    """Means over all predicted classes of all photos."""
    made = [found.receipt for explanation in explanations for found in explanation if found.receipt is not None]
    return {
        "predicted classes": len(made),
        "whole": mean(receipt.whole for receipt in made),
        "kept": mean(receipt.kept for receipt in made),
        "removed": mean(receipt.removed for receipt in made),
        "kept / whole": mean(receipt.kept for receipt in made) / mean(receipt.whole for receipt in made),
        "removed / whole": mean(receipt.removed for receipt in made) / mean(receipt.whole for receipt in made),
        "area": mean(receipt.area for receipt in made),
    }


def stacked(figures: list[Image.Image]) -> Image.Image:
    """Figures below each other on white, the wide ones brought to the page's width."""
    scales = [min(1.0, WIDTH / figure.width) for figure in figures]
    rows = [
        figure.resize((round(figure.width * scale), round(figure.height * scale)))
        for figure, scale in zip(figures, scales, strict=True)
    ]
    page = Image.new("RGB", (WIDTH, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    return page


def main() -> None:
    options = arguments()
    explainer = Explainer.from_pretrained(options.explainer).folded()
    explanandum = explainer.explanandum
    dataset = open_dataset(
        options.data, options.split, classes=explanandum.classes, preprocessing=explanandum.preprocessing
    )
    explanations: list[Explanation] = []
    for start in range(0, len(dataset), BATCH):
        explanations += explainer.explain(dataset.paths[start : start + BATCH])
    found = receipts(explanations)
    results = {
        "receipts": found,
        "data": {"name": dataset.name, "images": len(dataset), "hash": dataset.fingerprint()},
        "classifier": explanandum.identity(),
        "machine": {"cores": torch.get_num_threads(), "machine": platform.machine(), "torch": torch.__version__},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for page in range(2):
        figures = [explanation.figure() for explanation in explanations[page * PAGE : (page + 1) * PAGE]]
        stacked(figures).save(options.out / f"page-{page + 1}.png")
    with atomic_file(options.out / "receipts.json") as path:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print("\n".join(f"{name:18} {value:.3f}" for name, value in found.items()))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
