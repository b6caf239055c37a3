"""What a map is worth: pure functions per image, and torchmetrics classes that average them."""

from explanans.metrics.coverage import (
    BackgroundCoverage,
    MaskArea,
    ObjectCoverage,
    background_coverage,
    mask_area,
    object_coverage,
)
from explanans.metrics.evidence import (
    AverageDrop,
    AverageIncrease,
    KeptProbability,
    RemovedProbability,
    average_drop,
    average_increase,
    kept_removed,
)
from explanans.metrics.insertion import Deletion, Insertion, curve_auc, deletion, insertion
from explanans.metrics.pointing import EnergyPointingGame, PointingGame, energy_pointing_game, pointing_game
from explanans.metrics.ranking import AveragePrecision, Ranking, RocAuc, average_precision, ranking, roc_auc
from explanans.metrics.road import Road, road
from explanans.metrics.saliency import SaliencyMetric, saliency_metric
from explanans.metrics.segmentation import SoftAccuracy, SoftF1, SoftIoU, soft_accuracy, soft_f1, soft_iou
from explanans.metrics.sensitivity import MaxSensitivity, max_sensitivity
from explanans.metrics.shared.answers import Classify, label_mean
from explanans.metrics.shared.imputation import impute
from explanans.metrics.shared.normalise import NORMALISATIONS, normalise
from explanans.metrics.shared.overlap import Overlap, soft_overlap
from explanans.metrics.shared.regions import label_region
from explanans.metrics.similarity import MapSimilarity, map_similarity
from explanans.metrics.specificity import ClassSpecificity, class_specificity, specificity_gap, specificity_matrix
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
    "AverageDrop",
    "AverageIncrease",
    "AveragePrecision",
    "BackgroundCoverage",
    "BestThreshold",
    "BinarisedF1",
    "BinarisedIoU",
    "ClassSpecificity",
    "Classify",
    "Deletion",
    "EnergyPointingGame",
    "Insertion",
    "KeptProbability",
    "MapSimilarity",
    "MaskArea",
    "MaxSensitivity",
    "ObjectCoverage",
    "Overlap",
    "PointingGame",
    "Ranking",
    "RemovedProbability",
    "Road",
    "RocAuc",
    "SaliencyMetric",
    "SoftAccuracy",
    "SoftF1",
    "SoftIoU",
    "average_drop",
    "average_increase",
    "average_precision",
    "background_coverage",
    "best_threshold",
    "binarised_f1",
    "binarised_iou",
    "binarised_overlap",
    "class_specificity",
    "curve_auc",
    "deletion",
    "energy_pointing_game",
    "impute",
    "insertion",
    "kept_removed",
    "label_mean",
    "label_region",
    "map_similarity",
    "mask_area",
    "max_sensitivity",
    "normalise",
    "object_coverage",
    "pointing_game",
    "ranking",
    "road",
    "roc_auc",
    "saliency_metric",
    "soft_accuracy",
    "soft_f1",
    "soft_iou",
    "soft_overlap",
    "specificity_gap",
    "specificity_matrix",
]
