"""``benchmark.json``: what was asked for, of which images, classifiers and methods, on which machine."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from explanans.benchmark.columns import CURVE_THRESHOLDS
from explanans.benchmark.cut_maps import without_cut
from explanans.benchmark.plan import Plan, Task
from explanans.benchmark.settings import BenchmarkSettings
from explanans.classifiers.sources import hash_weights
from explanans.version import __version__

FREE = (
    *("classifiers", "methods", "data", "device", "cache", "trust_factory", "reference", "also_normalise"),
    *("classifier_batch_size", "cost_images", "cost_batch_size", "cost_seconds"),
)
"""Settings that change no score, or that have another place in the record."""


def record_of(settings: BenchmarkSettings, plan: Plan) -> dict[str, Any]:
    """The record of a plan that was made from the settings, without the thresholds, which are not known yet."""
    first = plan.stations[0]
    names = first.dataset.names
    shared = {
        "name": "shared",
        "size": len(plan.subset),
        "seed": settings.seed,
        "images": [names[index] for index in plan.subset],
    }
    shares = bool(settings.subset_metrics) or any(each.subset == "shared" for each in settings.methods.values())
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
            "without_label": list(first.without_label),
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
        "methods": {
            name: _method_record(settings, name, [task for task in plan.tasks if task.name == name])
            for name in settings.methods
        },
        "subset": shared if shares else None,
        "sample": [names[index] for index in plan.sample],
        "reference": settings.reference,
        "curve_thresholds": list(CURVE_THRESHOLDS),
        "thresholds": {},
    }


def _method_record(settings: BenchmarkSettings, name: str, tasks: list[Task]) -> dict[str, Any]:
    method, task = settings.methods[name], tasks[0]
    return {
        "title": task.title,
        "method": method.method or name,
        "settings": method.settings,
        "normalisations": list(task.normalisations),
        **({"cut": True} if method.cut else {}),
        "subset": method.subset,
        "classes": method.classes,
        "without": method.without,
        "batch_size": task.batch_size,
        # A folder keeps its name when what lies in it is trained again.
        "weights": {each.station.name: _weights_hash(each.caller.method) for each in tasks},
    }


def _weights_hash(method: Any) -> str | None:
    network = without_cut(method)
    return hash_weights(network) if isinstance(network, nn.Module) else None
