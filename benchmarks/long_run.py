"""Does a process that explains for long grow, and does it leave anything open?

    python benchmarks/long_run.py                                  # 10,000 photos by each, and a job of 5,000
    python benchmarks/long_run.py --only shards --pictures 20000

Photos of 64 × 48 and networks of a few thousand weights, so that the networks' own memory is small beside a leak:

- explainer: ``explain`` of one photo after the other by a trained Explainer, with receipts;
- method: the same by Spread-CAM on the bare classifier, whose hooks come and go with every photo;
- saved: the explanations are also written, with figure, over and over into sixteen folders (a tenth as many);
- shards: one job of half as many pictures, 100 to a shard, one worker that reads.

Resident memory is read after a garbage collection, 100 times in all. Growth is that between the medians of the tenth of
the readings that follow the warm-up (the first half) and the last tenth, for each 10,000 pictures. Counted are
descriptors, threads and child processes that were not there before, after a first short run, and temporary files. The
exit status is 1 if there is any of these, or more growth than 1 MB (10⁶ bytes).
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from explanans import Explainer, Explanandum, Preprocessing
from explanans.classifiers import SmallResNet
from explanans.deploy.batch import Options, explain_shards
from explanans.explanations.explain import explain
from explanans.utils.temporaries import is_temporary

LARGEST_GROWTH = 1e6
PHOTOS, SHARD_SIZE = 16, 100


@dataclass
class Watch:
    """What the process holds, read every so many pictures."""

    pictures: int
    readings: int = 100
    memory: list[int] = field(default_factory=list)

    def __call__(self, done: int) -> None:
        if done * self.readings // self.pictures > len(self.memory):
            gc.collect()
            self.memory.append(resident())

    @property
    def growth(self) -> float:
        """Bytes for each 10,000 pictures."""
        # A job tells of batches, so that a short one has fewer readings.
        made = len(self.memory)
        tenth = max(1, made // 10)
        late = self.memory[made // 2 :]
        between = (len(late) - tenth) / made * self.pictures
        return (statistics.median(late[-tenth:]) - statistics.median(late[:tenth])) / between * 10_000


Run = Callable[[Explainer, list[Path], Path, Watch], None]
"""Explains the photos again and again, and tells the watch after each."""


def resident() -> int:
    """Bytes of this process's memory that lie in the machine's."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened() -> Counter[str]:
    """Descriptors, children, and Python's threads: the pools of native libraries fill up when they like, to a bound."""
    children = 0
    for task in Path("/proc/self/task").iterdir():
        # A thread may end between the list and the look; its children become another's.
        with suppress(FileNotFoundError, ProcessLookupError):
            children += len((task / "children").read_text().split())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Counter(descriptors=descriptors, threads=threading.active_count(), children=children)


def tiny() -> Explainer:
    torch.manual_seed(0)
    classifier = Explanandum(
        SmallResNet(3, (4, 8)),
        classes=("cat", "dog", "cow"),
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.25,) * 3),
    )
    return Explainer(classifier, "compact", encoder_weights=None).eval()


def write_photos(folder: Path) -> list[Path]:
    pixels = np.random.default_rng(0)
    paths = [folder / f"{number:02d}.png" for number in range(PHOTOS)]
    folder.mkdir()
    for path in paths:
        coarse = Image.fromarray(pixels.integers(0, 256, (5, 6, 3), np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(path)
    return paths


def by_explainer(explainer: Explainer, photos: list[Path], out: Path, watch: Watch) -> None:
    for done, photo in enumerate(islice(cycle(photos), watch.pictures), 1):
        explain(explainer, photo, top_k=2)
        watch(done)


def by_method(explainer: Explainer, photos: list[Path], out: Path, watch: Watch) -> None:
    for done, photo in enumerate(islice(cycle(photos), watch.pictures), 1):
        explain(explainer.explanandum, photo, method="spread_cam", top_k=2)
        watch(done)


def saved(explainer: Explainer, photos: list[Path], out: Path, watch: Watch) -> None:
    for done, photo in enumerate(islice(cycle(photos), watch.pictures), 1):
        found = explain(explainer, photo, top_k=2)
        assert not isinstance(found, list)
        found.save(out / photo.stem)
        watch(done)


def shards(explainer: Explainer, photos: list[Path], out: Path, watch: Watch) -> None:
    images = list(islice(cycle(photos), watch.pictures))
    options = Options(top_k=2, receipts=True)
    explain_shards(
        explainer,
        images,
        out,
        options,
        shard_size=SHARD_SIZE,
        progress=lambda done, total: watch(done) if done else None,
    )


KINDS: dict[str, tuple[Run, float]] = {
    "explainer": (by_explainer, 1),
    "method": (by_method, 1),
    "saved": (saved, 0.1),
    "shards": (shards, 0.5),
}
"""What is run, and its share of the pictures."""


@contextmanager
def scratch(folder: Path) -> Iterator[None]:
    """In the block the system's temporary files go to a folder of their own."""
    folder.mkdir()
    before = tempfile.gettempdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = os.environ["TMPDIR"] = before


def measure(run: Run, watch: Watch) -> list[str]:
    """What is left when it has run."""
    with tempfile.TemporaryDirectory() as folder, scratch(Path(folder) / "tmp"):
        place = Path(folder)
        photos, explainer = write_photos(place / "photos"), tiny()
        # What is there already need not be looked through in every collection.
        gc.collect()
        gc.freeze()
        try:
            run(explainer, photos, place / "first", Watch(max(PHOTOS, watch.pictures // 50)))
            gc.collect()
            before = opened()
            run(explainer, photos, place / "out", watch)
            gc.collect()
            wrong = [f"{number} {what} more than before" for what, number in (opened() - before).items()]
        finally:
            gc.unfreeze()
        left = [*(place / "tmp").iterdir(), *(path for path in place.rglob("*") if is_temporary(path.name))]
        wrong += [f"{path.relative_to(place)} is left" for path in left]
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help="of the first two; the others have a share of it")
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    print("run        pictures  minutes  resident MB  growth MB / 10,000  left")
    for name in given.only:
        begin = time.monotonic()
        run, share = KINDS[name]
        watch = Watch(int(given.pictures * share))
        wrong = measure(run, watch)
        minutes = (time.monotonic() - begin) / 60
        growth, memory = watch.growth, watch.memory[-1] / 1e6
        left = "; ".join(wrong) or "nothing"
        print(
            f"{name:9}  {watch.pictures:8,}  {minutes:7.1f}  {memory:11.1f}  {growth / 1e6:18.3f}  {left}", flush=True
        )
        failed |= bool(wrong) or growth > LARGEST_GROWTH
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
