"""Commands that are killed at random and repeated: do they end in the bits of a run that nothing disturbed?

    python benchmarks/random_kills.py                              # 240 kills, the commands in turn
    python benchmarks/random_kills.py --kills 40 --only fit "explain shards" --seed 7

Every command works on tiny networks and pictures. It runs undisturbed, which says how long it takes and what it leaves.
Then it is started, gets SIGKILL, SIGTERM or SIGINT after a random time, alone or together with its workers (the whole
process group), once or twice in a row, and is repeated to its end. What lies in the output then is compared with what
the undisturbed run left, bit for bit: bytes, and of checkpoints and a benchmark's tables the values (the rest is the
clock's, as TensorBoard's files and a benchmark's costs are). Nothing half written may be left, no process may be alive
a minute later, and the exit status must be the same.

Processes are forked from one that has imported everything, so that kills fall into the work and not into imports.
Printed is a line for each command; the exit status is 1 if anything was wrong, and what was is listed with the seed
that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from explanans import Explainer, Explanandum, Preprocessing
from explanans.classifiers.sources import Source, build
from explanans.cli.main import main as explanans
from explanans.data.scenes import CLASSES, write_scenes
from explanans.utils.records import read_arrays
from explanans.utils.temporaries import is_temporary

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 300.0
"""Seconds after which a command that should end is said to hang."""

SKIPPED = (".lock", "tfevents", "costs/")
"""Parts of names of files that differ between any two runs."""


@dataclass
class Command:
    """A command, what it writes, and how its files are compared.

    Attributes:
        line: the command line; the output is called ``{out}``.
        status: when it is done.
    """

    line: str
    status: int = 0


@dataclass
class Place:
    """A command with its output folder, what an undisturbed run leaves there, and how long it takes."""

    command: Command
    out: Path
    expected: dict[str, object]
    seconds: float


@dataclass
class Tally:
    kills: int = 0
    early: int = 0
    trials: int = 0
    wrong: list[str] = field(default_factory=list)


def commands(work: Path) -> dict[str, Command]:
    """What is killed; ``work`` has what :func:`prepare` made."""
    classifier, explainer, photos = work / "classifier", work / "explainer", work / "photos"
    scenes = f"scenes:{work / 'scenes'}"
    run = "--run.max_epochs 4 --run.batch_size 8 --run.accelerator cpu --run.num_workers 1 --run.progress false --quiet"
    explain = f"explain {explainer} {photos} --out {{out}} --top_k 2 --batch_size 3 --device cpu --quiet"
    asked = "--metrics [segmentation,kept] --subset_metrics [insertion,sanity] --subset_size 4 --sample_size 2"
    few = "--sanity_stages 2 --cost_images 1 --cost_seconds 0.05 --batch_size 2 --keep_maps 3 --no_report --quiet"
    methods = "--methods.grad_cam {} --methods.rise.settings.masks 20"
    return {
        # One picture cannot be read.
        "explain folders": Command(f"{explain} --format folders", status=1),
        "explain shards": Command(f"{explain} --format png --shard_size 2 --workers 1", status=1),
        "fit": Command(f"fit {classifier} {scenes} --network compact --calibration.images 4 --out {{out}} {run}"),
        "classifier fit": Command(
            f"classifier fit explanans:small_resnet {scenes} --weights null --size 48 --out {{out}} {run}"
        ),
        "benchmark": Command(
            f"benchmark --classifiers.tiny {classifier} --data {scenes} --threshold_split train[:6] --device cpu "
            f"{methods} {asked} {few} --out {{out}}",
        ),
        "data scenes": Command("data scenes {out} --train 60 --val 10 --test 10 --size 64 --workers 2 --quiet"),
        "export": Command(f"export {explainer} --out {{out}}/explainer.onnx --quiet"),
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
    for number in range(16):
        coarse = Image.fromarray(pixels.integers(0, 256, (5, 6, 3), np.uint8))
        coarse.resize((120 + number, 100), Image.Resampling.BICUBIC).save(photos / f"{number:02d}.png")
    (photos / "07.png").write_bytes(b"no picture")


def rows_of(path: Path) -> object:
    """A table without what it cost to make it, which is the clock's."""
    return repr(pq.read_table(path, partitioning=None).replace_schema_metadata(None).to_pylist())


def arrays_of(path: Path) -> object:
    from explanans.benchmark.saved_files import PICTURES

    return {name: (values.shape, values.tobytes()) for name, values in read_arrays(path, PICTURES).items()}


def values_of(path: Path) -> object:
    """Everything in a checkpoint, by name: weights, moments, what Lightning remembers. The order in which it was
    pickled, and which tensors share their memory, do not count."""

    def flat(value: object, name: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, torch.Tensor):
            pixels = value.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            yield name, (value.dtype, tuple(value.shape), pixels)
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{name}/{key}")
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                yield from flat(inner, f"{name}/{number}")
        else:
            yield name, value

    return dict(flat(torch.load(path, "cpu", weights_only=True), ""))


READERS: dict[str, Callable[[Path], object]] = {".ckpt": values_of, ".npz": arrays_of, ".parquet": rows_of}
"""What is compared of files in which something differs between any two runs; of all others the bytes."""


def contents(out: Path) -> dict[str, object]:
    """What is compared of every file."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not any(part in name for part in SKIPPED):
            found[name] = READERS.get(path.suffix, Path.read_bytes)(path)
    return found


def start(command: Command, out: Path, log: Path) -> int:
    """Fork a process in a group of its own; its number."""
    process = os.fork()
    if process:
        # Both set it, because nobody knows who is first.
        with contextlib.suppress(OSError):
            os.setpgid(process, process)
        return process
    os.setpgid(0, 0)
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    status = 99
    try:
        status = explanans([word.replace("{out}", str(out)) for word in command.line.split()])
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 98
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(process: int, seconds: float) -> int | None:
    """The exit status, below 0 for a signal; None if it has not ended by then."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def no_process_left(groups: list[int], wrong: list[str]) -> Iterator[None]:
    """Workers of what was killed may live on for a while, but not for a minute."""
    yield
    deadline = time.monotonic() + 60
    while any(map(is_alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for group in filter(is_alive, groups):
        wrong.append("a process was alive a minute later")
        os.killpg(group, signal.SIGKILL)


def undisturbed(command: Command, out: Path, log: Path) -> Place:
    """Twice: the first run is slower than those that follow, and both have to leave the same."""
    found: list[dict[str, object]] = []
    for _ in range(2):
        begin = time.monotonic()
        status = wait(start(command, out, log), PATIENCE)
        seconds = time.monotonic() - begin
        if status != command.status:
            raise SystemExit(f"{command.line}: status {status} without being killed\n{log.read_text()[-2000:]}")
        found.append(contents(out))
        shutil.rmtree(out)
    if found[0] != found[1]:
        raise SystemExit(f"{command.line}: two undisturbed runs differ")
    return Place(command, out, found[0], seconds)


def trial(place: Place, log: Path, draw: random.Random, tally: Tally) -> list[str]:
    """Kill once or twice, repeat to the end; what is wrong then."""
    command, out, expected, seconds = place.command, place.out, place.expected, place.seconds
    wrong: list[str] = []
    groups: list[int] = []
    told = []
    with no_process_left(groups, wrong):
        for _ in range(draw.choice((1, 1, 2))):
            number, whole, delay = draw.choice(SIGNALS), draw.random() < 0.5, draw.uniform(0, 1.05) * seconds
            process = start(command, out, log)
            groups.append(process)
            status = wait(process, delay)
            told.append(f"{number.name} to {'group' if whole else 'process'} after {delay:.3f} s")
            if status is not None:
                tally.early += 1
                continue
            tally.kills += 1
            (os.killpg if whole else os.kill)(process, number)
            if wait(process, PATIENCE) is None:
                wrong.append(f"hangs after {told[-1]}")
                os.killpg(process, signal.SIGKILL)
                wait(process, PATIENCE)
        process = start(command, out, log)
        groups.append(process)
        status = wait(process, PATIENCE)
        if status is None:
            os.killpg(process, signal.SIGKILL)
            wait(process, PATIENCE)
    if status != command.status:
        wrong.append(f"status {status}, not {command.status}")
    found = contents(out)
    left = [path for path in (*out.parent.iterdir(), *out.rglob("*")) if is_temporary(path.name)]
    wrong += [f"{path.name} is left" for path in left]
    for name in sorted({*expected, *found}):
        if name not in left and expected.get(name) != found.get(name):
            how = "is missing" if name not in found else "is new" if name not in expected else "differs"
            wrong.append(f"{name} {how}")
    return [f"{', '.join(told)}: {'; '.join(wrong[:6])}"] if wrong else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=240, help="at least so many signals that met a living process")
    parser.add_argument("--only", nargs="*", help="names of commands; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder that the outputs of trials with a fault are moved to")
    given = parser.parse_args()
    torch.set_num_threads(1)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        work, log = Path(folder), Path(folder) / "log"
        prepare(work)
        known = commands(work)
        chosen = {name: known[name] for name in given.only or known}
        places: dict[str, Place] = {}
        for name, command in chosen.items():
            tallies[name] = Tally()
            out = work / name.replace(" ", "_") / "out"
            out.parent.mkdir()
            places[name] = undisturbed(command, out, log)
            print(f"{name}: {places[name].seconds:.1f} s undisturbed", flush=True)
        begin = time.monotonic()
        number = 0
        while sum(tally.kills for tally in tallies.values()) < given.kills:
            name = list(chosen)[number % len(chosen)]
            out = places[name].out
            wrong = trial(places[name], log, random.Random(f"{given.seed} {name} {number}"), tallies[name])
            tallies[name].trials += 1
            tallies[name].wrong += [f"{name}, trial {number} of seed {given.seed}: {each}" for each in wrong]
            if wrong and given.keep is not None:
                shutil.move(out.parent, given.keep / f"{name.replace(' ', '_')}-{number}")
                shutil.copy(log, given.keep)
            shutil.rmtree(out.parent, ignore_errors=True)
            out.parent.mkdir()
            number += 1
        minutes = (time.monotonic() - begin) / 60
    print("command           trials  kills  ended first  wrong")
    for name, tally in tallies.items():
        print(f"{name:16}  {tally.trials:6}  {tally.kills:5}  {tally.early:11}  {len(tally.wrong):5}")
    kills = sum(tally.kills for tally in tallies.values())
    print(f"{kills} kills in {minutes:.1f} minutes, seed {given.seed}")
    for each in (each for tally in tallies.values() for each in tally.wrong):
        print(each)
    return 1 if any(tally.wrong for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
