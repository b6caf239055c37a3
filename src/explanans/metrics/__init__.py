"""What a map is worth: pure functions per image, and torchmetrics classes that average them."""

from explanans.metrics.normalise import NORMALISATIONS, normalise
from explanans.metrics.overlap import Overlap, soft_overlap
from explanans.metrics.regions import label_region
from explanans.metrics.saliency import SaliencyMetric, saliency_metric
from explanans.metrics.segmentation import SoftAccuracy, SoftF1, SoftIoU, soft_accuracy, soft_f1, soft_iou
from explanans.metrics.thresholds import (
    FINE_THRESHOLDS,
    PAPER_THRESHOLDS,
    BestThreshold,
    BinarisedF1,
    BinarisedIoU,
    best_threshold,
    binarised_f1,
    binarised_iou,
    binarised_overlap,
)

__all__ = [
    "FINE_THRESHOLDS",
    "NORMALISATIONS",
    "PAPER_THRESHOLDS",
    "BestThreshold",
    "BinarisedF1",
    "BinarisedIoU",
    "Overlap",
    "SaliencyMetric",
    "SoftAccuracy",
    "SoftF1",
    "SoftIoU",
    "best_threshold",
    "binarised_f1",
    "binarised_iou",
    "binarised_overlap",
    "label_region",
    "normalise",
    "saliency_metric",
    "soft_accuracy",
    "soft_f1",
    "soft_iou",
    "soft_overlap",
]
