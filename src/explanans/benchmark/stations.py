"""The classifiers of a benchmark, each with the images as it sees them: opened and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from explanans.benchmark.scoring import Scorer
from explanans.benchmark.settings import BenchmarkSettings
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.metrics.similarity import MIN_SIDE
from explanans.ops.masking import make_fill
from explanans.ops.two_by_two import CELLS


@dataclass(frozen=True)
class Station:
    """A classifier and its images.

    Attributes:
        name: of the classifier in the benchmark.
        explanandum: the classifier.
        dataset: the images that are measured.
        held_out: those that best thresholds are chosen on; None where none are.
        without_label: names of the images that were left out.
        scorer: makes scores of masks.
    """

    name: str
    explanandum: Explanandum
    dataset: LabelledImages
    held_out: LabelledImages | None
    without_label: tuple[str, ...]
    scorer: Scorer


def open_stations(settings: BenchmarkSettings, device: torch.device) -> tuple[Station, ...]:
    """Load the classifiers and open the data for each.

    Raises:
        InputError: whatever of it cannot be used; classifiers of different classes; splits that share images; images of
            the same name; a group of scores that compares with segmentations where there are none.
    """
    loaded = {
        name: Explanandum.load(spec, trust_factory=settings.trust_factory).to(device)
        for name, spec in settings.classifiers.items()
    }
    _check_classifiers(loaded, settings.fill)
    stations = tuple(_open(settings, name, explanandum) for name, explanandum in loaded.items())
    for station in stations:
        _check_groups(settings, station)
    return stations


def _open(settings: BenchmarkSettings, name: str, explanandum: Explanandum) -> Station:
    dataset, without_label = _images(settings, settings.split, explanandum)
    held_out = None
    if settings.threshold_split is not None:
        held_out, _ = _images(settings, settings.threshold_split, explanandum)
        overlap = set(held_out.names) & set(dataset.names)
        if overlap:
            raise InputError(
                f"threshold_split={settings.threshold_split!r} shares {len(overlap)} images with "
                f"split={settings.split!r}; choose thresholds on other images."
            )
    scorer = Scorer(
        explanandum,
        fill=settings.fill,
        batch_size=settings.classifier_batch_size,
        seed=settings.seed,
        background=[explanandum.classes.index(each) for each in settings.background],
    )
    return Station(name, explanandum, dataset, held_out, without_label, scorer)


def _images(
    settings: BenchmarkSettings, split: str, explanandum: Explanandum
) -> tuple[LabelledImages, tuple[str, ...]]:
    """The images of a split that have a label, and the names of the others."""
    dataset = open_dataset(
        settings.data,
        split,
        classes=explanandum.classes,
        preprocessing=explanandum.preprocessing,
        cache=settings.cache,
    )
    dataset = dataset.with_background(settings.background)
    labelled = dataset.labels.bool().any(1)
    if not labelled.any():
        besides = f" besides {settings.background}" if settings.background else ""
        raise InputError(
            f"data {settings.data!r}, split {split!r}: no image has a label{besides}; there is nothing to compare."
        )
    without = tuple(name for name, has in zip(dataset.names, labelled.tolist(), strict=True) if not has)
    chosen = dataset.subset(labelled.nonzero().flatten()[: settings.limit])
    doubled = len(chosen.names) - len(set(chosen.names))
    if doubled:
        raise InputError(
            f"data {settings.data!r}: {doubled} images have the name of another; results are kept by name."
        )
    return chosen, without


def _check_classifiers(loaded: Mapping[str, Explanandum], fill: str) -> None:
    (first, one), *others = loaded.items()
    for name, other in others:
        if other.classes != one.classes:
            raise InputError(
                f"classifiers: {first!r} has the classes {list(one.classes)[:10]}, {name!r} has "
                f"{list(other.classes)[:10]}; compare those of the same classes in the same order."
            )
    make_fill(fill, one.preprocessing)


def _check_groups(settings: BenchmarkSettings, station: Station) -> None:
    asked = {*settings.metrics, *settings.subset_metrics}
    compares = sorted(asked & {"classes", "predicted", "segmentation", "boundary"})
    if compares or settings.threshold_split is not None:
        for split, dataset in ((settings.split, station.dataset), (settings.threshold_split, station.held_out)):
            if dataset is not None and not dataset.has_segmentation:
                raise InputError(
                    f"data {settings.data!r}, split {split!r}: not every image has a segmentation, which metrics: "
                    f"{compares} and threshold_split compare with; give data that has them, or leave them out."
                )
    sides = (station.explanandum.preprocessing.height, station.explanandum.preprocessing.width)
    if "sanity" in asked and min(sides) < MIN_SIDE:
        raise InputError(f"metrics: 'sanity' compares maps of at least {MIN_SIDE} pixels a side; these have {sides}.")
    if "grid" in asked and station.explanandum.num_classes < CELLS:
        raise InputError(
            f"metrics: 'grid' shows {CELLS} classes in one picture, and the classifier has "
            f"{station.explanandum.num_classes}; leave it out."
        )
    if "specificity" in asked and station.explanandum.num_classes < 2:
        raise InputError("metrics: 'specificity' compares classes, and the classifier has one.")
