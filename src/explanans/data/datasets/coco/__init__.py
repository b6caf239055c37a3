"""COCO-2014: pictures, the annotations of 80 classes, splits of our own."""

from explanans.data.datasets.coco.classes import COCO_CLASSES
from explanans.data.datasets.coco.dataset import COCO

__all__ = ["COCO", "COCO_CLASSES"]
