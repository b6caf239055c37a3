"""The layout of the PASCAL VOC devkit, and of everything that is written in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch

from explanans.data.classes import choose_classes
from explanans.data.dataset import LabelledImages
from explanans.data.index_maps import classes_present, index_lookup, read_index_map
from explanans.data.joint_augment import Augment
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError
from explanans.images.segmentations import MOST
from explanans.utils.text import few

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
TASKS = {"main": "Main", "segmentation": "Segmentation"}
_PICTURES = (".jpg", ".png")


class VOC(LabelledImages):
    """JPEGImages, SegmentationClass, Annotations and ImageSets of a VOC devkit.

    The labels of an image are the objects of its Annotations file; where it has none, the classes of its mask at full
    resolution. Void is never an object. Images without any of ``classes`` stay in the list, with no label.
    Those that have a mask have a segmentation. In the lists of task "segmentation" all have; in those of "main" some,
    so their samples have none, and ``with_segmentation()`` is the rest.

    Args:
        root: the folder that holds JPEGImages, or one above it that holds a single such folder.
        split: name of a list in ImageSets, with or without a part: "train", "train[:90%]".
        classes: the classes wanted, in this order; others become background. None: all that the devkit has, which are
            the 20 of VOC or, where root has a classes.txt, its lines (line number = value in the masks).
        task: "main" (classification, every image) or "segmentation" (those with a mask): the folder of ImageSets to
            read the list from. None takes Main if it has the list and Segmentation otherwise.
        difficult: whether objects that Annotations marks as difficult count as labels. They do by default, because
            they did in the code of Stalder et al. (2022), which made a label of every object in the file; VOC's own
            evaluation leaves them out.

    Raises:
        InputError: folder, list or class that is not there.
        ImageError: a listed image, mask or annotation that is missing or wrong.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | None = None,
        task: str | None = None,
        difficult: bool = True,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        root = devkit_root(root)
        known = _known_classes(root)
        chosen = choose_classes(classes, known, root)
        lookup = index_lookup([known.index(name) + 1 for name in chosen], len(known))
        list_name, part = parse_split(split)
        list_file = _list_file(root, list_name, task, known)
        names = _read_list(list_file, part)
        paths = _pictures(root, names, list_file)
        masks = _masks(root, names, required=list_file.parent.name == TASKS["segmentation"])
        annotated = _files(root / "Annotations")

        def labels_of(name: str) -> np.ndarray:
            if f"{name}.xml" in annotated:
                objects = read_objects(root / "Annotations" / f"{name}.xml", known, difficult)
                return np.array([c in objects for c in chosen], dtype=np.float32)
            if name in masks:
                return classes_present(read_index_map(masks[name], lookup), len(chosen))
            raise ImageError(
                "the image has no labels: neither an Annotations file nor a mask in SegmentationClass",
                root / "Annotations" / f"{name}.xml",
            )

        super().__init__(
            name=f"{root.name}/{split}",
            classes=chosen,
            paths=paths,
            names=names,
            labels=torch.from_numpy(np.stack([labels_of(name) for name in names])),
            segmentations=[masks.get(name) for name in names] if masks else None,
            lookup=lookup if masks else None,
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )


def devkit_root(path: str | Path) -> Path:
    """The one folder that :func:`find_devkits` finds."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"VOC folder {path} does not exist; give the folder that holds JPEGImages.")
    found = find_devkits(path)
    if len(found) != 1:
        what = f"several: {', '.join(map(str, found))}; name one" if found else "none in it or in its sub-folders"
        raise InputError(f"VOC folder {path}: looked for a folder that holds JPEGImages and found {what}.")
    return found[0]


def find_devkits(path: Path) -> list[Path]:
    """``path`` if it holds JPEGImages, else the folders in it, or in a VOCdevkit in it, that do."""
    if (path / "JPEGImages").is_dir():
        return [path]
    return sorted(p.parent for pattern in ("*/JPEGImages", "VOCdevkit/*/JPEGImages") for p in path.glob(pattern))


def read_objects(path: Path, known: Sequence[str], difficult: bool = True) -> set[str]:
    """Class names of the objects in an Annotations file; parts of objects do not count.

    Raises:
        ImageError: no XML, or an object whose name is not in ``known``.
    """
    try:
        objects = ElementTree.parse(path).getroot().findall("object")
    except ElementTree.ParseError as error:
        raise ImageError(f"not an XML file: {error}", path) from error
    counted = [o for o in objects if difficult or o.findtext("difficult", "0").strip() != "1"]
    found = {o.findtext("name", "").strip() for o in counted}
    if unknown := sorted(found.difference(known)):
        raise ImageError(f"the object {unknown[0]!r} is no class; the classes are {few(known)}", path)
    return found


def _known_classes(root: Path) -> tuple[str, ...]:
    file = root / "classes.txt"
    if not file.is_file():
        return VOC_CLASSES
    names = tuple(line.strip() for line in file.read_text(encoding="utf-8").rstrip().splitlines())
    if not all(names) or len(set(names)) != len(names) or not 1 <= len(names) <= MOST:
        raise InputError(
            f"{file} must hold 1 to {MOST} different class names, one per line, without empty lines; its line "
            "number is the class's value in the masks."
        )
    return names


def _list_file(root: Path, name: str, task: str | None, known: Sequence[str]) -> Path:
    if task is not None and task not in TASKS:
        raise InputError(f"task={task!r}; take one of {', '.join(TASKS)}, or None.")
    folders = [TASKS[task]] if task else list(TASKS.values())
    for folder in folders:
        if (file := root / "ImageSets" / folder / f"{name}.txt").is_file():
            return file
    # Main has one more list for each class and split, which are no splits.
    there = [
        f"{folder}/{file.stem}"
        for folder in folders
        for file in sorted((root / "ImageSets" / folder).glob("*.txt"))
        if file.stem.rpartition("_")[0] not in known
    ]
    raise InputError(f"split={name!r}: {root / 'ImageSets'} has no such list; it has {', '.join(there) or 'none'}.")


def _read_list(file: Path, part: str) -> list[str]:
    names = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    wanted = part_of(part, len(names))
    if not wanted:
        raise InputError(f"{file} lists {len(names)} images and {part or 'the split'} selects none of them.")
    return [names[i] for i in wanted]


def _files(folder: Path) -> set[str]:
    """One listing instead of a look for each image: quick on network file systems too."""
    return {p.name for p in folder.iterdir()} if folder.is_dir() else set()


def _pictures(root: Path, names: Sequence[str], list_file: Path) -> list[Path]:
    folder = root / "JPEGImages"
    there = _files(folder)
    paths = []
    for name in names:
        file = next((name + suffix for suffix in _PICTURES if name + suffix in there), None)
        if file is None:
            raise ImageError(f"no such picture, but {list_file} lists it", folder / (name + _PICTURES[0]))
        paths.append(folder / file)
    return paths


def _masks(root: Path, names: Sequence[str], required: bool) -> dict[str, Path]:
    folder = root / "SegmentationClass"
    there = _files(folder)
    missing = [name for name in names if f"{name}.png" not in there]
    if required and missing:
        raise ImageError(
            f"no such mask, nor those of {len(missing) - 1} more images of the split; take task='main' for images "
            "without masks",
            folder / f"{missing[0]}.png",
        )
    return {name: folder / f"{name}.png" for name in names if f"{name}.png" in there}
