from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.utils import object_storage

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


@pytest.fixture(scope="session")
def client(port: int) -> Any:
    """Of that server, with a bucket "results"."""
    boto3 = pytest.importorskip("boto3", reason="needs moto, of the extra dev")
    found = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    found.create_bucket(Bucket="results")
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    monkeypatch.setattr(object_storage, "WAITS", ())


@pytest.fixture
def place(client: Any, quick: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A path that nothing lies below."""
    path = f"results/{request.node.name.replace('[', '/').rstrip(']')} ü"
    yield path
    assert not client.list_multipart_uploads(Bucket="results").get("Uploads")
