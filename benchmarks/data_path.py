"""Images per second and core of the data path alone, beside the decoder's own speed.

    python benchmarks/data_path.py [--photos FOLDER] [--count 400] [--size 224] [--workers 0 1 2]

A GPU that trains at 2,000 images per second on a machine of 16 cores needs 125 images per second and core. JPEGs of
VOC's size (500 × 375) and a COCO of 640 × 480 with 7 outlines an image are made in a temporary folder; each picture is
put together of four photos in FOLDER or, without it, of four generated scenes. Printed are, one image after another in
one thread, the decoders alone and then each step added; then the loader, with batches of 32 and each number of workers,
without and with the pictures cached in memory. "/s" is by the clock. "/s/core" divides by the processor's time instead,
of all processes together (workers, and the one that collects), and so is fair on a machine that does other things too.
Files are in the page cache, as those of a training are from its second epoch on if memory allows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from coco_memory import write_annotations
from explanans.data import LabelledImages, list_images, loader, open_dataset, read_image
from explanans.data.loading import collate
from explanans.data.scenes.compose import draw_scene
from explanans.images.preprocessing import Preprocessing

BATCH = 32
REQUIRED = 125


def write_photos(folder: Path, photos: Sequence[Path], count: int, size: tuple[int, int], name: str) -> None:
    """``count`` JPEGs of (width, height), quality 92: each a window of two by two photos or scenes."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    width, height = size
    for i in range(count):
        mosaic = Image.new("RGB", size)
        for corner in range(4):
            tile = read_image(photos[rng.integers(len(photos))]) if photos else _scene(int(rng.integers(100_000)))
            tile = tile.crop((0, 0, (width + 1) // 2, (height + 1) // 2))
            mosaic.paste(tile, (corner % 2 * (width // 2), corner // 2 * (height // 2)))
        mosaic.save(folder / name.format(i + 1), quality=92)


def _scene(index: int) -> Image.Image:
    return Image.fromarray(draw_scene(0, index, 320).picture)


class Rate(NamedTuple):
    """Images by second of the clock, and by second of a processor's time."""

    clock: float
    core: float


def measured(run: Callable[[int], Any], count: int, images: int = 1, seconds: float = 2.0) -> Rate:
    """``run`` on each index in turn, after a warm-up, for at least one round."""
    for i in range(min(20, count)):
        run(i)
    start, spent, done = time.perf_counter(), time.process_time(), 0
    while done < count or time.process_time() - spent < seconds:
        run(done % count)
        done += 1
    return Rate(images * done / (time.perf_counter() - start), images * done / (time.process_time() - spent))


def loaded(data: LabelledImages, workers: int, rounds: int) -> Rate:
    """The rate of a loader after its first epoch, which starts workers and fills a cache."""
    batches = loader(data, BATCH, shuffle=True, workers=workers)
    for _ in batches:
        pass
    start, spent = time.perf_counter(), processor_seconds()
    for _ in range(rounds):
        for _ in batches:
            pass
    count = rounds * len(data)
    return Rate(count / (time.perf_counter() - start), count / (processor_seconds() - spent))


def processor_seconds() -> float:
    """Of this process and the children that it has now."""
    tick = os.sysconf("SC_CLK_TCK")
    total = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


def line(what: str, rate: Rate) -> None:
    print(
        f"  {what:46} {rate.clock:6.0f} /s {rate.core:6.0f} /s/core {rate.core / REQUIRED:5.1f} × {REQUIRED}",
        flush=True,
    )


def steps(paths: Sequence[Path], preprocessing: Preprocessing) -> None:
    size = (preprocessing.height, preprocessing.width)
    count = len(paths)
    pictures = [read_image(path, fit=size) for path in paths[:50]]
    resized = [preprocessing.resize(picture) for picture in pictures]
    line("decoder: Pillow", measured(lambda i: Image.open(paths[i]).load(), count))
    line("decoder: torchvision", measured(lambda i: decode_jpeg(read_file(str(paths[i])), ImageReadMode.RGB), count))
    line("resize alone", measured(lambda i: preprocessing.resize(pictures[i]), len(pictures)))
    line("normalise alone", measured(lambda i: preprocessing.normalise(resized[i]), len(resized)))
    line("read_image", measured(lambda i: read_image(paths[i], fit=size), count))
    line("read_image, resize", measured(lambda i: preprocessing.resize(read_image(paths[i], fit=size)), count))
    line("read_image, resize, normalise", measured(lambda i: preprocessing(read_image(paths[i], fit=size)), count))


def path_of(name: str, make: Callable[..., LabelledImages], workers: Sequence[int]) -> None:
    print(name)
    data = make(False)
    samples = [data[i] for i in range(BATCH)]
    line("collate alone", measured(lambda i: collate(samples), 10, BATCH))
    line("one sample after another", measured(lambda i: data[i], len(data)))
    for cache in (False, True):
        for k in workers:
            rounds = max(1, round((2000 if cache else 800) / len(data)))
            line(f"loader, {k} workers{', cached' if cache else ''}", loaded(make(cache), k, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", default=400, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--workers", default=[0, 1, 2], type=int, nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(1)
    preprocessing = Preprocessing(args.size, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    photos = list_images(args.photos)[:500] if args.photos else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photos(folder / "voc/train/any", photos, args.count, (500, 375), "{:06d}.jpg")
        write_photos(folder / "coco/train2014", photos, args.count, (640, 480), "COCO_train2014_{:012d}.jpg")
        (folder / "coco/annotations").mkdir()
        write_annotations(folder / "coco/annotations/instances_train2014.json", args.count, round(7.3 * args.count))
        for title, paths in (("500 × 375", list_images(folder / "voc")), ("640 × 480", list_images(folder / "coco"))):
            size = sum(path.stat().st_size for path in paths) / len(paths) / 1024
            print(f"{title}, {size:.0f} KiB each, to {args.size} × {args.size}, one thread")
            steps(paths, preprocessing)

        def opened(spec: str, segmentation: bool, cache: bool) -> LabelledImages:
            return open_dataset(spec, "train", preprocessing=preprocessing, cache=cache, segmentation=segmentation)

        for title, spec, segmentation in (
            ("the whole path, 500 × 375", f"folder:{folder / 'voc'}", False),
            ("the whole path, COCO 640 × 480, as for training", f"coco:{folder / 'coco'}", False),
            ("the whole path, COCO 640 × 480, with masks", f"coco:{folder / 'coco'}", True),
        ):
            path_of(title, partial(opened, spec, segmentation), args.workers)


if __name__ == "__main__":
    main()
