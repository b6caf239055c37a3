"""One folder per class, one class per picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from explanans.data.classes import choose_classes
from explanans.data.dataset import LabelledImages
from explanans.data.joint_augment import Augment
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.listing import find_images
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import SUFFIXES

WHOLE = "all"


class ImageFolder(LabelledImages):
    """root/CLASS/picture, or root/SPLIT/CLASS/picture; labels are multi-hot with a single 1.

    The list is ordered by the SHA-256 of each picture's path in its split, which looks shuffled and is the same on
    every machine, so that a part such as ``train[:90%]`` has pictures of every class.

    Args:
        root: the folder.
        split: name of a split folder, or "all" where root holds the class folders themselves; with or without a part.
        classes: the class folders wanted, in this order; pictures of others are left out. None: all class folders, of
            all splits, by name.

    Raises:
        InputError: folder, split or class that is not there, or no picture.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = WHOLE,
        *,
        classes: Sequence[str] | None = None,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"image folder {root} does not exist; give a folder with one sub-folder per class.")
        split_name, part = parse_split(split)
        base, known = _split_folder(root, split_name)
        chosen = choose_classes(classes, known, root)
        found = sorted(
            ((path, label) for label, name in enumerate(chosen) for path in find_images(base / name)),
            key=lambda entry: hashlib.sha256(entry[0].relative_to(base).as_posix().encode()).digest(),
        )
        entries = [found[i] for i in part_of(part, len(found))]
        if not entries:
            raise InputError(
                f"image folder {base}: {len(found)} pictures in the folders {', '.join(chosen)} (looked for "
                f"{', '.join(SUFFIXES)}), and {part or 'the split'} selects none."
            )
        labels = torch.tensor([label for _, label in entries])
        super().__init__(
            name=f"{root.name}/{split}",
            classes=chosen,
            paths=[path for path, _ in entries],
            names=[path.relative_to(base).as_posix() for path, _ in entries],
            labels=torch.nn.functional.one_hot(labels, len(chosen)).float(),
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )


def _folders(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _split_folder(root: Path, split: str) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds the class folders of a split, and the classes of all splits."""
    splits = {name: classes for name in _folders(root) if (classes := _folders(root / name))}
    if split in splits:
        return root / split, tuple(sorted(set().union(*splits.values())))
    classes = _folders(root)
    if split == WHOLE and classes and not splits:
        return root, tuple(classes)
    if splits:
        raise InputError(f"split={split!r}: {root} has the splits {', '.join(splits)}.")
    if classes:
        raise InputError(f"split={split!r}: {root} holds class folders and no splits; take {WHOLE!r} or {WHOLE}[:90%].")
    raise InputError(f"image folder {root} has no sub-folder; it needs one per class, with the pictures in it.")
