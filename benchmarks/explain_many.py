"""Explain photos into shards, beside the bare networks' forward passes on the same pictures at the same batch size.

    python benchmarks/explain_many.py EXPLAINER PHOTOS [--pictures 256] [--format parquet coco png] [--receipts]
    python benchmarks/explain_many.py EXPLAINER PHOTOS --memory --pictures 8000 [--format parquet] [--size photo]

EXPLAINER is a saved Explainer, PHOTOS a folder. All are measured in one process, in turns, with one thread for the
networks and one worker that reads: the bare passes over tensors that lie ready (classifier and mask network, batch
norms folded), and everything that `explanans explain` does, in each format and size of masks. Processor time of this
process says what it has to do besides; the clock says what a user waits for, and needs a machine with cores to spare
for the worker and for the thread that codes masks. Printed too: bytes written per picture, and the time a worker needs
for a picture.

With --memory: the highest resident memory of the command `explanans explain` and of its worker, for a quarter of the
pictures and for all of them (the folder's, again and again).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import torch

from explanans import Explainer
from explanans.deploy.batch import Options, explain_shards
from explanans.deploy.batch.decoding import load_shards
from explanans.deploy.batch.job_options import FORMATS
from explanans.deploy.batch.manifest import Manifest, write_manifest
from explanans.images.listing import list_files, list_items
from explanans.utils.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explainer")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--format", nargs="+", default=list(FORMATS))
    parser.add_argument("--size", nargs="+", default=["input", "photo"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--receipts", action="store_true")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        for count in (arguments.pictures // 4, arguments.pictures):
            memory(arguments, count)
    else:
        speed(arguments)


def memory(arguments: argparse.Namespace, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "photos.csv"
        paths = islice(cycle(list_files([arguments.photos])), count)
        table.write_text("path\n" + "".join(f"{path.resolve()}\n" for path in paths), encoding="utf-8")
        command = [sys.executable, "-m", "explanans.cli.main", "explain", arguments.explainer, str(table), "--quiet"]
        command += ["--out", str(Path(folder) / "out"), "--format", arguments.format[0], "--size", arguments.size[0]]
        command += ["--batch_size", str(arguments.batch_size), "--workers", "1", "--device", "cpu", "--threads", "1"]
        process = subprocess.Popen([*command, *([] if arguments.receipts else ["--no_receipts"])])
        # Of the process itself, and of the largest among the workers that it has waited for.
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("explain failed")
    kind = f"{arguments.format[0]}, size {arguments.size[0]}"
    print(f"{count:,} pictures, {kind}: {usage.ru_maxrss / 1024:,.0f} MiB in the largest process")


def speed(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    explainer = Explainer.from_pretrained(arguments.explainer).folded()
    preprocessing = explainer.explanandum.preprocessing
    pictures = list_files([arguments.photos])[: arguments.pictures]
    kinds = [(form, size) for size in arguments.size for form in arguments.format]
    spent: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    written: dict[tuple[str, ...], float] = {}

    def timed(name: tuple[str, ...], work: Callable[[], object]) -> None:
        clock, own = time.perf_counter(), time.process_time()
        work()
        spent.setdefault(name, []).append((time.perf_counter() - clock, time.process_time() - own))

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        write_manifest(Path(folder) / "manifest.parquet", list_items(pictures), len(pictures))
        manifest = Manifest(Path(folder) / "manifest.parquet")
        start = time.process_time()
        batches = list(load_shards(manifest, [0], preprocessing, arguments.batch_size, workers=0))
        reading = time.process_time() - start
        ready = [preprocessing.normalise(batch.pixels) for batch in batches]
        del batches
        explainer.answers(ready[0])
        for _ in range(arguments.rounds):
            timed((), lambda: [explainer.answers(images) for images in ready])
            for form, size in kinds:
                options = Options(
                    format=form, size=size, receipts=arguments.receipts, batch_size=arguments.batch_size, threads=1
                )
                out = Path(folder) / "out"
                timed((form, size), partial(explain_shards, explainer, pictures, out, options, workers=1))
                written[form, size] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
                shutil.rmtree(out)
    count = len(pictures)
    print(f"{count} pictures, {arguments.batch_size} at once, ms per picture, medians of {arguments.rounds} rounds")
    print(f"reading, in a worker: {1000 * reading / count:.1f} of processor time")
    clock, own = (1000 * median(times) / count for times in zip(*spent[()], strict=True))
    print(f"bare passes: clock {clock:.1f}, processor {own:.1f}")
    for kind in kinds:
        # Of each round: what else the machine did then, it did to both.
        ratios = [
            [one / bare for one, bare in zip(each, base, strict=True)]
            for each, base in zip(spent[kind], spent[()], strict=True)
        ]
        clock, own = (1000 * median(times) / count for times in zip(*spent[kind], strict=True))
        of_clock, of_own = (median(each) for each in zip(*ratios, strict=True))
        print(
            f"{kind[0]:8} {kind[1]:6} clock {clock:6.1f} ({of_clock:.2f} ×), processor {own:6.1f} ({of_own:.2f} ×), "
            f"{written[kind] / count:7,.0f} bytes per picture"
        )


if __name__ == "__main__":
    main()
