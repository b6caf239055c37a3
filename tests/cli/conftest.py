from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Help texts are kept in a cache; that of whoever runs the tests stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLANANS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved classifier and Explainer of the classes cat and dog, a few pictures, and files of the wrong kind."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("photos", "sorted/cat", "sorted/dog", "empty", "folders/a", "folders/b"):
        (folder / name).mkdir(parents=True)
    for name in ("photos/1.png", "sorted/cat/1.png", "sorted/dog/1.png"):
        Image.new("RGB", (40, 30), (90, 100, 50)).save(folder / name)
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00a\n")
    (folder / "doubled.txt").write_text("cat\ncat\n")
    (folder / "blank.txt").write_text("\n\n")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "config.json").write_text("{")
    (folder / "damaged" / "explanandum.json").write_text("{")
    (folder / "damaged" / "benchmark.json").write_text("{")
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 2})
    explanandum = Explanandum(
        build(source),
        classes=["cat", "dog"],
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=source,
    )
    Explainer(explanandum, "compact").save_pretrained(folder / "explainer")
    explanandum.save(folder / "saved")
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return place
