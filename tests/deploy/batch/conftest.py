from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

SIZE = 32


@pytest.fixture
def explainer(saved: Path) -> Explainer:
    return Explainer.from_pretrained(saved)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 3, "widths": [4, 8]})
    preprocessing = Preprocessing(SIZE, (0.5,) * 3, (0.25,) * 3)
    classifier = Explanandum(
        SmallResNet(3, (4, 8)),
        classes=("cat", "big dog", "cow/ox"),
        activation="sigmoid",
        preprocessing=preprocessing,
        source=source,
    )
    explainer = Explainer(classifier, "compact", encoder_weights=None)
    # Masks with shapes, where an untrained network would give flat ones.
    torch.nn.init.normal_(explainer.network.head.weight, std=1.0)
    explainer.network.head.bias.data.zero_()
    folder = tmp_path_factory.mktemp("explainer")
    explainer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """Of an S3 server on this machine."""
    server = pytest.importorskip("moto.server", reason="needs moto, of the extra dev")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        yield running.get_host_and_port()[1]
    finally:
        running.stop()
