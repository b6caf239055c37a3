"""The picture of docs/regions.md: every fifth held-out magnetic tile with a defect, unselected, with its regions.

    python website/draw_regions.py runs/magnetic-tile/classifier/classifier TILES

The classifier is that of ``examples/magnetic-tile/run.sh``; nothing else is trained. TILES has labels.csv and images.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from PIL import Image

from explanans import Explanandum, Explanation, explain

OUT = Path(__file__).parents[1] / "docs" / "images" / "regions.webp"
EVERY, COLUMNS, WIDTH = 5, 2, 700


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("classifier")
    parser.add_argument("tiles", type=Path)
    given = parser.parse_args()
    classifier = Explanandum.load(given.classifier)
    with (given.tiles / "labels.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "val" and row["label"]]
    columns: list[list[Image.Image]] = [[] for _ in range(COLUMNS)]
    for row in rows[::EVERY]:
        found = explain(classifier, given.tiles / row["image"], threshold=0.5)
        assert isinstance(found, Explanation)
        figure = found.region_figure(found.regions(classifier=classifier)).convert("RGB")
        lowest = min(columns, key=lambda column: sum(each.height for each in column))
        lowest.append(figure.resize((WIDTH, round(figure.height * WIDTH / figure.width)), Image.Resampling.LANCZOS))
    height = max(sum(each.height for each in column) for column in columns)
    sheet = Image.new("RGB", (COLUMNS * WIDTH, height), "white")
    for place, column in enumerate(columns):
        top = 0
        for each in column:
            sheet.paste(each, (place * WIDTH, top))
            top += each.height
    sheet.save(OUT, quality=80, method=6)


if __name__ == "__main__":
    main()
