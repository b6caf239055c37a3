"""Everything a benchmark needs, opened and checked before any work is done."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from explanans.benchmark.calling import Caller
from explanans.benchmark.columns import CURVE_THRESHOLDS
from explanans.benchmark.seeds import seed_of
from explanans.benchmark.settings import THRESHOLD, BenchmarkSettings
from explanans.benchmark.truth import REFERENCES
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import hash_weights
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.methods import make_method
from explanans.metrics.similarity import MIN_SIDE
from explanans.ops.masking import make_fill
from explanans.utils.devices import choose_device
from explanans.version import __version__

FREE = (
    *("classifiers", "methods", "data", "device", "cache", "trust_factory", "reference", "also_normalise"),
    *("classifier_batch_size", "cost_images", "cost_batch_size", "cost_seconds"),
)
"""Settings that change no score, or that ``benchmark.json`` has in another place."""


@dataclass(frozen=True)
class Station:
    """A classifier, the images as it sees them, and the methods made for it."""

    name: str
    explanandum: Explanandum
    dataset: LabelledImages
    held_out: LabelledImages | None
    callers: dict[str, Caller]


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        settings: as they were given.
        device: where.
        stations: one for each classifier.
        subset: positions of the images that slow methods see, ascending.
        held_out_subset: the same of the threshold split.
        sample: positions of the few images for cost, sensitivity and sanity.
        kept: positions of the images whose maps are kept.
        without_label: names of the images that were left out.
    """

    settings: BenchmarkSettings
    device: torch.device
    stations: tuple[Station, ...]
    subset: tuple[int, ...]
    held_out_subset: tuple[int, ...]
    sample: tuple[int, ...]
    kept: tuple[int, ...]
    without_label: tuple[str, ...]

    def images(self, method: str) -> Sequence[int]:
        """Positions that a method is measured on."""
        shared = self.settings.methods[method].subset == "shared"
        return self.subset if shared else range(len(self.stations[0].dataset))

    def held_out_images(self, method: str) -> Sequence[int]:
        """Positions in the threshold split that its best threshold is chosen on."""
        held_out = self.stations[0].held_out
        if held_out is None or THRESHOLD in self.settings.methods[method].without:
            return ()
        return self.held_out_subset if self.settings.methods[method].subset == "shared" else range(len(held_out))


def make_plan(settings: BenchmarkSettings) -> Plan:
    """Open data and classifiers and make the methods.

    Raises:
        InputError: whatever of it cannot be used; classifiers of different classes; images of the same name; a group of
            scores that compares with segmentations where there are none.
    """
    device = choose_device(settings.device)
    loaded = {
        name: Explanandum.load(spec, trust_factory=settings.trust_factory).to(device)
        for name, spec in settings.classifiers.items()
    }
    _check_classifiers(loaded, settings.fill)
    stations: list[Station] = []
    without_label: tuple[str, ...] = ()
    for name, explanandum in loaded.items():
        dataset, without_label = _open(settings, settings.split, explanandum)
        held_out = None
        if settings.threshold_split is not None:
            held_out, _ = _open(settings, settings.threshold_split, explanandum)
            overlap = set(held_out.names) & set(dataset.names)
            if overlap:
                raise InputError(
                    f"threshold_split={settings.threshold_split!r} shares {len(overlap)} images with "
                    f"split={settings.split!r}; choose thresholds on other images."
                )
        callers: dict[str, Caller] = {}
        for method, each in settings.methods.items():
            kind = each.method or method
            if kind in REFERENCES:
                callers[method] = REFERENCES[kind].build(method, settings.seed, dataset, held_out)
                continue
            made = make_method(kind, explanandum, **each.arguments(name))
            if isinstance(made, nn.Module):
                made.to(device)
            callers[method] = Caller(method, made, settings.seed)
        stations.append(Station(name, explanandum, dataset, held_out, callers))
    for station in stations:
        _check_groups(settings, station)
    first = stations[0]
    count = len(first.dataset)
    order = _order(count, settings.seed, "subset")
    held_out_order = _order(len(first.held_out), settings.seed, "thresholds") if first.held_out is not None else []
    subset = tuple(sorted(order[: settings.subset_size]))
    return Plan(
        settings=settings,
        device=device,
        stations=tuple(stations),
        subset=subset,
        held_out_subset=tuple(sorted(held_out_order[: settings.subset_size])),
        # Part of the subset, so that slow methods have them too.
        sample=tuple(sorted(order[: min(settings.sample_size, settings.subset_size)])),
        # Always of the subset: slow methods may be added to a folder later, and pictures show the same images of all.
        kept=subset[: settings.keep_maps],
        without_label=without_label,
    )


def record_of(plan: Plan) -> dict[str, Any]:
    """``benchmark.json``, without the thresholds, which are not known yet."""
    settings, first = plan.settings, plan.stations[0]
    names = first.dataset.names
    shared = {
        "name": "shared",
        "size": len(plan.subset),
        "seed": settings.seed,
        "images": [names[index] for index in plan.subset],
    }
    return {
        "settings": {name: value for name, value in asdict(settings).items() if name not in FREE},
        "versions": {"explanans": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "seed": settings.seed,
        "machine": {
            "cores": torch.get_num_threads(),
            "architecture": platform.machine(),
            "torch": torch.__version__,
            "device": str(plan.device),
            "device_name": torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else "cpu",
        },
        "data": {
            "source": settings.data,
            "name": first.dataset.name,
            "split": settings.split,
            "fingerprint": first.dataset.fingerprint(),
            "images": list(names),
            "without_label": list(plan.without_label),
        },
        "threshold_data": None
        if first.held_out is None
        else {
            "name": first.held_out.name,
            "split": settings.threshold_split,
            "fingerprint": first.held_out.fingerprint(),
            "images": list(first.held_out.names),
        },
        "classifiers": {station.name: station.explanandum.identity() for station in plan.stations},
        "methods": {name: _method_record(plan, name) for name in settings.methods},
        "subset": shared if settings.shares else None,
        "sample": [names[index] for index in plan.sample],
        "reference": settings.reference,
        "curve_thresholds": list(CURVE_THRESHOLDS),
        "thresholds": {},
    }


def _method_record(plan: Plan, name: str) -> dict[str, Any]:
    settings = plan.settings.methods[name]
    return {
        "title": plan.settings.title(name),
        "method": settings.method or name,
        "settings": settings.settings,
        "normalisations": plan.settings.normalisations(name),
        "subset": settings.subset,
        "classes": settings.classes,
        "without": settings.without,
        "batch_size": plan.settings.batch(name),
        # A folder keeps its name when what lies in it is trained again.
        "weights": {station.name: _weights_hash(station.callers[name].method) for station in plan.stations},
    }


def _weights_hash(method: Any) -> str | None:
    return hash_weights(method) if isinstance(method, nn.Module) else None


def _open(settings: BenchmarkSettings, split: str, explanandum: Explanandum) -> tuple[LabelledImages, tuple[str, ...]]:
    """The images of a split that have a label, and the names of the others."""
    dataset = open_dataset(
        settings.data,
        split,
        classes=explanandum.classes,
        preprocessing=explanandum.preprocessing,
        cache=settings.cache,
    )
    labelled = dataset.labels.bool().any(1)
    if not labelled.any():
        raise InputError(f"data {settings.data!r}, split {split!r}: no image has a label; there is nothing to compare.")
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
    if "segmentation" in asked or settings.threshold_split is not None:
        for split, dataset in ((settings.split, station.dataset), (settings.threshold_split, station.held_out)):
            if dataset is not None and not dataset.has_segmentation:
                raise InputError(
                    f"data {settings.data!r}, split {split!r}: not every image has a segmentation, which metrics: "
                    "'segmentation' and threshold_split compare with; give data that has them, or leave both out."
                )
    sides = (station.explanandum.preprocessing.height, station.explanandum.preprocessing.width)
    if "sanity" in asked and min(sides) < MIN_SIDE:
        raise InputError(f"metrics: 'sanity' compares maps of at least {MIN_SIDE} pixels a side; these have {sides}.")
    if "specificity" in asked and station.explanandum.num_classes < 2:
        raise InputError("metrics: 'specificity' compares classes, and the classifier has one.")


def _order(count: int, seed: int, purpose: str) -> list[int]:
    generator = torch.Generator().manual_seed(seed_of(seed, purpose))
    return torch.randperm(count, generator=generator).tolist()
