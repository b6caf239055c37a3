"""The splits of COCO-2014 written down: a file for each, a number of an image per line."""

from __future__ import annotations

from pathlib import Path

from explanans.data.datasets.coco.coco import SPLITS, split_rows
from explanans.data.datasets.coco.index import open_index
from explanans.errors import InputError
from explanans.utils.files import atomic_file

FOLDER = "splits"


def write_lists(root: Path) -> dict[str, int]:
    """``root/splits/NAME.txt`` for the splits whose annotation file is there, images without annotations included in
    test alone, which is the default of :class:`~explanans.data.datasets.coco.coco.COCO`; no picture is needed.

    Returns:
        the number of images of each split written.

    Raises:
        InputError: neither annotation file is there.
    """
    counts = {}
    for name, part in SPLITS.items():
        path = root / "annotations" / f"instances_{part}.json"
        if path.is_file():
            index = open_index(path)
            numbers = index.ids[split_rows(index, name, unlabelled=name == "test")].tolist()
            with atomic_file(root / FOLDER / f"{name}.txt") as temporary:
                temporary.write_text("".join(f"{number}\n" for number in numbers), encoding="utf-8")
            counts[name] = len(numbers)
    if not counts:
        raise InputError(
            f"{root} has neither annotations/instances_train2014.json nor instances_val2014.json; give a folder of "
            "COCO-2014, or fetch its annotations: explanans data coco --part annotations"
        )
    return counts
