"""How often a series says that a crack grows which does not: each photo against itself, taken again.

    python examples/cracks/still.py CRACKS again
    explanans explain runs/cracks/explainer/explainer again/ --out still --tile 224 --overlap 0.25 --regions
    explanans severity still --classes crack --series again/series.csv      # --tolerance 0: without it
    python examples/cracks/still.py CRACKS again --growth still/growth.csv

Taken again means: the camera up to 6 pixels further, light up to 5 % stronger or weaker, the sensor's noise (a standard
deviation of 1.5 of 255), JPEG at 92. No tile of these photos was trained on (`prepare.py`). Printed is, for
each measure, how many of them grow, shrink or are unsure, and the median of |growth| / before.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image
from prepare import number

MARGIN = 6


def again(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    left, top = random.integers(0, 2 * MARGIN + 1, 2)
    width, height = photo.width - 2 * MARGIN, photo.height - 2 * MARGIN
    pixels = np.asarray(photo.crop((left, top, left + width, top + height)), float) * random.uniform(0.95, 1.05)
    return Image.fromarray(np.clip(pixels + random.normal(0, 1.5, pixels.shape), 0, 255).astype(np.uint8))


def take(cracks: Path, out: Path, skip: int, limit: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    photos = sorted((cracks / "images").iterdir(), key=lambda path: number(path.stem))
    lines = ["image,place,time"]
    for photo in [path for path in photos if number(path.stem) % 5 == 0][skip : skip + limit]:
        for time in (1, 2):
            name = f"{photo.stem}-{time}.jpg"
            random = np.random.default_rng((number(photo.stem) + time) % 2**32)
            again(Image.open(photo).convert("RGB"), random).save(out / name, quality=92)
            lines.append(f"{name},{photo.stem},{time}")
    (out / "series.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def count(growth: Path) -> None:
    with growth.open(encoding="utf-8", newline="") as file:
        steps = list(csv.DictReader(file))
    for measure in dict.fromkeys(step["measure"] for step in steps):
        own = [step for step in steps if step["measure"] == measure]
        said = [step["says"] for step in own]
        if "not judged" in said:
            continue
        off = [abs(float(step["growth"])) / float(step["before"]) for step in own if float(step["before"])]
        words = ", ".join(f"{said.count(word)} {word}" for word in ("grows", "shrinks", "unsure"))
        print(f"{measure}: {words} of {len(own)}; off by {np.median(off):.1%} in the median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cracks", type=Path, help="folder with images and masks")
    parser.add_argument("out", type=Path, help="folder for the photos and their table")
    parser.add_argument("--skip", type=int, default=20, help="of the photos, those that the tolerance was chosen on")
    parser.add_argument("--limit", type=int, default=20, help="how many photos")
    parser.add_argument("--growth", type=Path, help="growth.csv of the series: count instead")
    options = parser.parse_args()
    if options.growth:
        count(options.growth)
    else:
        take(options.cracks, options.out, options.skip, options.limit)


if __name__ == "__main__":
    main()
