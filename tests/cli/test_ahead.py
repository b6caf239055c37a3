from __future__ import annotations

from pathlib import Path

import pytest

from explanans.cli import ahead

HUB, TORCH = "https://huggingface.co", "https://download.pytorch.org"


@pytest.mark.parametrize(
    ("words", "servers"),
    [
        (["timm:resnet50", "photo.jpg"], [HUB]),
        (["hf:microsoft/resnet-50", "photo.jpg"], [HUB]),
        (["torchvision:resnet50.IMAGENET1K_V1", "photo.jpg"], [TORCH]),
        (["torchvision:vgg16", "photo.jpg"], []),
        (["timm:resnet50", "--weights", "mine.pt", "photo.jpg"], []),
        (["timm:resnet50", "--weights=mine.pt", "photo.jpg"], []),
        (["runs/explainer/explainer", "photo.jpg"], []),
    ],
)
def test_who_is_asked(words: list[str], servers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    (tmp_path / "hub/checkpoints/vgg16-397923af.pth").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    asked: list[str] = []
    monkeypatch.setattr(ahead, "ask_ahead", asked.append)
    ahead.begin(words)
    assert asked == servers


def test_a_mirror_is_asked_and_nobody_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ahead, "ask_ahead", asked.append)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    ahead.begin(["timm:resnet50"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ahead.begin(["timm:resnet50"])
    assert asked == ["https://mirror.example"]
