"""A sheet of photos, each explained by several methods side by side, with their receipts.

    python examples/photos/sheet.py TABLE [--first 20] [--methods spread_cam grad_cam layer_cam] [--out sheet.webp]

TABLE has the columns image, label and author (a CSV file; paths are relative to it). Nothing is selected: the first
rows are taken as they come. The most probable class of each photo is explained. A row of the sheet is a photo, then a
mask for each method; ``--classes 2`` explains so many classes instead, in a row for each method.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from explanans import Explanandum, Explanation, explain
from explanans.explanations.figure import figure
from explanans.methods import METHODS
from explanans.utils.read_table import read_table

# Some tables write a byte beyond ASCII as a backslash and three octal digits.
_OCTAL = re.compile(r"(?:\\[0-3][0-7]{2})+")


def unescaped(name: str) -> str:
    return _OCTAL.sub(lambda found: bytes(int(each, 8) for each in found[0].split("\\")[1:]).decode(), name)


def explained(classifier: Explanandum, path: Path, method: str, classes: int) -> Explanation:
    found = explain(classifier, path, method=method, top_k=classes)
    assert isinstance(found, Explanation)
    return found


def rows_of(
    classifier: Explanandum, path: Path, title: str, author: str, methods: list[str], classes: int
) -> list[Image.Image]:
    notes = [author, "CC BY 2.0"]
    found = {METHODS[method].title: explained(classifier, path, method, classes) for method in methods}
    first = next(iter(found.values()))
    if classes > 1:
        return [figure(each.picture, list(each), name, [title, *notes]) for name, each in found.items()]
    name, *_ = next(iter(first)).name.split(",")
    panels = [replace(next(iter(each)), name=title) for title, each in found.items()]
    return [figure(first.picture, panels, title, [f"seen: {name}", *notes])]


def stacked(rows: list[Image.Image], width: int) -> Image.Image:
    widest = max(row.width for row in rows)
    sheet = Image.new("RGB", (widest, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet.resize((width, round(sheet.height * width / sheet.width)), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--first", type=int, default=20)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--methods", nargs="+", default=["spread_cam", "grad_cam", "layer_cam"])
    parser.add_argument("--classes", type=int, default=1)
    parser.add_argument("--classifier", default="sample:efficientnet_lite0")
    parser.add_argument("--width", type=int, default=880)
    parser.add_argument("--out", type=Path, default=Path("sheet.webp"))
    options = parser.parse_args()
    classifier = Explanandum.load(options.classifier)
    rows: list[Image.Image] = []
    for row in read_table(options.table).slice(options.skip, options.first).to_pylist():
        path, title = options.table.parent / row["image"], row["label"].split(",")[0]
        rows += rows_of(classifier, path, title, unescaped(row["author"]), options.methods, options.classes)
        print(f"{path.name}: {title}", flush=True)
    stacked(rows, options.width).save(options.out, quality=80, method=6)
    print(options.out)


if __name__ == "__main__":
    main()
