"""Commands that are killed at random and repeated: do they end in the bits of a run that nothing disturbed?

    python benchmarks/random_kills.py                              # 240 kills, all commands
    python benchmarks/random_kills.py --kills 40 --only fit "explain shards" --seed 7

Every command works on tiny networks and pictures. It runs undisturbed, which says how long it takes and what it leaves.
Then it is started, gets SIGKILL, SIGTERM or SIGINT after a random time, alone or together with its workers (the whole
process group), once or twice in a row, and is repeated to its end. What lies in the output then is compared with what
the undisturbed run left, bit for bit: bytes, and of checkpoints and a benchmark's tables the values (the rest is the
clock's, as TensorBoard's files and a benchmark's costs are). Nothing half written may be left there or in the system's
folder for temporary files, no process may be alive a minute later, and the exit status must be the same. Quick commands
have more trials.

Processes are forked from one that has imported everything, so that kills fall into the work and not into imports.
Printed is a line for each command; the exit status is 1 if anything was wrong, and what was is listed with the seed
that repeats it.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from explanans import Explainer, Explanandum, Preprocessing
from explanans.classifiers.sources import Source, build
from explanans.data.scenes import CLASSES, write_scenes
from killing import Command, Place, Tally, trial, undisturbed

CLUSTER = "explain on Ray"


def commands(work: Path) -> dict[str, Command]:
    """What is killed; ``work`` has what :func:`prepare` made."""
    classifier, explainer, photos = work / "classifier", work / "explainer", work / "photos"
    scenes = f"scenes:{work / 'scenes'}"
    run = "--run.max_epochs 3 --run.batch_size 8 --run.accelerator cpu --run.num_workers 1 --run.progress false --quiet"
    explain = f"explain {explainer} {photos} --out {{out}} --top_k 2 --batch_size 3 --quiet"
    # One picture cannot be read.
    failed = 1
    asked = "--metrics [segmentation,kept] --subset_metrics [insertion,sanity] --subset_size 4 --sample_size 2"
    few = "--sanity_stages 2 --cost_images 1 --cost_seconds 0.05 --batch_size 2 --keep_maps 3 --no_report --quiet"
    methods = "--methods.grad_cam {} --methods.rise.settings.masks 20"
    tiny = "explanans:small_resnet --weights null"
    questions = "--calls 36 --held_out_calls 8 --ask_batch_size 2"
    return {
        "explain folders": Command(f"{explain} --device cpu --format folders", 6, failed),
        "explain shards": Command(f"{explain} --device cpu --format png --shard_size 2", 26, failed),
        CLUSTER: Command(f"{explain} --ray --format parquet --shard_size 2", 1, failed),
        "fit": Command(f"fit {classifier} {scenes} --network compact --calibration.images 4 --out {{out}} {run}", 4),
        "classifier fit": Command(f"classifier fit {tiny} {scenes} --size 48 --out {{out}} {run}", 5),
        "surrogate fit": Command(
            f"surrogate fit {classifier} {scenes} --architecture {tiny} {questions} --out {{out}} {run}",
            5,
            answers=4 * len(CLASSES),
            most_lost=2,
        ),
        "benchmark": Command(
            f"benchmark --classifiers.tiny {classifier} --data {scenes} --threshold_split train[:6] --device cpu "
            f"{methods} {asked} {few} --out {{out}}",
            5,
        ),
        "data scenes": Command("data scenes {out} --train 60 --val 10 --test 10 --size 64 --workers 2 --quiet", 26),
        "export": Command(f"export {explainer} --out {{out}}/explainer.onnx --quiet", 2),
    }


def prepare(work: Path) -> None:
    """A classifier and an Explainer that have learned nothing, scenes, and photos one of which is none."""
    write_scenes(work / "scenes", train=24, val=8, test=0, size=48, quiet=True)
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": len(CLASSES), "widths": [4, 8]})
    preprocessing = Preprocessing(48, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    classifier = Explanandum(
        build(source), classes=tuple(CLASSES), activation="sigmoid", preprocessing=preprocessing, source=source
    )
    classifier.save(work / "classifier")
    Explainer(classifier, "compact", encoder_weights=None).save_pretrained(work / "explainer")
    photos = work / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(0)
    for number in range(11):
        coarse = Image.fromarray(pixels.integers(0, 256, (5, 6, 3), np.uint8))
        coarse.resize((120 + number, 100), Image.Resampling.BICUBIC).save(photos / f"{number:02d}.png")
    (photos / "07.png").write_bytes(b"no picture")


def in_turn(chosen: dict[str, Command]) -> Iterator[str]:
    """Names for ever, each as often as its weight says, spread evenly over a round."""
    round_of = [((turn + 0.5) / each.weight, name) for name, each in chosen.items() for turn in range(each.weight)]
    return cycle(name for _, name in sorted(round_of))


def kill_all(places: dict[str, Place], kills: int, seed: int, keep: Path | None) -> dict[str, Tally]:
    """Trials of the commands in turn until so many signals have met a living process."""
    tallies = {name: Tally() for name in places}
    for name in in_turn({name: place.command for name, place in places.items()}):
        if sum(tally.kills for tally in tallies.values()) >= kills:
            break
        place, tally = places[name], tallies[name]
        number = tally.trials
        wrong = trial(place, random.Random(f"{seed} {name} {number}"), tally)
        tally.wrong += [f"{name}, trial {number} of seed {seed}: {each}" for each in wrong]
        for each in wrong:
            print(f"{name}, trial {number}: {each}", flush=True)
        if wrong and keep is not None:
            kept = keep / f"{name.replace(' ', '_')}-{number}"
            shutil.copytree(place.out.parent, kept, symlinks=True)
            shutil.copy(place.log, kept)
        print(f"{sum(tally.kills for tally in tallies.values())} kills", end="\r", file=sys.stderr, flush=True)
        place.clear()
        place.log.unlink(missing_ok=True)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    lines = ["command          trials  kills  ended first  wrong"]
    total = Tally(*(sum(getattr(each, name) for each in tallies.values()) for name in ("kills", "early", "trials")))
    total.wrong = [each for tally in tallies.values() for each in tally.wrong]
    for name, each in {**tallies, "all": total}.items():
        lines.append(f"{name:15}  {each.trials:6}  {each.kills:5}  {each.early:11}  {len(each.wrong):5}")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=240, help="at least so many signals that met a living process")
    parser.add_argument("--only", nargs="*", help="names of commands; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder that the outputs of trials with a fault are copied to")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        prepare(work)
        known = commands(work)
        if importlib.util.find_spec("ray") is None:
            print(f"{CLUSTER}: left out, since ray is not installed: pip install 'explanans[ray]'")
            del known[CLUSTER]
        places: dict[str, Place] = {}
        for name in given.only or known:
            home = work / name.replace(" ", "_")
            places[name] = undisturbed(known[name], home / "out", work / f"{home.name}.log")
            print(f"{name}: {places[name].seconds:.1f} s undisturbed", flush=True)
        begin = time.monotonic()
        tallies = kill_all(places, given.kills, given.seed, given.keep)
        minutes = (time.monotonic() - begin) / 60
    print(table(tallies))
    print(f"{minutes:.1f} minutes, seed {given.seed}")
    wrong = [each for tally in tallies.values() for each in tally.wrong]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
