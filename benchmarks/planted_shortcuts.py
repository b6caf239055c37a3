"""Whether an audit finds shortcuts that were planted, and accuses nothing in classifiers without one.

    python benchmarks/planted_shortcuts.py FOLDER [--shares 0.95 0.5 …] [--seeds 0 1] [--clean 0 1 2 3]

A SmallResNet is trained on generated scenes of 48 pixels, once. For each share and seed its last stage and its head are
then trained from scratch, and the rest on, on the same scenes with five shortcuts: each kind in that share of another
class's pictures; the sixth class has none. It is audited on held-out scenes with the shortcuts in the same shares. Each
audit is judged twice: with the true objects, and with labels alone.

A suspicion is of the plant where at least half of its first 20 photos have the shortcut of its class. A plant is ranked
first where the first suspicion of its class is of it, and no suspicion that is not of a plant stands before that.
``used`` is how often the class appears when the shortcut is put into pictures without it, less how often it is seen
there anyway: a classifier that did not take the shortcut up has nothing to be found.

A line of results.jsonl is written for each; what is there already is not made again, nor is a classifier trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from explanans import Explanandum, open_dataset
from explanans.audit import Settings, open_photos
from explanans.audit.looked import read_parts
from explanans.audit.pass_over import explain_photos, look_at_all, seen_by
from explanans.audit.samples import draw
from explanans.audit.suspects import Suspect, find_suspects
from explanans.audit.suspects.interventions import Interventions
from explanans.audit.ways import Way, ways_of
from explanans.classifiers import SmallResNet
from explanans.data import LabelledImages
from explanans.data.scenes import CLASSES, Scene, draw_scene, write_scenes
from explanans.data.shortcuts import SHORTCUTS, Plant, choose, put, write_planted
from explanans.explanations.explain import masker_of
from explanans.images.preprocessing import Preprocessing

SIZE, SEED, WIDTHS = 48, 7, (16, 32, 64)
TRAIN, VAL = 2000, 300
BASE_EPOCHS, EPOCHS, RATE = 20, 5, 0.01
FRESH = ("blocks.2", "head")
"""What is trained from scratch with a shortcut. Where the whole network knows its classes already, it takes none up."""
PREPROCESSING = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
NAMES = tuple(CLASSES)
KINDS = ("tint", "texture", "object", "border", "tag")
"""In the order in which they are put into a picture: what covers the background first."""
USED = 0.2
"""From here on a classifier has taken a shortcut up."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.95, 0.5, 0.2, 0.05])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--clean", nargs="*", type=int, default=[0, 1, 2, 3], help="seeds of those without shortcuts")
    parser.add_argument("--method", default=None, help="how they are explained (default: the best that they allow)")
    return parser.parse_args()


def fit(module: SmallResNet, images: Tensor, labels: Tensor, epochs: int) -> SmallResNet:
    """Trained on images in memory, turned and mirrored at random, by AdamW under one cycle of the rate."""
    optimiser = torch.optim.AdamW(module.parameters(), RATE, weight_decay=0.05)
    steps = epochs * (len(images) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.2)
    module.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images))[: len(images) // 32 * 32].split(32):
            batch = images[rows]
            if torch.rand(()) < 0.5:
                batch = batch.flip(-1)
            if torch.rand(()) < 0.5:
                batch = batch.transpose(2, 3)
            loss = functional.binary_cross_entropy_with_logits(module(batch), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return module.eval()


@cache
def scenes(seed: int, count: int) -> list[Scene]:
    return [draw_scene(seed, index, SIZE) for index in range(count)]


def labels_of(drawn: list[Scene]) -> Tensor:
    labels = torch.zeros(len(drawn), len(NAMES))
    for number, scene in enumerate(drawn):
        labels[number, [NAMES.index(each.name) for each in scene.objects]] = 1
    return labels


def normalised(pictures: list[NDArray[np.uint8]]) -> Tensor:
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return PREPROCESSING.normalise(pixels).contiguous(memory_format=torch.channels_last)


def small(weights: Mapping[str, Tensor] | None = None) -> SmallResNet:
    module = SmallResNet(len(NAMES), WIDTHS).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.load_state_dict(weights or {}, strict=False)
    return module.eval()


def base(folder: Path) -> dict[str, Tensor]:
    """Weights of a classifier without a shortcut, of which others keep the first stages."""
    path = folder / "base.pt"
    if not path.is_file():
        drawn = scenes(SEED, TRAIN)
        torch.manual_seed(0)
        module = fit(small(), normalised([scene.picture for scene in drawn]), labels_of(drawn), BASE_EPOCHS)
        torch.save(module.state_dict(), path)
    return dict(torch.load(path, weights_only=True))


def plants_of(share: float, seed: int) -> list[Plant]:
    """Each kind for another class, which differ from seed to seed; one class has none. Share 0: no plants."""
    return [Plant(kind, NAMES[(place + seed) % len(NAMES)], share) for place, kind in enumerate(KINDS)] if share else []


def trained(folder: Path, share: float, seed: int) -> SmallResNet:
    """The classifier of these plants; what was trained before is read."""
    path = folder / "classifiers" / f"{share:g}-{seed}.pt"
    if path.is_file():
        return small(torch.load(path, weights_only=True))
    drawn, generator = scenes(SEED, TRAIN), np.random.default_rng(seed)
    labels = labels_of(drawn)
    pictures = [
        put(scene.picture, scene.mask > 0, [plant.shortcut for plant in plants], generator)[-1].picture
        if plants
        else scene.picture
        for scene, plants in zip(drawn, choose(labels, NAMES, plants_of(share, seed), generator), strict=True)
    ]
    kept = {name: value for name, value in base(folder).items() if not name.startswith(FRESH)}
    torch.manual_seed(seed)
    module = fit(small(kept), normalised(pictures), labels, EPOCHS)
    path.parent.mkdir(exist_ok=True)
    torch.save(module.state_dict(), path)
    return module


def opened(table: Path) -> LabelledImages:
    spec = f"table:{table}?mask_classes={';'.join(NAMES)}"
    return open_dataset(spec, "all", classes=NAMES, preprocessing=PREPROCESSING)


def measured(folder: Path, share: float, seed: int, method: str | None) -> dict[str, Any]:
    """One classifier trained, audited and judged."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    begin = time.process_time()
    module = trained(folder, share, seed)
    done = time.process_time()
    explanandum = Explanandum(module, classes=NAMES, activation="sigmoid", preprocessing=PREPROCESSING)
    held_out = open_dataset(f"scenes:{folder / 'scenes'}", "val", preprocessing=PREPROCESSING)
    plants = plants_of(share, seed)
    data = opened(write_planted(held_out, work / "val", plants, seed))
    photos = open_photos(explanandum, data)
    masker, out, settings = masker_of(explanandum, method), work / "audit", Settings(batch_size=64, seed=seed)
    out.mkdir()
    explain_photos(masker, photos, out, settings, workers=0)
    samples = draw(read_parts(look_at_all(masker, photos, out, workers=0)), len(NAMES), seed)
    ways = [ways_of(rows, seed) for rows in samples]
    row = {
        "share": share,
        "seed": seed,
        "training": done - begin,
        **learned(explanandum, plants, seed),
    }
    having = planted_in(data, work / "val")
    for title, known in (("objects", True), ("labels", False)):
        asked = Interventions(explanandum, dataclasses.replace(photos, truth=known), seen_by(masker), 64)
        found = find_suspects(asked, *((samples, ways) if known else blind(samples, ways)), seed=seed)
        row[title] = judged(found, plants, having)
    return {**row, "audit": time.process_time() - done}


def planted_in(data: LabelledImages, folder: Path) -> dict[str, set[int]]:
    """The numbers of the pictures that have each class's shortcut."""
    found: dict[str, set[int]] = {name: set() for name in data.classes}
    for index in range(len(data)):
        path = folder / f"{index:07d}-planted.png"
        if path.is_file():
            for value in np.unique(np.asarray(Image.open(path))).tolist():
                if value:
                    found[data.classes[value - 1]].add(index)
    return found


def planted_everywhere(drawn: list[Scene], kind: str, seed: int) -> list[NDArray[np.uint8]]:
    """The pictures of scenes, each with the shortcut."""
    generator = np.random.default_rng(seed)
    return [SHORTCUTS[kind](scene.picture, scene.mask > 0, generator).picture for scene in drawn]


def learned(explanandum: Explanandum, plants: list[Plant], seed: int) -> dict[str, Any]:
    """What the classifier does on held-out scenes as they are, and on the same ones with a shortcut in each.

    F1 over all classes on the first; for each plant the recall of its class without and with the shortcut, how often it
    is seen in pictures without it, and ``used``, how much oftener when the shortcut is put into them.
    """
    drawn = scenes(SEED + 1, VAL)
    labels = labels_of(drawn).bool()
    with torch.no_grad():
        seen = explanandum.probabilities(normalised([scene.picture for scene in drawn])) >= 0.5
        facts: dict[str, Any] = {"f1": float(2 * (seen & labels).sum() / (seen.sum() + labels.sum())), "plants": []}
        for plant in plants:
            column = NAMES.index(plant.name)
            marked = normalised(planted_everywhere(drawn, plant.shortcut, seed))
            with_it = explanandum.probabilities(marked)[:, column] >= 0.5
            has = labels[:, column]
            rates = [float(each[of].float().mean()) for of in (has, ~has) for each in (seen[:, column], with_it)]
            names = ("recall without", "recall with", "false without", "false with")
            rates_by_name = dict(zip(names, rates, strict=True))
            facts["plants"].append(
                {"kind": plant.shortcut, "class": plant.name, **rates_by_name, "used": rates[3] - rates[2]}
            )
    return facts


def blind(samples: list[pa.Table], ways: list[list[Way]]) -> tuple[list[pa.Table], list[list[Way]]]:
    """The same, as if nobody knew where the objects are."""
    without = []
    for rows in samples:
        for name in ("inside", "border", "outside"):
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, rows.schema.field(name), pa.nulls(len(rows), pa.float32()))
        without.append(rows)
    return without, [[dataclasses.replace(way, on_object=None) for way in of_class] for of_class in ways]


def judged(suspects: list[Suspect], plants: list[Plant], having: dict[str, set[int]]) -> dict[str, Any]:
    """Which plants stand first: the first suspicion of their class is the plant, and before it stand only plants."""
    right = [
        2 * sum(index in having[each.name] for index in each.examples[:20]) >= len(each.examples[:20])
        for each in suspects
    ]
    wrong = next((rank for rank, good in enumerate(right) if not good), len(suspects))
    first = {}
    for rank, suspect in enumerate(suspects):
        first.setdefault(suspect.name, rank)
    lines = [
        f"{'' if good else 'not the plant: '}{each.verdict} {each.kind} {each.name} {each.photos}/{each.of} "
        f"{each.effect.value:.2f} [{each.effect.low:.2f}, {each.effect.high:.2f}] {each.facts}"
        for each, good in zip(suspects, right, strict=True)
    ]
    return {
        "first": {plant.shortcut: first.get(plant.name, wrong) < wrong for plant in plants},
        "accused": sorted({each.name for each, good in zip(suspects, right, strict=True) if each.accused and good}),
        "falsely": sorted({each.name for each, good in zip(suspects, right, strict=True) if each.accused and not good}),
        "suspects": lines[:20],
    }


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_scenes(options.folder / "scenes", train=0, val=VAL, test=0, size=SIZE, seed=SEED + 1, quiet=True)
    path = options.folder / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    done = {(row["share"], row["seed"]) for row in rows}
    plants = [(share, seed) for seed in options.seeds for share in options.shares]
    for job in [*plants, *((0.0, seed) for seed in options.clean)]:
        if job not in done:
            rows.append(measured(options.folder, *job, options.method))
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    """A line for each share and kind: plants taken up, ranked first, accused; and what was accused in clean classes."""
    for title in ("objects", "labels"):
        how = "with the true objects" if title == "objects" else "with labels alone"
        print(f"\n{how}: first / accused / taken up / all")
        for share in sorted({row["share"] for row in rows} - {0}, reverse=True):
            cells, sums = [], np.zeros(4, int)
            for kind in KINDS:
                counts = np.zeros(4, int)
                for row in (each for each in rows if each["share"] == share):
                    plant = next(each for each in row["plants"] if each["kind"] == kind)
                    taken = plant["used"] >= USED
                    counts += [row[title]["first"][kind], plant["class"] in row[title]["accused"], taken, 1]
                sums += counts
                cells.append(f"{kind} " + "/".join(map(str, counts)))
            print(f"  {share:4.0%}  {'  '.join(cells)}  all " + "/".join(map(str, sums)))
        clean = [row for row in rows if not row["share"]]
        accused, beside = (sum(len(row[title]["falsely"]) for row in some) for some in (clean, rows))
        print(
            f"  accused: {accused} of {len(NAMES) * len(clean)} classes of clean classifiers; {beside} of "
            f"{len(NAMES) * len(rows)} in all for what was not planted"
        )
    means = [np.mean([row[name] for row in rows]) for name in ("f1", "training", "audit")]
    print("\nF1 {:.2f}; seconds of a processor: training {:.1f}, audit {:.1f}".format(*means))


if __name__ == "__main__":
    main()
