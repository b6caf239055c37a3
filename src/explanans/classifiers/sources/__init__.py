"""Where a classifier comes from: libraries, files of other frameworks, functions, a folder saved earlier."""

from __future__ import annotations

from pathlib import Path

import torch

from explanans.classifiers.sources.families import build, load_named, named_source
from explanans.classifiers.sources.functions import FunctionBox
from explanans.classifiers.sources.saved_folder import load_folder
from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.boxes import FileBox
from explanans.classifiers.sources.shared.published_weights import where_to_get
from explanans.classifiers.sources.shared.weights import (
    CONFIG,
    WEIGHTS,
    described,
    hash_weights,
    load_weights,
    read_config,
    read_weights,
    save,
    save_state,
)
from explanans.classifiers.sources.torchvision_detectors import DetectorBox
from explanans.classifiers.sources.torchvision_models import torchvision_preprocessing, torchvision_weights

__all__ = [
    "CONFIG",
    "WEIGHTS",
    "DetectorBox",
    "FileBox",
    "FunctionBox",
    "Loaded",
    "Source",
    "build",
    "described",
    "hash_weights",
    "load",
    "load_weights",
    "named_source",
    "read_config",
    "read_weights",
    "save",
    "save_state",
    "torchvision_preprocessing",
    "torchvision_weights",
    "where_to_get",
]


def load(spec: str | Path, *, weights: str | Path | None = None, trust_factory: bool = False) -> Loaded:
    """Build the classifier that ``spec`` names; see :meth:`explanans.Explanandum.load`.

    torch's global generator, which draws the weights that the saved ones replace, is afterwards as before.
    """
    with torch.random.fork_rng(devices=[]):
        if isinstance(spec, Path) or Path(spec).is_dir():
            return load_folder(Path(spec), weights=weights, trust_factory=trust_factory)
        return load_named(spec, weights, trust_factory)
