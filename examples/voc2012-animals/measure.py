"""Measure a trained Explainer on the validation photos: scores, receipts, time, and a page of unselected photos.

    python examples/voc2012-animals/measure.py EXPLAINER voc:PATH --out DIR

Writes DIR/results.json, DIR/results.md and DIR/page-1.png …: the first 16 photos of the list, a mask for every
predicted class.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from statistics import mean, median

import torch
from PIL import Image

from explanans import Explainer, open_dataset
from explanans.benchmark import evaluate
from explanans.explanation import Explanation
from explanans.files import atomic_file
from explanans.methods import make_method
from explanans.methods.explainer import ExplainerMethod

PAGE = 8
WIDTH = 1100


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explainer", help="folder of the saved Explainer")
    parser.add_argument("data", help="data set, voc:PATH")
    parser.add_argument("--split", default="val", help="split that is measured (default: %(default)s)")
    parser.add_argument("--threshold-split", default="train[90%:]", help="split that best thresholds come from")
    parser.add_argument("--out", type=Path, default=Path("runs/voc2012-animals/results"))
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


def seconds_per_image(explainer: Explainer, repeats: int = 30) -> float:
    """Median time of one forward pass for one image: masks of all classes."""
    height, width = explainer.explanandum.preprocessing.height, explainer.explanandum.preprocessing.width
    image = torch.randn(1, 3, height, width)
    times = []
    with torch.no_grad():
        for _ in range(repeats + 3):
            start = time.perf_counter()
            explainer(image)
            times.append(time.perf_counter() - start)
    return median(times[3:])


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
    explainer = Explainer.from_pretrained(options.explainer)
    explanandum = explainer.explanandum
    dataset, held_out = (
        open_dataset(
            options.data, split, classes=explanandum.classes, preprocessing=explanandum.preprocessing, cache=True
        )
        for split in (options.split, options.threshold_split)
    )
    methods = {
        "explainer": ExplainerMethod(explanandum, explainer),
        "grad_cam": make_method("grad_cam", explanandum),
        "spread_cam": make_method("spread_cam", explanandum),
        **{name: make_method(name, explanandum) for name in ("constant_0", "constant_0.5", "constant_1")},
    }
    normalisation = {name: "minmax" if name == "grad_cam" else "raw" for name in methods}
    evaluation = evaluate(
        methods, dataset, explanandum, normalisation=normalisation, threshold_dataset=held_out, progress=True
    )
    explanations: list[Explanation] = []
    for start in range(0, len(dataset), 32):
        explanations += explainer.explain(dataset.paths[start : start + 32])
    results = {
        "scores": evaluation.to_dict(),
        "receipts": receipts(explanations),
        "seconds per image, all classes": seconds_per_image(explainer),
        "data": {"name": dataset.name, "images": len(dataset), "hash": dataset.fingerprint()},
        "thresholds from": held_out.name,
        "classifier": explanandum.identity(),
        "machine": {"cores": torch.get_num_threads(), "machine": platform.machine(), "torch": torch.__version__},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for page in range(2):
        figures = [explanation.figure() for explanation in explanations[page * PAGE : (page + 1) * PAGE]]
        stacked(figures).save(options.out / f"page-{page + 1}.png")
    table = evaluation.to_markdown()
    summary = "\n".join(f"| {name} | {value:.3f} |" for name, value in results["receipts"].items())
    with atomic_file(options.out / "results.md") as path:
        path.write_text(f"{table}\n\n| mean receipt | |\n|---|---|\n{summary}\n", encoding="utf-8")
    with atomic_file(options.out / "results.json") as path:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table, summary, sep="\n\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
