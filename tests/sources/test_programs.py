from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.preprocessing import Preprocessing

SETTINGS = {
    "classes": ("cat", "dog"),
    "activation": "sigmoid",
    "preprocessing": Preprocessing(16, (0.5,) * 3, (0.5,) * 3),
}


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return nn.Sequential(*layers).eval()


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def script(module: nn.Module, tmp_path: Path) -> Path:
    torch.jit.trace(module, images(1)).save(str(tmp_path / "model.pt"))
    return tmp_path / "model.pt"


def exported(module: nn.Module, path: Path, count: int, *, free: bool) -> Path:
    dynamic = ({0: torch.export.Dim("batch", max=64)},) if free else None
    torch.export.save(torch.export.export(module, (images(count),), dynamic_shapes=dynamic), path)
    return path


def test_torchscript_answers_with_gradients(module: nn.Module, script: Path) -> None:
    classifier = Explanandum.load(f"torchscript:{script}", **SETTINGS)
    given = images().requires_grad_()
    logits = classifier(given)
    assert torch.allclose(logits, module(given), atol=1e-6)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), given)
    (expected,) = torch.autograd.grad(module(given)[:, 0].sum(), given)
    assert torch.allclose(gradient, expected, atol=1e-6)
    assert classifier.differentiable
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())


@pytest.mark.parametrize(("count", "free"), [(2, False), (2, True)])
def test_an_exported_program_takes_any_number_of_images(
    module: nn.Module, tmp_path: Path, count: int, free: bool
) -> None:
    file = exported(module, tmp_path / "model.pt2", count, free=free)
    classifier = Explanandum.load(f"export:{file}", trust_factory=True, **SETTINGS)
    for number in (1, 2, 5):
        given = images(number).requires_grad_()
        logits = classifier(given)
        assert torch.allclose(logits, module(given), atol=1e-6)
        assert torch.autograd.grad(logits.sum(), given)[0].abs().sum() > 0
    # One mode is all it has; a trainer that switches modes must not fail.
    classifier.train()
    assert not classifier.module.training


def test_an_exported_program_is_read_only_where_it_is_trusted(module: nn.Module, tmp_path: Path) -> None:
    file = exported(module, tmp_path / "model.pt2", 1, free=False)
    with pytest.raises(InputError, match=r"pickle.*trust_factory"):
        Explanandum.load(f"export:{file}", **SETTINGS)


def test_saving_copies_the_file(script: Path, tmp_path: Path) -> None:
    classifier = Explanandum.load(f"torchscript:{script}", **SETTINGS)
    classifier.save(tmp_path / "saved")
    expected = classifier(images())
    script.unlink()
    loaded = Explanandum.load(tmp_path / "saved")
    assert torch.equal(loaded(images()), expected)
    assert loaded.weights_hash == classifier.weights_hash
    copied = tmp_path / "saved" / "model.pt"
    other = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), images(1))
    other.save(str(copied))
    with pytest.raises(InputError, match="changed or damaged"):
        Explanandum.load(tmp_path / "saved")


@pytest.mark.parametrize("scheme", ["torchscript", "export"])
def test_what_is_no_program(scheme: str, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no program")
    with pytest.raises(InputError, match=r"noise.*is no (TorchScript file|exported program)"):
        Explanandum.load(f"{scheme}:{tmp_path / 'noise'}", trust_factory=True, **SETTINGS)
    with pytest.raises(InputError, match="absent is no file"):
        Explanandum.load(f"{scheme}:{tmp_path / 'absent'}", trust_factory=True, **SETTINGS)
