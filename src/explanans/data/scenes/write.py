"""Generated scenes as a data set on disk, in the layout of the PASCAL VOC devkit."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from rich.console import Console

from explanans.data.scenes.compose import CLASSES, Scene, check_size, draw_scene
from explanans.errors import InputError
from explanans.utils.files import atomic_folder
from explanans.utils.progress import Progress
from explanans.utils.records import Kind, read_json, write_json
from explanans.utils.run_folder import check_same

GENERATOR = 1
"""Raised whenever the same seed and index would draw something else."""

RECORD = "scenes.json"
KIND = Kind("data set of scenes", "name a new folder, or delete this one")
SPLIT_SPACING = 1_000_000
"""Scenes of train are drawn from index 0, of val from 1,000,000, of test from 2,000,000: the number of scenes in one
split changes no other, and no two splits share a scene."""

_JPEG_QUALITY = 95


def write_scenes(
    folder: str | Path,
    *,
    train: int = 3000,
    val: int = 500,
    test: int = 500,
    size: int = 96,
    seed: int = 0,
    workers: int = 0,
    quiet: bool = False,
) -> Path:
    """Draw scenes into a folder that ``open_dataset("scenes:FOLDER", split)`` reads.

    The folder has JPEGImages (JPEG, quality 95, full chroma), SegmentationClass (palette PNG, exact, without void),
    Annotations (one object per instance), ImageSets/Segmentation, classes.txt (line number = value in the masks) and
    scenes.json (the settings). It appears when all is written and not before. Where it exists with the very same
    settings it is left as it is.

    Args:
        folder: where to write; a new or an empty folder, or an earlier result of the same settings.
        train, val, test: how many scenes each split has; a split of 0 gets no list.
        size: height and width in pixels, at least 48.
        seed: another seed gives other scenes.
        workers: processes that draw, 0 or 1 for none but this one; the files are the same for any number.
        quiet: do not say on standard error how far it is.

    Returns:
        The folder.

    Raises:
        InputError: an argument out of range, or a folder that holds anything else.
    """
    folder = Path(folder)
    counts = {"train": train, "val": val, "test": test}
    _check(counts, size, seed, workers)
    settings = {"generator": GENERATOR, "classes": list(CLASSES), **counts, "size": size, "seed": seed}
    console = Console(stderr=True, quiet=quiet)
    if (folder / RECORD).is_file():
        previous = read_json(folder / RECORD, KIND)
        check_same(folder / RECORD, KIND, previous, settings, argument="folder")
        console.print(f"[dim]{folder} already holds these scenes; nothing to do.[/dim]", highlight=False)
        return folder
    names = {split: [_name(split, i) for i in range(count)] for split, count in counts.items()}
    everything = [name for split in names.values() for name in split]
    with atomic_folder(folder) as temporary:
        for part in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Segmentation"):
            (temporary / part).mkdir(parents=True)
        job = partial(_write_scene, root=temporary, seed=seed, size=size)
        progress = Progress("drawing scenes", len(everything), unit="scenes", show=not quiet)
        with _mapped(job, everything, workers) as done, progress:
            for _ in progress.over(done):
                pass
        for split, listed in names.items():
            if listed:
                (temporary / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(listed) + "\n")
        (temporary / "classes.txt").write_text("\n".join(CLASSES) + "\n")
        write_json(temporary / RECORD, KIND, settings)
    return folder


@cache
def voc_palette() -> bytes:
    """The 256 colours of VOC's masks, flat RGB: an index's bits, lowest first, go in turn to R, G and B."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= ((np.arange(256) >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours.tobytes()


def _check(counts: dict[str, int], size: int, seed: int, workers: int) -> None:
    for name, value in {**counts, "size": size, "seed": seed, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{name}={value!r}; give a whole number, 0 or above.")
    if not any(counts.values()):
        raise InputError("train, val and test are all 0; ask for at least one scene.")
    for split, count in counts.items():
        if count > SPLIT_SPACING:
            raise InputError(
                f"{split}={count}: a split has at most {SPLIT_SPACING:,} scenes; take another seed for more."
            )
    check_size(size)


def _name(split: str, i: int) -> str:
    return f"{('train', 'val', 'test').index(split) * SPLIT_SPACING + i:07d}"


@contextmanager
def _mapped(job: partial[None], names: list[str], workers: int) -> Iterator[Iterable[None]]:
    if workers <= 1:
        yield map(job, names)
        return
    # Ctrl-C reaches every process of a terminal; this one alone answers it, and ends the others.
    with _held_back(signal.SIGINT):
        pool = multiprocessing.Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    with pool:
        yield pool.imap_unordered(job, names, chunksize=16)


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """A signal waits until the block ends, also for processes that begin in it; on Windows nothing waits."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write_scene(name: str, root: Path, seed: int, size: int) -> None:
    scene = draw_scene(seed, int(name), size)
    picture = Image.fromarray(scene.picture)
    picture.save(root / "JPEGImages" / f"{name}.jpg", quality=_JPEG_QUALITY, subsampling=0)
    mask = Image.fromarray(scene.mask)
    mask.putpalette(voc_palette())
    mask.save(root / "SegmentationClass" / f"{name}.png")
    (root / "Annotations" / f"{name}.xml").write_text(_annotation(name, scene))


def _annotation(name: str, scene: Scene) -> str:
    """VOC's XML; its boxes count pixels from 1 and include both ends."""
    root = ElementTree.Element("annotation")

    def add(parent: ElementTree.Element, **fields: object) -> None:
        for tag, value in fields.items():
            ElementTree.SubElement(parent, tag).text = str(value)

    height, width = scene.mask.shape
    add(root, folder="scenes", filename=f"{name}.jpg", segmented=1)
    add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    for thing in scene.objects:
        node = ElementTree.SubElement(root, "object")
        add(node, name=thing.name, truncated=int(thing.visible < 0.95), difficult=0)
        left, top, right, bottom = thing.box
        add(ElementTree.SubElement(node, "bndbox"), xmin=left + 1, ymin=top + 1, xmax=right, ymax=bottom)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
