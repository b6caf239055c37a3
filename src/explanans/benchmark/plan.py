"""Everything a benchmark will do, decided before any work is done: a task for every classifier and method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from explanans.benchmark.batches import MASK_GROUPS
from explanans.benchmark.calling import Caller, seed_of
from explanans.benchmark.cut_maps import CutMaps, without_cut
from explanans.benchmark.settings import KNOWN, THRESHOLD, BenchmarkSettings, MethodSettings
from explanans.benchmark.stations import Station, open_stations
from explanans.benchmark.truth import REFERENCES
from explanans.classifiers.explanandum import Explanandum
from explanans.methods import Method, make_method
from explanans.utils.devices import choose_device

CLASSIFIER = "{classifier}"
"""In the settings of a method: the name of the classifier."""

EVERY_CLASS = ("specificity", "predicted")
"""Groups of scores that need maps of classes that are no label."""

SHARED_BATCH = 4
"""Images per call of a slow method, so that little is lost when a run is stopped."""


@dataclass(frozen=True)
class Task:
    """A method that is measured for a classifier.

    Attributes:
        station: the classifier and its images.
        name: of the method in the benchmark.
        title: what tables call it.
        caller: the method, made for the classifier.
        make: makes it for another classifier, with the same settings.
        normalisations: steps from its maps to masks, its own first.
        batch_size: images per call, and per part of the results.
        images: positions of the images that it is measured on.
        held_out_images: positions in ``station.held_out`` that its best threshold is chosen on; empty for none.
        groups: the groups of scores of its masks, each with the positions of the images that it is computed on.
        grid_images: positions of the photos that are looked at for GridPG; empty for none.
        cost_images, sensitivity_images, sanity_images: positions of the few images of these; empty for none.
    """

    station: Station
    name: str
    title: str
    caller: Caller
    make: Callable[[Explanandum], Method]
    normalisations: tuple[str, ...]
    batch_size: int
    images: Sequence[int]
    held_out_images: Sequence[int]
    groups: Mapping[str, Collection[int]]
    grid_images: Collection[int]
    cost_images: Sequence[int]
    sensitivity_images: Sequence[int]
    sanity_images: Sequence[int]


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        device: where.
        seed: of everything that is drawn.
        stations: one for each classifier.
        tasks: one for each classifier and method, in the order in which they are done.
        subset: positions of the images that slow methods see, ascending.
        sample: positions of the few images for cost, sensitivity and sanity.
        kept: positions of the images whose maps are kept.
        cost_batch_size: images per call when cost is measured.
        cost_seconds: after which the measuring of a cost stops.
        sensitivity_samples: noisy copies of an image.
        sanity_stages: of the cascade over the layers.
    """

    device: torch.device
    seed: int
    stations: tuple[Station, ...]
    tasks: tuple[Task, ...]
    subset: tuple[int, ...]
    sample: tuple[int, ...]
    kept: tuple[int, ...]
    cost_batch_size: int
    cost_seconds: float
    sensitivity_samples: int
    sanity_stages: int


def make_plan(settings: BenchmarkSettings) -> Plan:
    """Open data and classifiers, make the methods, and decide for each what it is measured on.

    Raises:
        InputError: whatever of it cannot be used, see :func:`~explanans.benchmark.stations.open_stations`.
    """
    device = choose_device(settings.device)
    stations = open_stations(settings, device)
    first = stations[0]
    order = _order(len(first.dataset), settings.seed, "subset")
    subset = tuple(sorted(order[: settings.subset_size]))
    # Part of the subset, so that slow methods have them too.
    sample = tuple(sorted(order[: min(settings.sample_size, settings.subset_size)]))
    held_out_order = _order(len(first.held_out), settings.seed, "thresholds") if first.held_out is not None else []
    held_out_subset = tuple(sorted(held_out_order[: settings.subset_size]))
    tasks = [
        _task(settings, station, name, device, subset, held_out_subset, sample)
        for station in stations
        for name in settings.methods
    ]
    return Plan(
        device=device,
        seed=settings.seed,
        stations=stations,
        tasks=tuple(tasks),
        subset=subset,
        sample=sample,
        # Always of the subset: slow methods may be added to a folder later, and pictures show the same images of all.
        kept=subset[: settings.keep_maps],
        cost_batch_size=settings.cost_batch_size,
        cost_seconds=settings.cost_seconds,
        sensitivity_samples=settings.sensitivity_samples,
        sanity_stages=settings.sanity_stages,
    )


def _task(
    settings: BenchmarkSettings,
    station: Station,
    name: str,
    device: torch.device,
    subset: Sequence[int],
    held_out_subset: Sequence[int],
    sample: Sequence[int],
) -> Task:
    method = settings.methods[name]
    kind, shared = method.method or name, method.subset == "shared"
    entry, is_truth = KNOWN[kind], kind in REFERENCES
    make = partial(_made, kind, arguments(method, station.name), method.cut)
    if is_truth:
        caller: Caller = entry.build(name, settings.seed, station.dataset, station.held_out)
    else:
        made = make(station.explanandum)
        network = without_cut(made)
        if isinstance(network, nn.Module):
            network.to(device)
        caller = Caller(name, made, settings.seed)
    everything = range(len(station.dataset))
    asked = {*settings.metrics, *settings.subset_metrics} - set(method.without)
    held_out: Sequence[int] = ()
    if station.held_out is not None and THRESHOLD not in method.without:
        held_out = held_out_subset if shared else range(len(station.held_out))
    usual = min(settings.batch_size, SHARED_BATCH) if shared else settings.batch_size
    usual_step = "raw" if method.cut else entry.normalisation
    return Task(
        station=station,
        name=name,
        title=method.title or (f"{entry.title}, cut by asking" if method.cut else entry.title),
        caller=caller,
        make=make,
        normalisations=tuple(dict.fromkeys(method.normalisations or [usual_step, *settings.also_normalise])),
        batch_size=method.batch_size or usual,
        images=subset if shared else everything,
        held_out_images=held_out,
        groups={
            group: everything if group in settings.metrics else frozenset(subset)
            for group in MASK_GROUPS
            if group in asked and not (group in EVERY_CLASS and method.classes == "labels")
        },
        # The truth of four photos in one is nowhere to be read.
        grid_images=() if "grid" not in asked or is_truth else everything if "grid" in settings.metrics else subset,
        # The truth costs nothing and reads no weights.
        cost_images=() if is_truth else sample[: settings.cost_images],
        sensitivity_images=sample if "sensitivity" in asked else (),
        sanity_images=sample if "sanity" in asked and not is_truth else (),
    )


def arguments(method: MethodSettings, classifier: str) -> dict[str, Any]:
    """The settings of a method for one of the classifiers."""
    return {
        name: value.replace(CLASSIFIER, classifier) if isinstance(value, str) else value
        for name, value in method.settings.items()
    }


def _made(kind: str, settings: Mapping[str, Any], cut: bool, explanandum: Explanandum) -> Method:
    method = make_method(kind, explanandum, **settings)
    return CutMaps(explanandum, method) if cut else method


def _order(count: int, seed: int, purpose: str) -> list[int]:
    generator = torch.Generator().manual_seed(seed_of(seed, purpose))
    return torch.randperm(count, generator=generator).tolist()
