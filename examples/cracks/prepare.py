"""Tiles of crack photos: cracked or clean for training, the drawn cracks for measuring.

    python examples/cracks/prepare.py CRACKS OUT

CRACKS is the folder with images (544 × 384) and masks of the same names (1: crack). Each photo is cut into six tiles of
224 px, three by two, that overlap by 64 px. A tile with a pixel of crack is labelled *crack*, the others get no label.
Every fifth photo, by the hash of its name, is for measuring: no tile of it is trained on. Written are OUT/tiles.csv, in
an order that is the same on every machine, OUT/tiles and OUT/maps.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
TILES = [(left, top) for top in (0, 160) for left in (0, 160, 320)]


def number(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cracks", type=Path, help="folder with images and masks")
    parser.add_argument("out", type=Path, help="folder for the tiles and their table")
    options = parser.parse_args()
    for name in ("tiles", "maps"):
        (options.out / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for photo in sorted((options.cracks / "images").iterdir(), key=lambda path: number(path.stem)):
        picture = Image.open(photo).convert("RGB")
        crack = np.asarray(Image.open(options.cracks / "masks" / f"{photo.stem}.png")) > 0
        for place, (left, top) in enumerate(TILES):
            inside = crack[top : top + SIDE, left : left + SIDE]
            names = [f"{folder}/{photo.stem}-{place}.png" for folder in ("tiles", "maps")]
            picture.crop((left, top, left + SIDE, top + SIDE)).save(options.out / names[0])
            Image.fromarray(inside.astype(np.uint8)).save(options.out / names[1])
            rows.append(
                {
                    "image": names[0],
                    "labels": "crack" if inside.any() else "",
                    "split": "val" if number(photo.stem) % 5 == 0 else "train",
                    "segmentation": names[1],
                }
            )
    with (options.out / "tiles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for split in ("train", "val"):
        labels = [row["labels"] for row in rows if row["split"] == split]
        print(f"{split}: {len(labels)} tiles, {labels.count('crack')} of them with a crack")


if __name__ == "__main__":
    main()
