"""Whether an audit finds shortcuts that were planted in photos, in a network that was pretrained on ImageNet.

    python benchmarks/planted_photos.py DATA FOLDER --weights FILE [--share 0.5] [--seed 0] [--model NAME] [--size 160]

Each kind of shortcut goes into that share of another class's photos of DATA's train and val. ``explanans classifier
fit`` trains MODEL on them by the recipe of examples/voc2012-animals, in pictures of ``--size`` pixels, and ``explanans
audit`` looks at val, with the objects and with labels alone. Judged as in planted_shortcuts.py; ``used`` is
how often the class appears when the shortcut is put into photos of val without it, less how often it is seen there.
What is in FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from explanans import Explanandum, open_dataset
from explanans.audit.intervals import Effect
from explanans.audit.suspects import Suspect
from explanans.data import LabelledImages
from explanans.data.shortcuts import Plant, put, write_planted
from explanans.images.preprocessing import Preprocessing
from planted_shortcuts import KINDS, judged, planted_in

RECIPE = Path(__file__).parents[1] / "examples" / "voc2012-animals" / "classifier.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--model", default="timm:mobilenetv2_100")
    parser.add_argument("--classes", default="cat,cow,dog,horse,person,sheep")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    whole = Preprocessing(options.size, (0.5,) * 3, (0.5,) * 3)
    names = options.classes.split(",")
    sets = {split: open_dataset(options.data, split, classes=names, preprocessing=whole) for split in ("train", "val")}
    plants = [Plant(kind, names[(n + options.seed) % len(names)], options.share) for n, kind in enumerate(KINDS)]
    for split, data in sets.items():
        if not (folder / split).is_dir():
            write_planted(data, folder / split, plants, options.seed)
    specs = {split: f"table:{folder / split / 'photos.csv'}?mask_classes={';'.join(names)}" for split in sets}
    classifier = folder / "classifier" / "classifier"
    explanans = [str(Path(sys.executable).with_name("explanans"))]
    if not classifier.is_dir():
        fit = ["classifier", "fit", options.model, specs["train"], "--config", RECIPE, "--weights", options.weights]
        fit += ["--train_split", "all[:90%]", "--validation_split", "all[90%:]", "--classes", options.classes]
        fit += ["--size", options.size, "--run.max_epochs", options.epochs, "--out", classifier.parent]
        subprocess.run([*explanans, *map(str, fit)], check=True)
    having = planted_in(sets["val"], folder / "val")
    for title, more in (("objects", []), ("labels", ["--no_truth"])):
        out = folder / f"audit-{title}"
        audit = ["audit", classifier, specs["val"], "--split", "all", "--out", out, *more]
        subprocess.run([*explanans, *map(str, audit)], check=True)
        suspects = [suspect_of(row) for row in json.loads((out / "findings.json").read_text())["suspects"]]
        print(title, json.dumps(judged(suspects, plants, having), indent=1))
    for plant in plants:
        print(plant.shortcut, plant.name, f"used {used(Explanandum.load(str(classifier)), sets['val'], plant):.2f}")


def suspect_of(row: dict[str, object]) -> Suspect:
    """As the audit had it, but its accusations."""
    kept = {name: value for name, value in row.items() if name not in ("accused", "verdict", "effect")}
    return Suspect(effect=Effect(**row["effect"]), **kept)  # type: ignore[arg-type]


@torch.no_grad()
def used(explanandum: Explanandum, data: LabelledImages, plant: Plant) -> float:
    """How much oftener the class is seen in photos without it when the shortcut is put into them."""
    column, generator = data.classes.index(plant.name), np.random.default_rng(0)
    without = [index for index in range(len(data)) if not data.labels[index, column]]
    seen = np.zeros(2)
    for index in without:
        picture = np.asarray(data.picture(index))
        objects = data.segmentation_map(index).numpy() > 0
        both = [picture, put(picture, objects, [plant.shortcut], generator)[-1].picture]
        images = torch.stack([explanandum.preprocessing(Image.fromarray(each)) for each in both])
        seen += (explanandum.probabilities(images)[:, column] >= 0.5).numpy()
    return float(seen[1] - seen[0]) / len(without)


if __name__ == "__main__":
    main()
