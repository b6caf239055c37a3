"""Time and memory of COCO's annotations: the memory-mapped index against pycocotools in every process.

    python benchmarks/coco_memory.py [--images 123000] [--annotations 900000] [--workers 4] [--ways index forked naive]

Writes an annotation file of the size of COCO's to a temporary folder, or once to --folder, without pictures: polygons
with two decimals, about 57 numbers an annotation as in COCO; one annotation in a hundred a crowd as run lengths. It
measures how long it takes to open it the first time and later, and how much memory one process and its loader workers
then hold after each has painted the segmentations of --samples images. Each way runs in a process of its own. Memory is
PSS from /proc/*/smaps_rollup: a page that k processes share counts 1/k in each, so that a sum counts every page once.
For the index it includes the pages of the mapped file, which the system takes back when it needs them. "naive" is a
pycocotools.COCO made in every worker, which needs 3 GB each while it is made; "forked" is one made before the workers
fork.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from explanans.data.datasets.coco.categories import CATEGORIES

HEIGHT, WIDTH = 480, 640
MIB = 2**20


def write_annotations(path: Path, images: int, annotations: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    numbers = list(CATEGORIES)
    with path.open("w") as file:
        file.write('{"info": {"year": 2014}, "images": [')
        for i in range(images):
            entry = {"id": i + 1, "height": HEIGHT, "width": WIDTH, "file_name": f"COCO_train2014_{i + 1:012d}.jpg"}
            file.write(("," if i else "") + json.dumps(entry))
        file.write('], "annotations": [')
        for a in range(annotations):
            entry = {
                "id": a + 1,
                "image_id": int(rng.integers(images)) + 1,
                "category_id": numbers[rng.integers(80)],
                "iscrowd": int(a % 100 == 99),
                "area": 1000.0,
                "bbox": [10.0, 10.0, 50.0, 50.0],
                "segmentation": _runs(rng) if a % 100 == 99 else _outline(rng),
            }
            file.write(("," if a else "") + json.dumps(entry))
        categories = [{"id": number, "name": name} for number, name in CATEGORIES.items()]
        file.write('], "categories": ' + json.dumps(categories) + "}")


def _outline(rng: np.random.Generator) -> list[list[float]]:
    corners = int(rng.integers(12, 46))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = rng.uniform(5, 120) * rng.uniform(0.7, 1, corners)
    x = np.clip(rng.uniform(0, WIDTH) + radius * np.cos(angle), 0, WIDTH)
    y = np.clip(rng.uniform(0, HEIGHT) + radius * np.sin(angle), 0, HEIGHT)
    return [np.stack([x, y], 1).round(2).ravel().tolist()]


def _runs(rng: np.random.Generator) -> dict[str, Any]:
    counts = rng.integers(1, 900, 400)
    return {"size": [HEIGHT, WIDTH], "counts": [*counts.tolist(), HEIGHT * WIDTH - int(counts.sum())]}


def pss(pid: int | str = "self") -> float:
    """Proportional set size in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def naive_open(path: Path) -> Any:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def naive_use(coco: Any, rows: np.ndarray) -> None:
    numbers = sorted(coco.imgs)
    for row in rows:
        for annotation in coco.imgToAnns[numbers[row]]:
            coco.annToMask(annotation)


def index_open(path: Path) -> Any:
    from explanans.data.datasets.coco.index import open_index

    return open_index(path)


def index_use(index: Any, rows: np.ndarray) -> None:
    from explanans.data.datasets.coco.masks import paint

    for row in rows:
        paint(index.instances(int(row)), *index.size(int(row)))


def work(use: Callable[..., None], given: Any, rows: np.ndarray, pipe: Any) -> None:
    """A loader worker: paints, says that it is done, waits until it has been measured."""
    # Held by a name until it has been measured.
    opened = given() if callable(given) else given
    use(opened, rows)
    pipe.send(pss())
    pipe.recv()


def measured(path: Path, way: str, workers: int, images: int, samples: int, pipe: Any) -> None:
    """Runs in a process of its own, so that nothing of another way is left in memory."""
    start, before = time.perf_counter(), pss()
    opened = None if way == "naive" else index_open(path) if way == "index" else naive_open(path)
    seconds = time.perf_counter() - start
    use = index_use if way == "index" else naive_use
    context = multiprocessing.get_context("fork")
    pipes, processes = [], []
    for number in range(workers):
        mine, theirs = context.Pipe()
        rows = np.random.default_rng(number).integers(0, images, samples)
        given = (lambda: naive_open(path)) if way == "naive" else opened
        processes.append(context.Process(target=work, args=(use, given, rows, theirs)))
        processes[-1].start()
        pipes.append(mine)
    for mine in pipes:
        mine.recv()
    held = [pss(process.pid or "self") for process in processes]
    pipe.send((seconds, before, pss(), held, time.perf_counter() - start))
    for mine, process in zip(pipes, processes, strict=True):
        mine.send(None)
        process.join()


def in_a_process(target: Callable[..., None], *args: Any) -> Any:
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    process = context.Process(target=target, args=(*args, theirs))
    process.start()
    answer = mine.recv()
    process.join()
    return answer


def first_open(path: Path, pipe: Any) -> None:
    start = time.perf_counter()
    index_open(path)
    pipe.send((time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default=123_000, type=int)
    parser.add_argument("--annotations", default=900_000, type=int)
    parser.add_argument("--workers", default=4, type=int)
    parser.add_argument("--samples", default=500, type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ways", default=["index", "naive", "forked"], nargs="+", choices=["index", "naive", "forked"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = (args.folder or Path(temporary)) / "instances_train2014.json"
        if not path.exists():
            write_annotations(path, args.images, args.annotations)
        print(f"{args.images:,} images, {args.annotations:,} annotations, {path.stat().st_size / MIB:,.0f} MiB of JSON")
        index = path.with_name(f"{path.name}.index")
        index.unlink(missing_ok=True)
        seconds, peak = in_a_process(first_open, path)
        size = index.stat().st_size / MIB
        print(f"index, first time: {seconds:.1f} s, at most {peak:,.0f} MiB resident; a file of {size:,.0f} MiB")
        for way in args.ways:
            seconds, before, parent, held, ready = in_a_process(
                measured, path, way, args.workers, args.images, args.samples
            )
            print(
                f"{way:6} open {seconds:6.3f} s, all workers done after {ready:5.1f} s; PSS in MiB: parent "
                f"{before:,.0f} before, {parent:,.0f} now; workers {' '.join(f'{each:,.0f}' for each in held)}; "
                f"all together {parent + sum(held):,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
