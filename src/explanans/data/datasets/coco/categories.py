"""The 80 classes of COCO: contiguous, although the numbers of their categories run to 90 with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explanans.errors import InputError

CATEGORIES = {
    1: "person",
    2: "bicycle",
    3: "car",
    4: "motorcycle",
    5: "airplane",
    6: "bus",
    7: "train",
    8: "truck",
    9: "boat",
    10: "traffic light",
    11: "fire hydrant",
    13: "stop sign",
    14: "parking meter",
    15: "bench",
    16: "bird",
    17: "cat",
    18: "dog",
    19: "horse",
    20: "sheep",
    21: "cow",
    22: "elephant",
    23: "bear",
    24: "zebra",
    25: "giraffe",
    27: "backpack",
    28: "umbrella",
    31: "handbag",
    32: "tie",
    33: "suitcase",
    34: "frisbee",
    35: "skis",
    36: "snowboard",
    37: "sports ball",
    38: "kite",
    39: "baseball bat",
    40: "baseball glove",
    41: "skateboard",
    42: "surfboard",
    43: "tennis racket",
    44: "bottle",
    46: "wine glass",
    47: "cup",
    48: "fork",
    49: "knife",
    50: "spoon",
    51: "bowl",
    52: "banana",
    53: "apple",
    54: "sandwich",
    55: "orange",
    56: "broccoli",
    57: "carrot",
    58: "hot dog",
    59: "pizza",
    60: "donut",
    61: "cake",
    62: "chair",
    63: "couch",
    64: "potted plant",
    65: "bed",
    67: "dining table",
    70: "toilet",
    72: "tv",
    73: "laptop",
    74: "mouse",
    75: "remote",
    76: "keyboard",
    77: "cell phone",
    78: "microwave",
    79: "oven",
    80: "toaster",
    81: "sink",
    82: "refrigerator",
    84: "book",
    85: "clock",
    86: "vase",
    87: "scissors",
    88: "teddy bear",
    89: "hair drier",
    90: "toothbrush",
}
"""Category number → name, in the order of the numbers; a class's index is its place here, 0 to 79."""

COCO_CLASSES = tuple(CATEGORIES.values())
CLASS_OF = {number: index for index, number in enumerate(CATEGORIES)}


def check_categories(categories: Sequence[Any], path: Path) -> None:
    """Refuses an annotation file whose categories are not COCO's 80.

    Raises:
        InputError: with the first category that is missing, too much or named otherwise.
    """
    found: dict[Any, Any] = {each.get("id"): each.get("name") for each in categories if isinstance(each, dict)}
    if found == CATEGORIES:
        return
    expected: dict[Any, Any] = dict(CATEGORIES)
    number = min((n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n)), key=str)
    raise InputError(
        f"{path} does not have the 80 categories of COCO: number {number} is {found.get(number)!r} there and "
        f"{expected.get(number)!r} in COCO. Give instances_train2014.json and instances_val2014.json as published."
    )
