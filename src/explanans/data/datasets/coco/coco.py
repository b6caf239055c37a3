"""COCO-2014 as labelled images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from explanans.data.classes import choose_classes
from explanans.data.dataset import LabelledImages
from explanans.data.datasets.coco.categories import COCO_CLASSES
from explanans.data.datasets.coco.index import AnnotationIndex, open_index
from explanans.data.datasets.coco.masks import paint
from explanans.data.datasets.coco.published_splits import SUBSET, is_validation, subset_order
from explanans.data.index_maps import index_lookup
from explanans.data.joint_augment import Augment
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, open_picture

SPLITS = {"train": "train2014", "val": "train2014", "test": "val2014", "test2000": "val2014"}
_ORIENTATION = 0x0112


class COCO(LabelledImages):
    """train2014, val2014 and annotations/instances_*.json of COCO-2014.

    The splits are ``train`` and ``val``, nine tenths and one tenth of train2014 by
    :func:`~explanans.data.datasets.coco.published_splits.is_validation`, ``test``, which is val2014, and ``test2000``,
    2,000 images of it by :func:`~explanans.data.datasets.coco.published_splits.subset_order`. Images are in the order
    of their numbers, those of test2000 in the order of the subset, so that ``test2000[:500]`` is a random choice too.

    The segmentation is painted when an image is asked for, by :func:`~explanans.data.datasets.coco.masks.paint`. Crowd
    regions are void whatever their class. ``classes`` changes names, not pixels: an object of another class is
    background, also where it lies on top of one that is wanted.

    Args:
        root: the folder with the sub-folders train2014, val2014 (or images/train2014, images/val2014) and annotations.
        split: "train", "val", "test" or "test2000", with or without a part: "train[:10%]".
        classes: the classes wanted, in this order; None: all 80 in the order of their categories.
        unlabelled: whether images without any annotation are in the list, with no label. None: in test alone. Images
            that are annotated and have none of ``classes`` always are.
        crowd: whether a crowd region is a label.

    Raises:
        InputError: folder, annotation file, split or class that is not there.
        ImageError: a picture that the annotation file lists is missing.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | None = None,
        unlabelled: bool | None = None,
        crowd: bool = True,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise InputError(
                f"COCO folder {root} does not exist; give the folder that holds annotations and train2014."
            )
        name, part = parse_split(split)
        if name not in SPLITS:
            raise InputError(f"split={split!r}: COCO has the splits {', '.join(SPLITS)}.")
        chosen = choose_classes(classes, COCO_CLASSES, "COCO")
        self._index = open_index(root / "annotations" / f"instances_{SPLITS[name]}.json")
        listed = split_rows(self._index, name, unlabelled=name == "test" if unlabelled is None else unlabelled)
        self._rows = listed[list(part_of(part, len(listed)))]
        if not len(self._rows):
            raise InputError(f"split={split!r} selects none of the {len(listed)} images that {self._index.path} has.")
        columns = [COCO_CLASSES.index(each) for each in chosen]
        paths = _pictures(root, SPLITS[name], self._index.file_names(self._rows))
        super().__init__(
            name=f"{root.name}/{split}",
            classes=chosen,
            paths=paths,
            names=[path.stem for path in paths],
            labels=torch.from_numpy(self._index.labels(crowd)[self._rows][:, columns]),
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )
        self._values = index_lookup([column + 1 for column in columns], len(COCO_CLASSES)).eight.tolist()

    def _full_segmentation(self, index: int) -> Tensor:
        row = int(self._rows[index])
        height, width = self._index.size(row)
        try:
            painted = paint(self._index.instances(row), height, width, self._values)
        except ValueError as error:
            fault = f"a mask of image {self._index.ids[row]} cannot be read ({error})"
            raise ImageError(fault, self._index.path) from error
        return torch.from_numpy(_as_shown(painted, self.paths[index]))

    def fingerprint(self) -> str:
        """As for every data set, and the annotation file's SHA-256, because it holds the masks."""
        return hashlib.sha256((super().fingerprint() + self._index.digest).encode()).hexdigest()

    def _all_segmented(self) -> bool:
        return True

    def _chosen(self, indices: Sequence[int], name: str) -> Self:
        chosen = super()._chosen(indices, name)
        chosen._rows = self._rows[list(indices)]
        return chosen


def split_rows(index: AnnotationIndex, name: str, *, unlabelled: bool) -> np.ndarray:
    """Rows of the index that a split has, in its order. test2000 never has images without annotations."""
    rows = np.arange(len(index.ids)) if unlabelled else np.flatnonzero(index.annotated())
    if name in ("train", "val"):
        held_out = np.array([is_validation(number) for number in index.ids[rows].tolist()], dtype=bool)
        return rows[held_out if name == "val" else ~held_out]
    if name == "test2000":
        listed = index.ids[index.annotated()].tolist()
        return np.searchsorted(index.ids, subset_order(listed)[:SUBSET])
    return rows


def _pictures(root: Path, folder_name: str, names: Sequence[str]) -> list[Path]:
    places = [place for place in (root / folder_name, root / "images" / folder_name) if place.is_dir()]
    if not places:
        raise InputError(
            f"COCO folder {root} has neither {folder_name} nor images/{folder_name}; unpack {folder_name}.zip there."
        )
    # One listing instead of a look for each image: quick on network file systems too.
    there = {path.name for path in places[0].iterdir()}
    missing = [name for name in names if name not in there]
    if missing:
        raise ImageError(
            f"no such picture, nor {len(missing) - 1} more that the annotation file lists; unpack all of "
            f"{folder_name}.zip",
            places[0] / missing[0],
        )
    return [places[0] / name for name in names]


def _as_shown(values: np.ndarray, path: Path) -> np.ndarray:
    """A map in the size of the stored pixels, turned as the picture's EXIF says and as its pixels are when it is read.

    Raises:
        ImageError: the picture has another size.
    """
    with open_picture(path) as picture:
        stored, orientation = (picture.height, picture.width), picture.getexif().get(_ORIENTATION, 1)
    if values.shape != stored:
        raise ImageError(
            f"the picture has {stored[0]} x {stored[1]} pixels (height x width), its annotations are for "
            f"{values.shape[0]} x {values.shape[1]}",
            path,
        )
    if orientation == 1:
        return values
    turned = Image.fromarray(values)
    turned.getexif()[_ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(turned))
