"""A table of the magnetic tiles: their labels for training, their drawn defects for measuring.

    python examples/magnetic-tile/prepare.py TILES OUT

TILES is the folder with labels.csv (image, label, split, mask), images and masks. Written are OUT/tiles.csv, whose rows
stand in an order that is the same on every machine and mixes the kinds of defect, so that parts of a split hold all of
them, and OUT/maps: index maps with k for the k-th kind. A tile whose drawn mask is empty gets no map.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

DEFECTS = ("blowhole", "break", "crack", "fray", "uneven")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path, help="folder with labels.csv")
    parser.add_argument("out", type=Path, help="folder for the table and the maps")
    options = parser.parse_args()
    tiles, out = options.tiles.resolve(), options.out.resolve()
    (out / "maps").mkdir(parents=True, exist_ok=True)
    with (tiles / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: hashlib.sha256(row["image"].encode()).hexdigest())
    written = []
    for row in rows:
        picture = tiles / row["image"]
        with Image.open(picture) as image:
            inside = np.zeros((image.height, image.width), bool)
        if row["label"] and row["mask"]:
            inside = np.asarray(Image.open(tiles / row["mask"])) > 0
        path = ""
        if inside.any() or not row["label"]:
            value = DEFECTS.index(row["label"]) + 1 if row["label"] else 0
            place = out / "maps" / f"{picture.stem}.png"
            Image.fromarray(inside.astype(np.uint8) * value).save(place)
            path = str(place)
        written.append({"image": picture, "labels": row["label"], "split": row["split"], "segmentation": path})
    with (out / "tiles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image", "labels", "split", "segmentation"])
        writer.writeheader()
        writer.writerows(written)
    print(f"{len(written)} tiles in {out / 'tiles.csv'}")


if __name__ == "__main__":
    main()
