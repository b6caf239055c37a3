"""How much of what a shortcut costs comes back when a classifier is guided away from what an audit found.

    python benchmarks/mended_shortcut.py FOLDER [--kinds tag border object] [--seeds 0] [--scenes 2000] [--truth]

As in planted_shortcuts.py, on whose weights it begins: one kind of shortcut in 95 % of one class's training pictures,
and the same training without it. The training pictures are audited without their segmentations (``--truth``: with
them), and the classifier is guided by nothing but the table that the audit wrote, avoid.csv, with each remedy; where
the audit accuses nothing that has a place there is none, and no remedy. "Never planted, as long" is the classifier
without the plant after as many epochs on its labels as a remedy takes, "never planted" before them. Measured is the
planted class on held-out scenes none of which has the shortcut: accuracy, F1 and recall; ``false`` is how often it is
seen in scenes without it that have the shortcut; ``worst`` is the accuracy in the worst of four groups of scenes, with
the class or without it, with the shortcut or without it. Recovered is (after − before) / (never planted, as long −
before) of the accuracy.

A line of mended.jsonl is written for each; what is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from explanans import Explanandum, open_dataset
from explanans.audit import Settings, audit, open_photos
from explanans.classifiers import SmallResNet
from explanans.classifiers.sources import Source
from explanans.data.scenes import write_scenes
from explanans.data.shortcuts import SHORTCUTS, Plant, write_planted
from explanans.explanations.explain import masker_of
from explanans.training.fit_guided import guide
from explanans.training.optimizer import Optimizer
from explanans.training.run_settings import Run
from planted_shortcuts import (
    EPOCHS,
    FRESH,
    NAMES,
    PREPROCESSING,
    SEED,
    SIZE,
    TRAIN,
    VAL,
    WIDTHS,
    base,
    fit,
    labels_of,
    normalised,
    opened,
    planted_everywhere,
    scenes,
    small,
)

SHARE = 0.95
NEVER, AS_LONG, PLANTED = "never planted", "never planted, as long", "planted"
REMEDIES: dict[str, dict[str, Any]] = {
    "labels alone": {"weight": 0.0},
    "evidence": {"weight": 1.0},
    "swapped": {"weight": 0.0, "swapped": 0.5},
    "evidence and swapped": {"weight": 1.0, "swapped": 0.5},
    "last layer, balanced": {"weight": 0.0, "balanced": True, "trainable_from": "head"},
}
OPTIMIZER = Optimizer(3e-3, weight_decay=0.05, schedule="cosine")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="*", default=["tag", "border", "object"], choices=list(SHORTCUTS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--remedies", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--truth", action="store_true", help="the audit knows where the objects are")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--scenes", type=int, default=TRAIN, help="to train on, to audit and to guide with")
    return parser.parse_args()


def trained(folder: Path, table: Path, seed: int) -> Explanandum:
    """As planted_shortcuts.py trains, on the pictures of a table, as a classifier that can be saved."""
    data = opened(table).without_segmentation()
    images = torch.stack([data[index]["image"] for index in range(len(data))])
    kept = {name: value for name, value in base(folder).items() if not name.startswith(FRESH)}
    torch.manual_seed(seed)
    module = fit(small(kept), images.contiguous(memory_format=torch.channels_last), data.labels, EPOCHS)
    return explained(module)


def explained(module: SmallResNet) -> Explanandum:
    source = Source("explanans:small_resnet", {"num_classes": len(NAMES), "widths": list(WIDTHS)})
    return Explanandum(module, classes=NAMES, activation="sigmoid", preprocessing=PREPROCESSING, source=source)


def scores(explanandum: Explanandum, kind: str, name: str, seed: int) -> dict[str, float]:
    """Of the class, on held-out scenes without the shortcut, and ``false`` on those without the class but with it."""
    drawn, column = scenes(SEED + 1, VAL), NAMES.index(name)
    has = labels_of(drawn)[:, column].bool()
    with torch.no_grad():
        plain, marked = (
            explanandum.probabilities(normalised(pictures))[:, column] >= 0.5
            for pictures in ([scene.picture for scene in drawn], planted_everywhere(drawn, kind, seed))
        )
    groups = [answer[of] == has[of] for answer in (plain, marked) for of in (has, ~has)]
    return {
        "accuracy": float((plain == has).float().mean()),
        "worst": min(float(right.float().mean()) for right in groups),
        "f1": float(2 * (plain & has).sum() / (plain.sum() + has.sum())),
        "recall": float(plain[has].float().mean()),
        "false": float(marked[~has].float().mean()),
    }


def measured(
    folder: Path, kind: str, seed: int, remedies: list[str], epochs: int, truth: bool, done: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Row after row: the classifier without the plant, with it, and after each remedy that is not done."""
    name = NAMES[seed % len(NAMES)]
    left = [each for each in remedies if (kind, seed, each) not in {(r["kind"], r["seed"], r["remedy"]) for r in done}]
    if not left:
        return
    work = folder / f"{kind}-{seed}"
    shutil.rmtree(work, ignore_errors=True)
    drawn = open_dataset(f"scenes:{folder / 'scenes'}", "train", preprocessing=PREPROCESSING)
    tables = {
        what: write_planted(drawn, work / what, plants, seed)
        for what, plants in (("clean", []), ("planted", [Plant(kind, name, SHARE)]))
    }
    before, clean = trained(folder, tables["planted"], seed), trained(folder, tables["clean"], seed)
    clean.save(work / "never")
    run = Run(max_epochs=epochs, batch_size=32, patience=0, keep="last", progress=False, num_workers=0, seed=seed)
    options: dict[str, Any] = {
        "train_split": "all",
        "validation": f"scenes:{folder / 'scenes'}",
        "regions": "masks",
        "looked_at": 0,
        "optimizer": OPTIMIZER,
        "run": run,
    }
    longer = guide(work / "never", opened(tables["clean"]), weight=0.0, out=work / "never-longer", **options)
    common = {"kind": kind, "seed": seed, "class": name}
    for what, explanandum in ((NEVER, clean), (AS_LONG, Explanandum.load(longer)), (PLANTED, before)):
        yield {**common, "remedy": what, **scores(explanandum, kind, name, seed)}
    begin = time.process_time()
    photos = open_photos(before, opened(tables["planted"]), truth=truth)
    found = audit(masker_of(before), photos, work / "audit", Settings(batch_size=64, seed=seed), workers=0)
    first = found.suspects[0]
    print(
        f"{kind}: audited in {time.process_time() - begin:.0f} s of a processor; first: {first.verdict} {first.kind} "
        f"{first.name}, {first.effect.value:.2f}"
    )
    if not (work / "audit" / "avoid.csv").is_file():
        print(f"{kind}: nothing that has a place is accused, so that there is nothing to guide away from")
        return
    before.save(work / "classifier")
    for remedy in left:
        begin = time.process_time()
        saved = guide(
            work / "classifier",
            f"table:{work / 'audit' / 'avoid.csv'}",
            evidence="outside",
            out=work / remedy.replace(" ", "-"),
            **REMEDIES[remedy],
            **options,
        )
        spent = time.process_time() - begin
        yield {**common, "remedy": remedy, "seconds": spent, **scores(Explanandum.load(saved), kind, name, seed)}


def report(rows: list[dict[str, Any]]) -> None:
    for kind, seed in sorted({(row["kind"], row["seed"]) for row in rows}):
        of = [row for row in rows if (row["kind"], row["seed"]) == (kind, seed)]
        clean, planted = (next(row for row in of if row["remedy"] == what) for what in (AS_LONG, PLANTED))
        print(f"{kind}, {clean['class']}")
        for row in of:
            recovered = (row["accuracy"] - planted["accuracy"]) / (clean["accuracy"] - planted["accuracy"])
            figures = "  ".join(f"{name} {row[name]:.2f}" for name in ("accuracy", "worst", "f1", "recall", "false"))
            print(f"  {row['remedy']:22}  {figures}  recovered {recovered:4.0%}")


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_scenes(options.folder / "scenes", train=options.scenes, val=20, test=0, size=SIZE, seed=SEED, quiet=True)
    path = options.folder / "mended.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for seed in options.seeds:
        for kind in options.kinds:
            for row in measured(options.folder, kind, seed, options.remedies, options.epochs, options.truth, rows):
                rows = [
                    each
                    for each in rows
                    if [each[key] for key in ("kind", "seed", "remedy")]
                    != [row[key] for key in ("kind", "seed", "remedy")]
                ] + [row]
                path.write_text("".join(json.dumps(each) + "\n" for each in rows))
                print(json.dumps(row), flush=True)
    report(rows)


if __name__ == "__main__":
    main()
