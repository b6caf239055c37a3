"""Published data sets in miniature: the very layout, a few dozen drawn pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from explanans.data.datasets.voc import VOC_CLASSES
from explanans.data.scenes.write import voc_palette

VOID = 255
VOC_COUNTS = {"train": 14, "val": 10, "test": 12}


@dataclass(frozen=True)
class Thing:
    """An object of a picture: a box (left, top, right, bottom, in pixels from 0, ends excluded) in which it is an
    ellipse."""

    kind: str
    box: tuple[int, int, int, int]
    difficult: bool
    truncated: bool


@dataclass(frozen=True)
class Scene:
    name: str
    height: int
    width: int
    things: tuple[Thing, ...]
    segmented: bool


def voc_scenes(seed: int = 7) -> dict[str, list[Scene]]:
    """The scenes of each split. Every third has a mask; things marked difficult are small; some pictures have nothing
    but a difficult thing."""
    draw = np.random.default_rng(seed)
    scenes: dict[str, list[Scene]] = {split: [] for split in VOC_COUNTS}
    number = 0
    for split, count in VOC_COUNTS.items():
        for i in range(count):
            number += int(draw.integers(1, 30))
            height, width = (int(value) for value in draw.integers(40, 72, 2))
            things = tuple(_thing(draw, height, width, only=i % 5 == 4) for _ in range(1 if i % 5 == 4 else 3))
            scenes[split].append(Scene(f"{number:06d}", height, width, things, i % 3 == 0))
    return scenes


def _thing(draw: np.random.Generator, height: int, width: int, only: bool) -> Thing:
    difficult = only or bool(draw.random() < 0.2)
    # A few classes, so that they meet in one picture, one of them in some pictures as difficult and in others not.
    kind = ("cat", "dog", "person", "tvmonitor", "aeroplane")[int(draw.integers(5))]
    size = 8 if difficult else int(draw.integers(14, 26))
    left, top = int(draw.integers(-6, width - size)), int(draw.integers(-6, height - size))
    box = (max(left, 0), max(top, 0), left + size + 6, top + size)
    return Thing(kind, (box[0], box[1], min(box[2], width), min(box[3], height)), difficult, left < 0 or top < 0)


def write_voc(root: Path, year: int = 2007, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """``root/VOCdevkit/VOC2007`` with the pictures and lists of ``splits``, as the archives of trainval and test have
    them; returns the devkit."""
    devkit = root / "VOCdevkit" / f"VOC{year}"
    for folder in ("Annotations", "ImageSets/Main", "ImageSets/Segmentation", "ImageSets/Layout", "JPEGImages"):
        (devkit / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("SegmentationClass", "SegmentationObject"):
        (devkit / folder).mkdir(exist_ok=True)
    lists = {split: scenes for split, scenes in voc_scenes().items() if split in splits}
    for scene in (scene for scenes in lists.values() for scene in scenes):
        _write_scene(devkit, scene, year)
    if {"train", "val"} <= lists.keys():
        lists["trainval"] = sorted(lists["train"] + lists["val"], key=lambda scene: scene.name)
    for split, scenes in lists.items():
        _write_list(devkit / f"ImageSets/Main/{split}.txt", [scene.name for scene in scenes])
        masked = [scene.name for scene in scenes if scene.segmented]
        _write_list(devkit / f"ImageSets/Segmentation/{split}.txt", masked)
        _write_list(devkit / f"ImageSets/Layout/{split}.txt", [f"{name}  1" for name in masked])
        for kind in VOC_CLASSES:
            lines = [f"{scene.name} {_presence(scene, kind):2d}" for scene in scenes]
            _write_list(devkit / f"ImageSets/Main/{kind}_{split}.txt", lines)
    return devkit


def _presence(scene: Scene, kind: str) -> int:
    """What the devkit's lists of one class say: 1 present, 0 nothing but difficult ones, -1 absent."""
    difficult = [thing.difficult for thing in scene.things if thing.kind == kind]
    return -1 if not difficult else 0 if all(difficult) else 1


def _write_list(file: Path, lines: list[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def class_mask(scene: Scene) -> np.ndarray:
    """(H, W) uint8 as VOC draws them: later things on top, a border of void around each, difficult ones all void."""
    mask = np.zeros((scene.height, scene.width), np.uint8)
    for thing in scene.things:
        inner, outer = _ellipse(scene, thing, 0), _ellipse(scene, thing, 2)
        mask[outer] = VOID
        mask[inner] = VOID if thing.difficult else VOC_CLASSES.index(thing.kind) + 1
    return mask


def _ellipse(scene: Scene, thing: Thing, margin: int) -> np.ndarray:
    left, top, right, bottom = thing.box
    rows, columns = np.mgrid[: scene.height, : scene.width]
    vertical = (rows - (top + bottom - 1) / 2) / ((bottom - top) / 2 + margin)
    horizontal = (columns - (left + right - 1) / 2) / ((right - left) / 2 + margin)
    return vertical**2 + horizontal**2 <= 1


def _write_scene(devkit: Path, scene: Scene, year: int) -> None:
    draw = np.random.default_rng(int(scene.name))
    picture = draw.integers(0, 60, (scene.height, scene.width, 3), dtype=np.uint8)
    for thing in scene.things:
        picture[_ellipse(scene, thing, 0)] = 40 + 10 * np.array([VOC_CLASSES.index(thing.kind), 5, 12])
    Image.fromarray(picture).save(devkit / f"JPEGImages/{scene.name}.jpg", quality=92)
    (devkit / f"Annotations/{scene.name}.xml").write_text(_annotation(scene, year))
    if scene.segmented:
        instances = np.zeros((scene.height, scene.width), np.uint8)
        for number, thing in enumerate(scene.things, 1):
            instances[_ellipse(scene, thing, 2)] = VOID
            instances[_ellipse(scene, thing, 0)] = number
        for folder, values in (("SegmentationClass", class_mask(scene)), ("SegmentationObject", instances)):
            mask = Image.fromarray(values)
            mask.putpalette(voc_palette())
            mask.save(devkit / folder / f"{scene.name}.png")


def _annotation(scene: Scene, year: int) -> str:
    root = ElementTree.Element("annotation")

    def add(parent: ElementTree.Element, **fields: object) -> None:
        for tag, value in fields.items():
            ElementTree.SubElement(parent, tag).text = str(value)

    def box(parent: ElementTree.Element, left: int, top: int, right: int, bottom: int) -> None:
        add(ElementTree.SubElement(parent, "bndbox"), xmin=left + 1, ymin=top + 1, xmax=right, ymax=bottom)

    add(root, folder=f"VOC{year}", filename=f"{scene.name}.jpg")
    add(ElementTree.SubElement(root, "source"), database=f"The VOC{year} Database", image="flickr", flickrid=1)
    add(ElementTree.SubElement(root, "owner"), flickrid="nobody", name="?")
    add(ElementTree.SubElement(root, "size"), width=scene.width, height=scene.height, depth=3)
    add(root, segmented=int(scene.segmented))
    for thing in scene.things:
        node = ElementTree.SubElement(root, "object")
        add(node, name=thing.kind, pose="Unspecified", truncated=int(thing.truncated), difficult=int(thing.difficult))
        box(node, *thing.box)
        if thing.kind == "person":
            left, top, right, bottom = thing.box
            part = ElementTree.SubElement(node, "part")
            add(part, name="head")
            box(part, left, top, right, (top + bottom) // 2)
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross", "004.Groove_billed_Ani")
CUB_PER_CLASS = 7


def write_cub(root: Path) -> Path:
    """``root/CUB_200_2011`` and ``root/segmentations`` with 7 pictures for each of 4 birds, 4 of them for training.

    The segmentation of picture i is columns of 0, 1, … 5 of 5 annotators, rolled by i. Each bird's last has none.
    """
    folder = root / "CUB_200_2011"
    names = []
    for number, bird in enumerate(BIRDS):
        (folder / "images" / bird).mkdir(parents=True)
        (root / "segmentations" / bird).mkdir(parents=True)
        for i in range(CUB_PER_CLASS):
            names.append(f"{bird}/{bird[4:]}_{i:04d}_{1000 * number + i}")
            colour = (40 * number, 30 * i, 90)
            Image.new("RGB", (12, 10), colour).save(folder / "images" / f"{names[-1]}.jpg")
            if i < CUB_PER_CLASS - 1:
                mask = Image.fromarray(cub_grey(i))
                # As published: most in one channel, some in four.
                mask.convert("RGBA" if i == 2 else "L").save(root / "segmentations" / f"{names[-1]}.png")
    numbers = range(1, len(names) + 1)
    tables = {
        "classes": [f"{number} {bird}" for number, bird in enumerate(BIRDS, 1)],
        "images": [f"{i} {name}.jpg" for i, name in zip(numbers, names, strict=True)],
        "image_class_labels": [f"{i} {(i - 1) // CUB_PER_CLASS + 1}" for i in numbers],
        "train_test_split": [f"{i} {int((i - 1) % CUB_PER_CLASS in (0, 2, 3, 5))}" for i in numbers],
    }
    for name, lines in tables.items():
        _write_list(folder / f"{name}.txt", lines)
    return folder


def cub_grey(i: int) -> np.ndarray:
    """(10, 12) uint8: two columns for each number of annotators."""
    columns = np.roll(np.repeat(np.arange(6) * 51, 2), i).astype(np.uint8)
    return np.tile(columns, (10, 1))
