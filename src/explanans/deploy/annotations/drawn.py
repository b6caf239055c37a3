"""What people drew in an annotation tool, as a table of pictures with segmentations and boxes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from explanans.errors import InputError
from explanans.explanations.region_files import csv_text
from explanans.images.segmentations import FEW, MOST, as_picture, numbers_type, void_of
from explanans.utils.files import atomic_folder
from explanans.utils.records import Kind, read_json, reading
from explanans.utils.text import few

TABLE, BOXES = "table.csv", "boxes.csv"

COCO = Kind(
    "annotations as COCO's",
    "export the annotations as COCO",
    {"images": [{"id": int, "file_name": str}], "annotations": [{"image_id": int}], "categories": [{"name": str}]},
)


@dataclass(frozen=True)
class Drawn:
    """One thing in one picture; a picture that was looked at and has nothing in it is one without a name.

    Attributes:
        picture: its name or address.
        name: of the class.
        mask: (H, W).
    """

    picture: str
    name: str | None
    mask: NDArray[np.bool_] | None


def read_coco(path: str | Path) -> Iterator[Drawn]:
    """Every annotation of a file as COCO's: polygons, run lengths, and the box of one that has neither.

    Raises:
        InputError: no such file, or an annotation of a picture or a class that is not in it.
    """
    path = Path(path)
    content = read_json(path, COCO)
    with reading(path, COCO):
        names = {each["id"]: each["name"] for each in content["categories"]}
        images = {each["id"]: each for each in content["images"]}
        yield from (Drawn(each["file_name"], None, None) for each in images.values())
        for number, each in enumerate(content["annotations"]):
            what = f"annotations[{number}]"
            for known, key in ((images, "image_id"), (names, "category_id")):
                if each.get(key) not in known:
                    raise InputError(f"{what}: no {key.removesuffix('_id')} has the id {each.get(key)!r}")
            image = images[each["image_id"]]
            if missing := [side for side in ("height", "width") if not isinstance(image.get(side), int)]:
                raise InputError(f"{what}: its picture {image['file_name']!r} has no {missing[0]}")
            mask = _mask_of(each, image["height"], image["width"])
            if mask is None:
                raise InputError(f"{what} has neither segmentation nor bbox")
            yield Drawn(image["file_name"], names[each["category_id"]], mask)


def _mask_of(annotation: dict[str, Any], height: int, width: int) -> NDArray[np.bool_] | None:
    shape: Any = annotation.get("segmentation")
    if isinstance(shape, list):
        # Tools that export a box leave its polygons empty.
        shape = [polygon for polygon in shape if polygon]
    if not shape and annotation.get("bbox"):
        left, top, across, down = annotation["bbox"]
        right, bottom = left + across, top + down
        shape = [[left, top, right, top, right, bottom, left, bottom]]
    if not shape:
        return None
    if isinstance(shape, list):
        code = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
    else:
        code = coco_mask.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape
    return coco_mask.decode(code).astype(bool)


def write_drawn(
    drawn: Iterable[Drawn],
    out: str | Path,
    classes: Iterable[str] | None = None,
    *,
    root: str | Path,
    prefix: str = "",
) -> list[str]:
    """Write a folder that ``benchmark``, ``fit`` and ``classifier fit`` read as a table.

    ``table.csv`` has image, labels and segmentation; ``masks/`` the segmentations, 0 for the background, k for the k-th
    class, void where two classes overlap: 8 bits and 255, or with more than 254 classes 16 bits and 65535;
    ``boxes.csv`` the bounding box of everything drawn, in pixels.

    Args:
        out: a new or empty folder.
        classes: in the order of the numbers, or, where they are more than 254, of the numbers of those that were drawn;
            None for those that were drawn, in alphabetical order.
        root: the folder that holds the pictures, by the names that they have in the annotations, as is ``out`` relative
            to where the command is given. The table names them relative to itself, so that it is read from anywhere,
            also where ``root`` and ``out`` are moved together.
        prefix: what goes before the names there, and is taken off.

    Returns:
        the classes, for ``table.csv?mask_classes=a;b``.

    Raises:
        InputError: a class that is not among ``classes``, more than 65534 drawn ones, masks of several sizes for one
            picture, a picture that is not in ``root``, or nothing drawn.
    """
    found: dict[str, list[Drawn]] = {}
    for each in drawn:
        found.setdefault(_seen_from(out, root, each.picture.removeprefix(prefix)), []).append(each)
    if not found:
        raise InputError("nothing was drawn; export annotations, not tasks that nobody has looked at.")
    there = sorted({each.name for some in found.values() for each in some if each.name is not None})
    names = there if classes is None else list(classes)
    if unknown := [name for name in there if name not in names]:
        raise InputError(f"classes: {unknown[0]!r} was drawn and is not among {few(names)}.")
    if len(names) > FEW:
        names = [name for name in names if name in there]
    if len(names) > MOST:
        raise InputError(
            f"{len(names)} classes were drawn, and the values of a segmentation name at most {MOST}; export the "
            "pictures in parts with fewer classes each."
        )
    rows, boxes = [], []
    with atomic_folder(out) as folder:
        (folder / "masks").mkdir()
        for number, (picture, some) in enumerate(found.items()):
            made = [each for each in some if each.mask is not None]
            mask = f"masks/{number:06d}.png" if made else ""
            if made:
                as_picture(_segmentation(picture, made, names)).save(folder / mask)
            labels = ";".join(name for name in names if name in {each.name for each in made})
            rows.append({"image": picture, "labels": labels, "segmentation": mask})
            boxes += [{"image": picture, "class": each.name, **_box(each.mask)} for each in made if each.mask.any()]  # type: ignore[union-attr, arg-type]
        (folder / TABLE).write_text(csv_text(rows, ("image", "labels", "segmentation")), encoding="utf-8")
        columns = ("image", "class", "left", "top", "right", "bottom")
        (folder / BOXES).write_text(csv_text(boxes, columns), encoding="utf-8")
    return names


def _seen_from(out: str | Path, root: str | Path, name: str) -> str:
    """The path of a picture in ``root``, relative to the folder ``out``."""
    path = Path(root) / name
    # Before the name of a file that was uploaded Label Studio puts eight hexadecimal digits.
    for known in (path, path.with_name(re.sub("^[0-9a-f]{8}-", "", path.name) or path.name)):
        if known.is_file():
            # Where a folder is a link, ".." leads out of what it points to. A picture that is one keeps its own name.
            return os.path.relpath(os.path.realpath(known.parent) + os.sep + known.name, os.path.realpath(out))
    raise InputError(
        f"root={root}: {name} is not in it; give the folder that holds the pictures, and as prefix what the tool puts "
        "before their names, such as /data/upload/1/."
    )


def _segmentation(picture: str, drawn: list[Drawn], names: list[str]) -> NDArray[Any]:
    masks: dict[str | None, NDArray[np.bool_]] = {}
    for each in drawn:
        before = masks.get(each.name)
        if any(each.mask.shape != other.shape for other in masks.values()):  # type: ignore[union-attr]
            raise InputError(f"{picture}: its masks are of several sizes; export the annotations anew.")
        masks[each.name] = each.mask if before is None else before | each.mask  # type: ignore[assignment, operator]
    total = np.sum(list(masks.values()), axis=0)
    values = np.zeros(total.shape, numbers_type(len(names)))
    for name, mask in masks.items():
        values[mask] = names.index(str(name)) + 1
    values[total > 1] = void_of(values.dtype)
    return values


def _box(mask: NDArray[np.bool_]) -> dict[str, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return {
        "left": int(columns[0]),
        "top": int(rows[0]),
        "right": int(columns[-1]) + 1,
        "bottom": int(rows[-1]) + 1,
    }
