"""Caltech-UCSD Birds-200-2011: one class per picture, and an outline of the bird."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from explanans.data.classes import choose_classes
from explanans.data.dataset import LabelledImages
from explanans.data.index_maps import index_lookup
from explanans.data.joint_augment import Augment
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, open_picture
from explanans.images.segmentations import BACKGROUND, numbers_type

SPLITS = {"train": 1, "test": 0}
_GREY = ("1", "L", "LA", "P", "RGB", "RGBA")
_Value = TypeVar("_Value")


class CUB(LabelledImages):
    """images.txt, image_class_labels.txt, train_test_split.txt, classes.txt and images of CUB-200-2011.

    Labels are multi-hot with a single 1, for a softmax classifier. The published split has train and test. The list is
    ordered by the SHA-256 of each picture's name, which looks shuffled and is the same on every machine, because
    images.txt goes bird by bird: ``train[:90%]`` and ``train[90%:]``, a training and a validation part, have pictures
    of every class.

    There are segmentations where the archive segmentations.tgz was unpacked, into ``root`` or beside it. Its pictures
    are grey: the share of the (mostly five) annotators who say that a pixel belongs to the bird.

    Args:
        root: the folder that holds images.txt, or the one above it.
        split: "train" or "test", with or without a part.
        classes: the classes wanted, in this order, called as in classes.txt ("001.Black_footed_Albatross"); pictures of
            others are left out. None: all 200.
        agreement: a pixel is the bird's where at least this share of the annotators says so, of (0, 1]; the default is
            the majority.

    Raises:
        InputError: folder, file, split or class that is not there, or files that contradict each other.
        ImageError: a picture that is missing.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | None = None,
        agreement: float = 0.5,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        if not 0 < agreement <= 1:
            raise InputError(f"agreement={agreement}; give a share of the annotators above 0 and up to 1.")
        root = cub_root(root)
        split_name, part = parse_split(split)
        if split_name not in SPLITS:
            raise InputError(
                f"split={split!r}: CUB-200-2011 has the splits {', '.join(SPLITS)}; for a validation part take "
                "train[:90%] and train[90%:]."
            )
        known = read_classes(root)
        chosen = choose_classes(classes, known, root)
        entries = _read_images(root, known, SPLITS[split_name])
        found = sorted(
            (entry for entry in entries if entry[1] in chosen),
            key=lambda entry: hashlib.sha256(entry[0].encode()).digest(),
        )
        listed = [found[i] for i in part_of(part, len(found))]
        if not listed:
            raise InputError(
                f"split={split!r} selects none of {len(found)} pictures of {len(chosen)} classes in {root}."
            )
        names = [name for name, _ in listed]
        masks = _segmentations(root, names)
        labels = torch.tensor([chosen.index(name) for _, name in listed])
        super().__init__(
            name=f"{root.name}/{split}",
            classes=chosen,
            paths=_pictures(root, names),
            names=names,
            labels=torch.nn.functional.one_hot(labels, len(chosen)).float(),
            segmentations=masks,
            lookup=None if masks is None else index_lookup(range(1, len(chosen) + 1), len(chosen)),
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )
        self.agreement = agreement

    def fingerprint(self) -> str:
        """As for every data set, and the agreement, which decides what the masks are."""
        return hashlib.sha256(f"{super().fingerprint()} {self.agreement}".encode()).hexdigest()

    def _read_segmentation(self, index: int, path: Path) -> np.ndarray:
        with open_picture(path) as picture:
            if picture.mode not in _GREY:
                raise ImageError(f"a segmentation of CUB is a grey picture of 8 bits; this one has mode {picture.mode}")
            # Some of the published files are grey in three or four channels.
            grey = np.asarray(picture.convert("L"))
        value = int(self.labels[index].argmax()) + 1
        return np.where(grey >= self.agreement * 255, value, BACKGROUND).astype(numbers_type(len(self.classes)))


def cub_root(path: str | Path) -> Path:
    """The folder that holds images.txt: ``path`` or CUB_200_2011 in it."""
    path = Path(path)
    for folder in (path, path / "CUB_200_2011"):
        if (folder / "images.txt").is_file():
            return folder
    fault = "holds no images.txt" if path.is_dir() else "does not exist"
    raise InputError(
        f"CUB folder {path} {fault}; give the folder CUB_200_2011 that comes out of the archive, or the one above it. "
        "To fetch it: explanans data cub"
    )


def read_classes(root: Path) -> tuple[str, ...]:
    """The names of classes.txt, whose numbers count from 1."""
    numbered = _table(root / "classes.txt", str)
    if list(numbered) != list(range(1, len(numbered) + 1)) or len(set(numbered.values())) != len(numbered):
        raise InputError(f"{root / 'classes.txt'} must number different classes 1, 2, 3, …, one per line.")
    return tuple(numbered.values())


def _read_images(root: Path, known: Sequence[str], wanted: int) -> list[tuple[str, str]]:
    """Name and class of each picture of the half of the split that ``wanted`` (1 training, 0 test) means."""
    pictures = _table(root / "images.txt", str)
    labels = _table(root / "image_class_labels.txt", int)
    training = _table(root / "train_test_split.txt", int)
    for file, values, allowed in (
        ("image_class_labels.txt", labels, range(1, len(known) + 1)),
        ("train_test_split.txt", training, range(2)),
    ):
        if values.keys() != pictures.keys():
            number = min(values.keys() ^ pictures.keys())
            raise InputError(f"{root / file} and images.txt differ: only one of them has image {number}.")
        if wrong := [number for number, value in values.items() if value not in allowed]:
            raise InputError(
                f"{root / file}: image {wrong[0]} has {values[wrong[0]]}; it must be {allowed[0]} to {allowed[-1]}."
            )
    return [(name, known[labels[i] - 1]) for i, name in pictures.items() if training[i] == wanted]


def _table(file: Path, kind: Callable[[str], _Value]) -> dict[int, _Value]:
    """Lines of a number and a value."""
    if not file.is_file():
        raise InputError(f"{file} does not exist; unpack all of CUB_200_2011.tgz.")
    table = {}
    for row, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            number, value = line.split(maxsplit=1)
            table[int(number)] = kind(value.strip())
        except ValueError as error:
            raise InputError(f"{file}, line {row}: {line!r} is not a number and a value.") from error
    return table


def _listing(folder: Path, names: Sequence[str]) -> set[str]:
    """The files below ``folder`` in the folders of ``names``: one listing per class instead of a look per image."""
    kinds = {name.rpartition("/")[0] for name in names}
    return {f"{kind}/{file.name}" for kind in kinds if (folder / kind).is_dir() for file in (folder / kind).iterdir()}


def _pictures(root: Path, names: Sequence[str]) -> list[Path]:
    folder = root / "images"
    missing = sorted(set(names) - _listing(folder, names))
    if missing:
        raise ImageError(f"no such picture, nor {len(missing) - 1} more that images.txt lists", folder / missing[0])
    return [folder / name for name in names]


def _segmentations(root: Path, names: Sequence[str]) -> list[Path | None] | None:
    masks = [Path(name).with_suffix(".png").as_posix() for name in names]
    for folder in (root / "segmentations", root.parent / "segmentations"):
        if folder.is_dir():
            there = _listing(folder, masks)
            return [folder / mask if mask in there else None for mask in masks]
    return None
