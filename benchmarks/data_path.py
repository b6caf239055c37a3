"""Images per second and core of the data path alone, beside the decoder's own speed.

    python benchmarks/data_path.py [--photos FOLDER] [--count 400] [--size 224] [--workers 0 1 2]

A GPU that trains at 2,000 images per second on a machine of 16 cores needs 125 images per second and core. JPEGs of VOC's
size (500 × 375) and a COCO of 640 × 480 with 7 outlines an image are made in a temporary folder: cut from mosaics of the
photos in FOLDER or, without it, from generated scenes. Printed are, one image after another in one thread, the decoders
alone and then each step added; then the loader, with batches of 32 and each number of workers, without and with the
caches. With k workers "per core" divides by k, because the process that trains only receives. Files are in the page
cache, as those of a training are from its second epoch on if memory allows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from coco_memory import write_annotations
from PIL import Image
from torchvision.io import decode_jpeg, read_file
from torchvision.io import ImageReadMode

from explanans.data import COCO, ImageFolder, LabelledImages, list_images, loader, read_image
from explanans.data.loading import collate
from explanans.data.scenes.compose import draw_scene
from explanans.preprocessing import Preprocessing

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


def per_second(run: Callable[[int], Any], count: int, seconds: float = 3.0) -> float:
    """Calls per second, after a warm-up, of at least one round over all indices."""
    for i in range(min(20, count)):
        run(i)
    start, done = time.perf_counter(), 0
    while done < count or time.perf_counter() - start < seconds:
        run(done % count)
        done += 1
    return done / (time.perf_counter() - start)


def loaded(data: LabelledImages, workers: int, rounds: int) -> float:
    """Images per second of a loader in its last epochs; the first starts workers and fills a cache."""
    batches = loader(data, BATCH, shuffle=True, workers=workers)
    for _ in batches:
        pass
    start = time.perf_counter()
    for _ in range(rounds):
        for _ in batches:
            pass
    return rounds * len(data) / (time.perf_counter() - start)


def line(what: str, images: float, cores: int = 1) -> None:
    per_core = images / cores
    print(f"  {what:46} {images:7.0f} /s {per_core:7.0f} /s/core {per_core / REQUIRED:5.1f} × {REQUIRED}", flush=True)


def steps(paths: Sequence[Path], preprocessing: Preprocessing) -> None:
    size = (preprocessing.height, preprocessing.width)
    count = len(paths)
    pictures = [read_image(path, fit=size) for path in paths[:50]]
    resized = [preprocessing.resize(picture) for picture in pictures]
    line("decoder: Pillow", per_second(lambda i: Image.open(paths[i]).load(), count))
    line("decoder: torchvision", per_second(lambda i: decode_jpeg(read_file(str(paths[i])), ImageReadMode.RGB), count))
    line("resize alone", per_second(lambda i: preprocessing.resize(pictures[i]), len(pictures)))
    line("normalise alone", per_second(lambda i: preprocessing.normalise(resized[i]), len(resized)))
    line("read_image", per_second(lambda i: read_image(paths[i], fit=size), count))
    line("read_image, resize", per_second(lambda i: preprocessing.resize(read_image(paths[i], fit=size)), count))
    line("read_image, resize, normalise", per_second(lambda i: preprocessing(read_image(paths[i], fit=size)), count))


def path_of(name: str, make: Callable[..., LabelledImages], caches: Sequence[Any], workers: Sequence[int]) -> None:
    print(name)
    data = make(cache=False)
    samples = [data[i] for i in range(BATCH)]
    line("collate alone", BATCH * per_second(lambda i: collate(samples), 10))
    line("one sample after another", per_second(lambda i: data[i], len(data)))
    for cache in caches:
        for k in workers:
            rounds = max(1, round((800 if cache is False else 4000) / len(data)))
            line(f"loader, {k} workers, cache={cache}", loaded(make(cache=cache), k, rounds), max(k, 1))


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

        def voc(**options: Any) -> LabelledImages:
            return ImageFolder(folder / "voc", "train", preprocessing=preprocessing, **options)

        def coco(**options: Any) -> LabelledImages:
            return COCO(folder / "coco", "train", preprocessing=preprocessing, **options)

        caches: list[Any] = [False, True]
        path_of("the whole path, 500 × 375, no masks", voc, caches, args.workers)
        path_of("the whole path, 640 × 480 with masks", coco, caches, args.workers)


if __name__ == "__main__":
    main()
