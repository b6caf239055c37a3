"""The photos of an audit: pictures, labels where there are any, and where the objects are where that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from explanans.audit.object_boxes import Boxes
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.images.listing import list_images
from explanans.images.reading import image_size, read_image
from explanans.images.segmentations import not_void


class Objects(NamedTuple):
    """Where the objects of some classes are: ``regions`` bool (K, H, W), and ``valid`` bool (H, W), false for void."""

    regions: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Photos:
    """What is audited.

    Attributes:
        data: the pictures; its labels count for nothing where ``labelled`` is false.
        labelled: whether labels are known.
        boxes: boxes of the objects, for data without segmentations.
        truth: whether segmentations of the data are looked at.
    """

    data: LabelledImages
    labelled: bool = True
    boxes: Boxes | None = None
    truth: bool = True

    def __len__(self) -> int:
        return len(self.data)

    @property
    def located(self) -> bool:
        """Whether it is known of some photo where the objects are."""
        return self.boxes is not None or (self.truth and self.data.has_segmentation)

    def pixels(self, index: int) -> Tensor:
        """A photo at the classifier's size, uint8 (channels, H, W)."""
        preprocessing = self.data.preprocessing
        size = (preprocessing.height, preprocessing.width)
        return preprocessing.resize(read_image(self.data.paths[index], fit=size))

    def labels(self, index: int) -> list[bool] | None:
        return self.data.labels[index].bool().tolist() if self.labelled else None

    def objects(self, index: int, columns: Sequence[int]) -> Objects | None:
        """Where a photo's objects of these classes are, at the classifier's size; None where nobody knows.

        Raises:
            InputError: a segmentation that does not fit its picture, or a box outside of it.
        """
        preprocessing = self.data.preprocessing
        height, width = preprocessing.height, preprocessing.width
        everywhere = torch.ones(height, width, dtype=torch.bool)
        if self.boxes is not None:
            photo = image_size(self.data.paths[index])
            return Objects(self.boxes.regions(self.data.names[index], columns, photo, (height, width)), everywhere)
        if not self.located:
            return None
        full = self.data.segmentation_map(index)[None]
        small = transforms.resize(full, [height, width], interpolation=InterpolationMode.NEAREST_EXACT)[0]
        wanted = torch.tensor(columns, dtype=torch.long)[:, None, None] + 1
        return Objects(small == wanted, not_void(small))

    def fingerprint(self) -> str:
        """Equal where pictures, labels and boxes are equal."""
        parts = [self.data.fingerprint(), self.labelled, self.truth, self.boxes and self.boxes.fingerprint]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def open_photos(
    explanandum: Explanandum,
    data: str | Path | LabelledImages,
    split: str = "val",
    *,
    labels: bool = True,
    truth: bool = True,
    boxes: str | Path | None = None,
) -> Photos:
    """The photos to audit.

    Args:
        explanandum: whose classes and input they are opened for.
        data: a data set or its name; without ``labels`` also a folder of pictures.
        split: of a data set that is given by its name.
        labels: whether the data knows what is in the pictures. Without, the classifier's own answers stand for them.
        truth: whether to look at the data's segmentations.
        boxes: a table of the objects' boxes, see :class:`~explanans.audit.object_boxes.Boxes`.

    Raises:
        InputError: data that cannot be opened, of other classes, or without a picture.
    """
    if isinstance(data, LabelledImages):
        found = data
        if tuple(found.classes) != explanandum.classes:
            raise InputError(
                f"data: {found.name} has the classes {list(found.classes)}, the classifier "
                f"{list(explanandum.classes)}; open it with the classifier's."
            )
    elif labels:
        try:
            found = open_dataset(data, split, classes=explanandum.classes, preprocessing=explanandum.preprocessing)
        except InputError as error:
            if Path(data).is_dir():
                raise InputError(f"{error} Pictures without labels are audited with --no_labels.") from error
            raise
    else:
        paths = list_images(data)
        found = LabelledImages(
            name=Path(data).name,
            classes=explanandum.classes,
            paths=paths,
            names=[str(path.relative_to(data)) for path in paths],
            labels=torch.zeros(len(paths), explanandum.num_classes),
            preprocessing=explanandum.preprocessing,
        )
    if not len(found):
        raise InputError(f"data: {found.name} has no picture; name another split.")
    table = None if boxes is None else Boxes.read(boxes, found.classes, found.names)
    return Photos(found, labels, table, truth)
