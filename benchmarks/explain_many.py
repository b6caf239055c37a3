"""Explain photos into shards, beside the bare networks' forward passes on the same pictures at the same batch size.

    python benchmarks/explain_many.py EXPLAINER PHOTOS [--pictures 512] [--format parquet] [--receipts]
    python benchmarks/explain_many.py EXPLAINER PHOTOS --memory [--pictures 8000]

EXPLAINER is a saved Explainer, PHOTOS a folder. Both are measured in one process with one thread for the networks and
one worker that reads: the bare passes over tensors that lie ready (classifier and mask network, batch norms folded),
and everything that `explanans explain` does. Processor time of this process says what the networks' process has to do
besides; the clock says what a user waits for, and needs a machine with a core to spare for the worker. Printed too:
bytes written per picture, and the time a worker needs for a picture.

With --memory: the highest resident memory of the command `explanans explain` and of its worker, for an eighth of the
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
from itertools import cycle, islice
from pathlib import Path

import torch

from explanans import Explainer
from explanans.many import Options, explain_shards, find_pictures
from explanans.many.inputs import list_items
from explanans.many.loading import load_shards
from explanans.many.manifest import Manifest, write_manifest
from explanans.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("explainer")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--format", default="parquet")
    parser.add_argument("--size", default="input")
    parser.add_argument("--receipts", action="store_true")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        for count in (arguments.pictures // 8, arguments.pictures):
            memory(arguments, count)
    else:
        speed(arguments)


def memory(arguments: argparse.Namespace, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "photos.csv"
        paths = islice(cycle(find_pictures([arguments.photos])), count)
        table.write_text("path\n" + "".join(f"{path.resolve()}\n" for path in paths), encoding="utf-8")
        command = [sys.executable, "-m", "explanans.cli", "explain", arguments.explainer, str(table), "--quiet"]
        command += ["--out", str(Path(folder) / "out"), "--format", arguments.format, "--size", arguments.size]
        command += ["--batch_size", str(arguments.batch_size), "--workers", "1", "--device", "cpu", "--threads", "1"]
        process = subprocess.Popen([*command, *([] if arguments.receipts else ["--no_receipts"])])
        # Of the process itself, and of the largest among the workers that it has waited for.
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("explain failed")
    print(f"{count:,} pictures, {arguments.format}: {usage.ru_maxrss / 1024:,.0f} MiB in the largest process")


def speed(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    explainer = Explainer.from_pretrained(arguments.explainer).folded()
    preprocessing = explainer.explanandum.preprocessing
    pictures = find_pictures([arguments.photos])[: arguments.pictures]
    options = Options(
        format=arguments.format, size=arguments.size, receipts=arguments.receipts, batch_size=arguments.batch_size
    )
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder) / "manifest.parquet", list_items(pictures), len(pictures))
        manifest = Manifest(Path(folder) / "manifest.parquet")
        start = time.process_time()
        batches = list(load_shards(manifest, [0], preprocessing, options.batch_size, workers=0))
        reading = time.process_time() - start
        ready = [preprocessing.normalise(batch.pixels) for batch in batches]
        with torch.no_grad():
            explainer.answers(ready[0])
            clock, own = time.perf_counter(), time.process_time()
            for images in ready:
                explainer.answers(images)
            bare = time.perf_counter() - clock, time.process_time() - own
        del ready, batches
        out = Path(folder) / "out"
        clock, own = time.perf_counter(), time.process_time()
        explain_shards(explainer, pictures, out, options, workers=1)
        whole = time.perf_counter() - clock, time.process_time() - own
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        shutil.rmtree(out)
    count = len(pictures)
    print(f"{count} pictures, {options.batch_size} at once, {options.format}, size {options.size}")
    print(f"reading, in a worker     {1000 * reading / count:6.1f} ms of processor time per picture")
    for name, column in (("clock", 0), ("processor", 1)):
        one, two = bare[column], whole[column]
        print(
            f"{name:10} bare {1000 * one / count:6.1f} ms, explain {1000 * two / count:6.1f} ms per picture "
            f"({two / one:.2f} ×, {count / two:.1f} pictures per second)"
        )
    print(f"written: {size / count:,.0f} bytes per picture")


if __name__ == "__main__":
    main()
