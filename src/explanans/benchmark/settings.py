"""What a benchmark is asked to do."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from explanans.benchmark.columns import GROUPS
from explanans.benchmark.saved_files import NAME
from explanans.benchmark.truth import REFERENCES
from explanans.errors import InputError
from explanans.explainers import method as _explainer  # noqa: F401  enters the Explainer into METHODS
from explanans.methods import METHODS, Entry
from explanans.metrics import NORMALISATIONS

THRESHOLD = "threshold"
KNOWN: Mapping[str, Entry] = ChainMap(METHODS, REFERENCES)


@dataclass(frozen=True)
class MethodSettings:
    """One method of a benchmark.

    Args:
        method: Name of the method; null for the name that it has in the benchmark.
        title: What tables call it; null for its own title.
        settings: Of the method, such as the folder of an Explainer; {classifier} stands for the classifier's name.
        normalisations: Steps from its maps to masks (raw, minmax), each with rows of its own; null for the method's
            own and those of also_normalise.
        cut: Cut each map into a mask by asking the classifier, as explanans explain does (2 × 7 forwards for a map).
        subset: all images, or, for a slow method, the shared subset.
        classes: Ask for the maps of all classes where a metric needs them, or for the labels' only.
        without: Groups of scores that this method is too slow for, and "threshold" for its best threshold.
        batch_size: Images per call and part; null for the benchmark's (at most 4 on the shared subset).
    """

    method: str | None = None
    title: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    normalisations: list[str] | None = None
    cut: bool = False
    subset: Literal["all", "shared"] = "all"
    classes: Literal["all", "labels"] = "all"
    without: list[str] = field(default_factory=list)
    batch_size: int | None = None


@dataclass(frozen=True)
class BenchmarkSettings:
    """Methods × metrics over a data set.

    Args:
        classifiers: By name, saved folders or names such as torchvision:resnet50; all of the same classes.
        data: voc:PATH, voc:2007, coco:PATH, cub:PATH, scenes:PATH, folder:PATH, table:PATH or a path alone; options
            follow a question mark, such as voc:2007?task=segmentation (docs/data.md).
        methods: By name.
        split: What is measured, or a part of it such as val[:200].
        threshold_split: Another split, from which each method's best threshold comes; null leaves those scores out.
        background: Classes that are background to you, such as sky or grass: no label, and nothing to be found in the
            segmentation. Images with no other label are left out.
        metrics: Groups of scores on all images: classes (each label against its own region), predicted (with the
            classes that the classifier names), segmentation, boundary, saliency, kept, top_area (average drop and
            increase at half and 15 % of the area), insertion, road, specificity, grid (four photos in one), sensitivity
            (max-sensitivity, a few images), sanity (randomised weights, a few images).
        subset_metrics: Groups that are computed on the shared subset only, because they cost many forwards.
        also_normalise: Steps that are applied to every method besides its own, such as minmax.
        reference: The method that the others are tested against.
        subset_size: Images in the shared subset, drawn by the seed.
        limit: Take the first so many images (of each split) only.
        seed: Of the subset and of everything that is drawn.
        fill: What hidden pixels become: mean, black, blur, a colour.
        batch_size: Images per call of a method, and per part of the results.
        classifier_batch_size: Masked images per forward pass when a score asks the classifier.
        keep_maps: Keep the maps of so many images for pictures.
        cost_images: Measure time and memory on so many images.
        cost_batch_size: Images per call when time and memory are measured.
        cost_seconds: Stop measuring a method after so many seconds, once it has done one call.
        sample_size: Images for sensitivity and sanity.
        sensitivity_samples: Noisy copies of each of these images.
        sanity_stages: Into how many stages the cascade over the layers is divided.
        device: auto, cpu, cuda, cuda:1.
        cache: Keep decoded and resized images in memory.
        trust_factory: Run code that comes with a saved classifier: a factory, a function, a program.
    """

    classifiers: dict[str, str] = field(default_factory=dict)
    data: str = ""
    methods: dict[str, MethodSettings] = field(default_factory=dict)
    split: str = "val"
    threshold_split: str | None = None
    background: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=lambda: ["classes", "segmentation", "saliency", "kept"])
    subset_metrics: list[str] = field(default_factory=list)
    also_normalise: list[str] = field(default_factory=list)
    reference: str | None = None
    subset_size: int = 24
    limit: int | None = None
    seed: int = 0
    fill: str = "mean"
    batch_size: int = 16
    classifier_batch_size: int = 64
    keep_maps: int = 12
    cost_images: int = 8
    cost_batch_size: int = 1
    cost_seconds: float = 60.0
    sample_size: int = 8
    sensitivity_samples: int = 10
    sanity_stages: int = 6
    device: str = "auto"
    cache: bool = True
    trust_factory: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise InputError("data is empty; name a data set, such as voc:PATH.")
        for kind, named in (("classifiers", self.classifiers), ("methods", self.methods)):
            if not named:
                raise InputError(f"{kind} is empty; give at least one, by name.")
            for name in named:
                if not NAME.fullmatch(name):
                    raise InputError(f"{kind}: {name!r} will name files; take letters, digits, '.', '+', '-' and '_'.")
        _check_known("metrics", self.metrics, GROUPS)
        _check_known("subset_metrics", self.subset_metrics, GROUPS)
        _check_known("also_normalise", self.also_normalise, NORMALISATIONS)
        both = sorted(set(self.metrics) & set(self.subset_metrics))
        if both or not (self.metrics or self.subset_metrics):
            problem = f"name {both} both" if both else "are both empty"
            raise InputError(f"metrics and subset_metrics {problem}; give each group of scores once.")
        for name, each in self.methods.items():
            if (each.method or name) not in KNOWN:
                raise InputError(f"methods: {each.method or name!r} is not known; take one of {', '.join(KNOWN)}.")
            _check_known(f"methods.{name}.normalisations", each.normalisations or [], NORMALISATIONS)
            if each.cut and (each.method or name) in REFERENCES:
                raise InputError(f"methods.{name}.cut: {each.method or name} looks at no picture; leave cut out.")
            _check_known(f"methods.{name}.without", each.without, (*GROUPS, THRESHOLD))
        if self.reference is not None and self.reference not in self.methods:
            raise InputError(f"reference={self.reference!r} is none of the methods {list(self.methods)}.")
        if self.split == self.threshold_split:
            raise InputError(
                "threshold_split is the split that is measured; choose thresholds on another one, or null."
            )
        least = {"subset_size": 1, "batch_size": 1, "classifier_batch_size": 1, "cost_images": 1, "cost_batch_size": 1}
        least |= {"keep_maps": 0, "sample_size": 1, "sensitivity_samples": 1, "sanity_stages": 1, "limit": 1, "seed": 0}
        sizes = {f"methods.{name}.batch_size": each.batch_size for name, each in self.methods.items()}
        if not (math.isfinite(self.cost_seconds) and self.cost_seconds >= 0):
            raise InputError(f"cost_seconds={self.cost_seconds} must be a number of seconds, 0 or above.")
        for name, value in {**{name: getattr(self, name) for name in least}, **sizes}.items():
            if value is not None and value < least.get(name, 1):
                raise InputError(f"{name}={value} must be at least {least.get(name, 1)}.")


def _check_known(name: str, given: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> None:
    unknown = [each for each in given if each not in known]
    if unknown:
        raise InputError(f"{name}: {unknown} are not known; take of {', '.join(known)}.")
