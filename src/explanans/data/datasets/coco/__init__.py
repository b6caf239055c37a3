"""COCO-2014: pictures, the annotations of 80 classes, splits of our own."""

from explanans.data.datasets.coco.categories import COCO_CLASSES
from explanans.data.datasets.coco.coco import COCO

__all__ = ["COCO", "COCO_CLASSES"]
