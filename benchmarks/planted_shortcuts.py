"""Whether an audit finds shortcuts that were planted, and accuses nothing in classifiers without one.

    python benchmarks/planted_shortcuts.py FOLDER [--kinds tag border …] [--shares 0.95 0.5 …] [--seeds 0 1] [--clean 2]

A SmallResNet is trained on generated scenes of 48 pixels, once. For each kind of shortcut, share and seed it is then
trained on with the shortcut in that share of one class's pictures (class number seed mod 6), and audited on held-out
pictures with the shortcut in the same share. Each audit is judged twice: with the true objects, and with labels alone.
A plant is found where the suspicion that is ranked first is an accusation of the planted class and at least half of
its first 20 photos have the plant. ``used`` is how often the class appears when the shortcut is put into pictures
without it, less how often it is seen there anyway: a classifier that did not take the shortcut up has nothing to be
found.

A line of results.jsonl is written for each; what is there already is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from explanans import Explanandum, open_dataset
from explanans.audit import Settings, audit, open_photos
from explanans.audit.looked import read_parts
from explanans.audit.pass_over import part_paths, seen_by
from explanans.audit.photos import Photos
from explanans.audit.samples import draw
from explanans.audit.suspects import Suspect, find_suspects
from explanans.audit.suspects.interventions import Interventions
from explanans.audit.ways import ways_of
from explanans.classifiers import SmallResNet
from explanans.data import LabelledImages
from explanans.data.scenes import CLASSES, Scene, draw_scene, write_scenes
from explanans.data.shortcuts import SHORTCUTS, write_planted
from explanans.explanations.explain import masker_of
from explanans.images.preprocessing import Preprocessing

SIZE, SEED, WIDTHS = 48, 7, (16, 32, 64)
TRAIN, VAL = 2000, 500
EPOCHS, RATE = 20, 0.01
PREPROCESSING = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
NAMES = tuple(CLASSES)
USED = 0.2
"""From here on a classifier has taken a shortcut up."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="*", default=list(SHORTCUTS), choices=list(SHORTCUTS))
    parser.add_argument("--shares", nargs="*", type=float, default=[0.95, 0.5, 0.2, 0.05])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--clean", type=int, default=2, help="classifiers without a shortcut (default: 2)")
    parser.add_argument("--method", default=None, help="how they are explained (default: the best that they allow)")
    return parser.parse_args()


def fit(images: Tensor, labels: Tensor, seed: int) -> SmallResNet:
    """Trained from scratch on images in memory, turned and mirrored at random, by AdamW under one cycle of the rate."""
    torch.manual_seed(seed)
    module = SmallResNet(len(NAMES), WIDTHS).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(module.parameters(), RATE, weight_decay=0.05)
    steps = EPOCHS * (len(images) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.2)
    module.train()
    for _ in range(EPOCHS):
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


def trained(folder: Path, kind: str | None, share: float, seed: int) -> SmallResNet:
    """The classifier of a plant, or one without; what was trained before is read."""
    path = folder / "classifiers" / f"{kind or 'clean'}-{share:g}-{seed}.pt"
    if path.is_file():
        module = SmallResNet(len(NAMES), WIDTHS)
        module.load_state_dict(torch.load(path, weights_only=True))
        return module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    drawn = scenes(SEED, TRAIN)
    labels, generator = labels_of(drawn), np.random.default_rng(seed)
    of_class = labels[:, seed % len(NAMES)].nonzero().flatten().numpy()
    chosen = set(generator.permutation(of_class)[: round(share * len(of_class))].tolist())
    pictures = [
        SHORTCUTS[kind](scene.picture, scene.mask > 0, generator).picture if kind and number in chosen else scene.picture
        for number, scene in enumerate(drawn)
    ]
    module = fit(normalised(pictures), labels, seed)
    path.parent.mkdir(exist_ok=True)
    torch.save(module.state_dict(), path)
    return module


def opened(table: Path) -> LabelledImages:
    spec = f"table:{table}?mask_classes={';'.join(NAMES)}"
    return open_dataset(spec, "all", classes=NAMES, preprocessing=PREPROCESSING)


def measured(folder: Path, kind: str | None, share: float, seed: int, method: str | None) -> dict[str, Any]:
    """One classifier, planted or clean, trained, audited and judged."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    name = NAMES[seed % len(NAMES)]
    begin = time.process_time()
    module = trained(folder, kind, share, seed)
    done = time.process_time()
    explanandum = Explanandum(module, classes=NAMES, activation="sigmoid", preprocessing=PREPROCESSING)
    held_out = open_dataset(f"scenes:{folder / 'scenes'}", "val", preprocessing=PREPROCESSING)
    data = opened(write_planted(held_out, work / "val", kind, name, share, seed))
    photos = open_photos(explanandum, data)
    found = audit(masker_of(explanandum, method), photos, work / "audit", Settings(seed=seed), workers=0)
    row = {
        "kind": kind,
        "share": share,
        "seed": seed,
        "class": name,
        "training": done - begin,
        "audit": time.process_time() - done,
        **learned(explanandum, kind, seed),
    }
    planted = {index for index in range(len(data)) if (work / "val" / f"{index:07d}-planted.png").is_file()}
    for title, suspects in (("objects", found.suspects), ("labels", without_objects(explanandum, photos, work, seed))):
        row[title] = judged(suspects, name if kind else "", planted)
    return row


def learned(explanandum: Explanandum, kind: str | None, seed: int) -> dict[str, float]:
    """What the classifier does on held-out scenes as they are, and on the same ones with the shortcut in each.

    F1 over all classes on the first; of the planted class the recall without and with the shortcut, how often it is
    seen in pictures without it, and ``used``, how much oftener when the shortcut is put into them.
    """
    drawn, column, generator = scenes(SEED + 1, VAL), seed % len(NAMES), np.random.default_rng(seed)
    labels = labels_of(drawn).bool()
    with torch.no_grad():
        seen = explanandum.probabilities(normalised([scene.picture for scene in drawn])) >= 0.5
        facts = {"f1": float(2 * (seen & labels).sum() / (seen.sum() + labels.sum()))}
        if kind:
            marked = [SHORTCUTS[kind](scene.picture, scene.mask > 0, generator).picture for scene in drawn]
            with_it = explanandum.probabilities(normalised(marked))[:, column] >= 0.5
            has = labels[:, column]
            rates = [float(each[of].float().mean()) for of in (has, ~has) for each in (seen[:, column], with_it)]
            names = ("recall without", "recall with", "false without", "false with")
            facts |= {**dict(zip(names, rates, strict=True)), "used": rates[3] - rates[2]}
    return facts


def without_objects(explanandum: Explanandum, photos: Photos, work: Path, seed: int) -> list[Suspect]:
    """The suspicions of the same audit, as if nobody knew where the objects are."""
    samples = [_blind(rows) for rows in draw(read_parts(part_paths(work / "audit")), len(NAMES), seed)]
    asked = Interventions(explanandum, dataclasses.replace(photos, truth=False), seen_by(masker_of(explanandum)))
    return find_suspects(asked, samples, [ways_of(rows, seed) for rows in samples], seed=seed)


def _blind(rows: pa.Table) -> pa.Table:
    for name in ("inside", "border", "outside"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), pa.nulls(len(rows), pa.float32()))
    return rows


def judged(suspects: list[Suspect], name: str, planted: set[int]) -> dict[str, Any]:
    right = [
        rank
        for rank, suspect in enumerate(suspects, 1)
        if suspect.accused
        and suspect.name == name
        and sum(index in planted for index in suspect.examples[:20]) * 2 >= len(suspect.examples[:20])
    ]
    lines = [
        f"{each.kind} {each.name} {each.photos}/{each.of} {each.effect.value:.2f} [{each.effect.low:.2f}, "
        f"{each.effect.high:.2f}] {each.facts}"
        for each in suspects[:6]
    ]
    return {
        "rank": right[0] if right else None,
        "accused": sum(each.accused and each.name == name for each in suspects) > 0,
        "others accused": sorted({each.name for each in suspects if each.accused and each.name != name}),
        "first": lines,
    }


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_scenes(options.folder / "scenes", train=0, val=VAL, test=0, size=SIZE, seed=SEED + 1, quiet=True)
    path = options.folder / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    done = {(row["kind"], row["share"], row["seed"]) for row in rows}
    plants = [(kind, share, seed) for seed in options.seeds for share in options.shares for kind in options.kinds]
    for job in [*plants, *((None, 0.0, seed) for seed in range(options.clean))]:
        if job not in done:
            rows.append(measured(options.folder, *job, options.method))
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    for title in ("objects", "labels"):
        print(f"ranked first, {'with the true objects' if title == 'objects' else 'with labels alone'}")
        for share in sorted({row["share"] for row in rows if row["kind"]}, reverse=True):
            cells = []
            for kind in SHORTCUTS:
                of = [row for row in rows if row["kind"] == kind and row["share"] == share]
                taken = [row for row in of if row["used"] >= USED]
                first, of_taken = (sum(row[title]["rank"] == 1 for row in some) for some in (of, taken))
                cells.append(f"{kind} {first}/{len(of)} (used {of_taken}/{len(taken)})")
            print(f"  {share:4.0%}  {'  '.join(cells)}")
        clean = [row for row in rows if not row["kind"]]
        accused, beside = (sum(len(row[title]["others accused"]) for row in some) for some in (clean, rows))
        print(
            f"  accused: {accused} of {len(NAMES) * len(clean)} classes of clean classifiers, {beside} classes in all"
        )
    means = (np.mean([row[name] for row in rows]) for name in ("f1", "training", "audit"))
    print("F1 {:.2f}; seconds of a processor: training {:.1f}, audit {:.1f}".format(*means))


if __name__ == "__main__":
    main()
