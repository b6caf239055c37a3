"""What a server costs beside the bare model: many users at once, one user alone, the page, memory.

    python benchmarks/serve_load.py [WHO] [--network trunk] [--users 50] [--seconds 60] [--requests 5000]
    python benchmarks/serve_load.py --tiny --requests 5000
    python benchmarks/serve_load.py [WHO] --page [--top_k 6] [--users 0]

WHO is what explains (sample:efficientnet_lite0). ``--network`` puts an untrained Explainer over that classifier: its
masks mean nothing, and cost what a trained one's do. ``--tiny`` takes a classifier of 32 pixels that computes next to
nothing, so that what is left is the server's own. The server is the command itself, in a process of its own.

"bare" is :func:`explanans.explanations.batch.explain_batch` on tensors that are ready, in full batches: no file is
read, nothing encoded, nobody answered. "library" is :func:`explanans.explain` on a photo's bytes. Both are asked before
and after the server, since other work on the machine comes and goes. Rates are by the clock and by processor time,
which other work changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from explanans import Explainer, Explanandum, explain
from explanans.classifiers import SmallResNet
from explanans.classifiers.sources import Source
from explanans.explainers.named import Named
from explanans.explanations.batch import Masker, Settings, explain_batch
from explanans.explanations.selection import Selection
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import read_image
from explanans.pipelines.package_photos import photos
from explanans.utils.memory import keep_freed_memory

BATCH = 8
# Milliseconds for which somebody looks at a photo before choosing the next.
LOOKED_AT = 2500


@dataclass
class Spent:
    """Pictures, seconds by the clock and of a processor."""

    pictures: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    def said(self) -> str:
        return (
            f"{self.pictures / self.seconds:.2f} pictures/s ({self.pictures / self.processor:.2f} per processor second)"
        )


@dataclass
class Load:
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def bare(masker: Masker, pictures: Sequence[bytes], settings: Settings, seconds: float, spent: Spent) -> None:
    inputs = torch.stack([masker.explanandum.preprocessing(read_image(each)) for each in pictures])
    inputs = inputs[[place % len(inputs) for place in range(BATCH)]]
    explain_batch(masker, inputs, settings)
    begun, used = time.monotonic(), time.process_time()
    while time.monotonic() < begun + seconds:
        explain_batch(masker, inputs, settings)
        spent.pictures += BATCH
    spent.seconds += time.monotonic() - begun
    spent.processor += time.process_time() - used


def library(masker: Masker, pictures: Sequence[bytes], top_k: int | None) -> list[tuple[float, float]]:
    """For each photo the time by the clock and of a processor."""
    explain(masker, pictures[0], top_k=top_k)
    found = []
    for picture in pictures:
        begun, used = time.monotonic(), time.process_time()
        explain(masker, picture, top_k=top_k)
        found.append((time.monotonic() - begun, time.process_time() - used))
    return found


@contextmanager
def server(who: str, top_k: int | None) -> Iterator[tuple[int, int, float]]:
    """Process, port, and seconds from the command to its being there."""
    begun = time.monotonic()
    words = [sys.executable, "-m", "explanans", "serve", who, "--port", "0"]
    words += [] if top_k is None else ["--top_k", str(top_k)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    try:
        for line in started.stdout:
            if found := re.search(r"http://[^/]*:(\d+)/", line):
                yield started.pid, int(found[1]), time.monotonic() - begun
                break
        else:
            raise SystemExit("the server did not start")
    finally:
        started.terminate()
        started.wait()


async def post(port: int, path: str, content: bytes) -> tuple[int, bytes]:
    """A request on a connection of its own; plain sockets, so that the users take little of the cores."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    heads, _, body = answer.partition(b"\r\n\r\n")
    return int(heads.split(b" ", 2)[1]), body


async def user(port: int, pictures: Sequence[bytes], first: int, until: float, left: Iterator[int], load: Load) -> None:
    for number in itertools.count(first):
        if time.monotonic() >= until or next(left, None) is None:
            return
        begun = time.monotonic()
        try:
            status, body = await post(port, "/api/explain", pictures[number % len(pictures)])
            said = json.loads(body)
            if status != 200 or not said["classes"]:
                load.errors.append(f"{status} {said.get('error')}")
        except (OSError, ValueError, KeyError) as error:
            load.errors.append(repr(error))
        load.seconds.append(time.monotonic() - begun)


async def crowd(port: int, pictures: Sequence[bytes], users: int, until: float, requests: int) -> Load:
    load, left = Load(), iter(range(requests))
    await asyncio.gather(*(user(port, pictures, first, until, left, load) for first in range(users)))
    return load


def processor_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def page(port: int, files: Sequence[Path]) -> list[float]:
    """Seconds from choosing a photo to its masks on the screen, in Chromium: one at a time, each when the last has been
    looked at, after a round that is not counted (a browser draws its first photo slowly)."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(f"http://127.0.0.1:{port}/")
        opened.wait_for_selector("body[data-ready]")
        opened.evaluate(
            """() => {
              window.shown = [];
              let begun = 0;
              document.getElementById("files").addEventListener("change", () => (begun = performance.now()), true);
              new MutationObserver(() => {
                if (document.body.dataset.status === "done") window.shown.push(performance.now() - begun);
              }).observe(document.body, { attributes: true, attributeFilter: ["data-status"] });
            }"""
        )
        for number, file in enumerate([*files, *files]):
            opened.wait_for_timeout(LOOKED_AT)
            opened.set_input_files("#files", file)
            opened.wait_for_function("number => window.shown.length > number", arg=number, polling=100)
        found = [each / 1000 for each in opened.evaluate("window.shown")[len(files) :]]
        browser.close()
    return found


def measure(who: str, masker: Masker, arguments: argparse.Namespace) -> None:
    pictures = [photo.file.read_bytes() for photo in photos()]
    with server(who, arguments.top_k) as (pid, port, started):
        begun = time.monotonic()
        asyncio.run(post(port, "/api/explain", pictures[0]))
        first = started + time.monotonic() - begun
        print(f"{started:.1f} s from the command to the page, {first:.1f} to the first mask,")
        print(f"    which took {processor_of(pid):.1f} s of a processor")
        if arguments.users:
            under_load(masker, pictures, pid, port, arguments)
        if arguments.page:
            before = library(masker, pictures, arguments.top_k)
            shown = page(port, [Path(str(photo.file)) for photo in photos()])
            own = [clock for clock, _ in before + library(masker, pictures, arguments.top_k)]
            print(f"page: {statistics.median(shown):.2f} s from a chosen photo to its masks, {min(shown):.2f} at best")
            print(f"library: {statistics.median(own):.2f} s for a photo, {min(own):.2f} at best")


def under_load(masker: Masker, pictures: Sequence[bytes], pid: int, port: int, arguments: argparse.Namespace) -> None:
    settings, alone = Settings(Selection(top_k=arguments.top_k), batch_size=BATCH), Spent()
    bare(masker, pictures, settings, min(15, arguments.seconds / 4), alone)
    memory, used, begun = memory_of(pid), processor_of(pid), time.monotonic()
    load = asyncio.run(crowd(port, pictures, arguments.users, begun + arguments.seconds, arguments.requests))
    served = Spent(len(load.seconds), time.monotonic() - begun, processor_of(pid) - used)
    bare(masker, pictures, settings, min(15, arguments.seconds / 4), alone)
    late = statistics.quantiles(load.seconds, n=20)[-1]
    print(f"{arguments.users} users: {len(load.seconds)} requests, {len(load.errors)} errors {load.errors[:3]}")
    print(f"    {statistics.median(load.seconds):.2f} s in the median, p95 {late:.2f} s")
    print(f"memory: {memory:.0f} MiB after one request, {memory_of(pid):.0f} after {len(load.seconds)} more")
    print(f"bare:   {alone.said()}\nserver: {served.said()}")
    print(
        f"the server has {served.pictures / served.seconds / (alone.pictures / alone.seconds):.0%} of the bare rate, "
        f"{served.pictures / served.processor / (alone.pictures / alone.processor):.0%} by processor time"
    )


def tiny(folder: str) -> None:
    arguments = {"num_classes": 3, "widths": [8, 16]}
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3)
    source = Source("explanans:small_resnet", arguments)
    network = SmallResNet(**arguments)
    Explanandum(
        network, classes=("cat", "dog", "cow"), activation="softmax", preprocessing=preprocessing, source=source
    ).save(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who", nargs="?", default="sample:efficientnet_lite0")
    parser.add_argument("--network", help="an untrained Explainer's, over that classifier")
    parser.add_argument("--tiny", action="store_true", help="a classifier that computes next to nothing")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, default=10**9)
    parser.add_argument("--top_k", type=int, help="classes of each photo; those that are seen where it is not given")
    parser.add_argument("--page", action="store_true", help="measure the page in Chromium too")
    arguments: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        who = arguments.who
        if arguments.network:
            torch.manual_seed(0)
            Explainer(Explanandum.load(who), arguments.network, encoder_weights=None).save_pretrained(folder)
            who = folder
        if arguments.tiny:
            who = f"{folder}/tiny"
            tiny(who)
        keep_freed_memory()
        measure(who, Named(who, batch_size=BATCH).load(), arguments)


if __name__ == "__main__":
    main()
