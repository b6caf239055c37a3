from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method

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


def exported(module: nn.Module, path: Path, count: int, batch: object = None) -> Path:
    dynamic = None if batch is None else ({0: batch},)
    torch.export.save(torch.export.export(module, (images(count),), dynamic_shapes=dynamic), path)
    return path


def test_torchscript_answers_with_gradients(module: nn.Module, script: Path) -> None:
    classifier = Explanandum.load(f"torchscript:{script}", trust_factory=True, **SETTINGS)
    given = images().requires_grad_()
    logits = classifier(given)
    assert torch.allclose(logits, module(given), atol=1e-6)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), given)
    (expected,) = torch.autograd.grad(module(given)[:, 0].sum(), given)
    assert torch.allclose(gradient, expected, atol=1e-6)
    assert classifier.differentiable
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())


@pytest.mark.parametrize("batch", [None, torch.export.Dim("batch"), torch.export.Dim("batch", min=2, max=4)])
def test_an_exported_program_takes_any_number_of_images(module: nn.Module, tmp_path: Path, batch: object) -> None:
    file = exported(module, tmp_path / "model.pt2", 2, batch)
    classifier = Explanandum.load(f"export:{file}", trust_factory=True, **SETTINGS)
    for number in (0, 1, 2, 9):
        given = images(number).requires_grad_()
        logits = classifier(given)
        assert torch.allclose(logits, module(given), atol=1e-6)
        assert number == 0 or torch.autograd.grad(logits.sum(), given)[0].abs().sum() > 0
    # One mode is all it has; a trainer that switches modes must not fail.
    classifier.train()
    assert not classifier.module.training


def test_an_exported_program_has_its_layers_and_can_be_copied(module: nn.Module, tmp_path: Path) -> None:
    file = exported(module, tmp_path / "model.pt2", 2, torch.export.Dim("batch"))
    classifier = copy.deepcopy(Explanandum.load(f"export:{file}", trust_factory=True, **SETTINGS))
    reference = Explanandum(module, **SETTINGS)
    maps = make_method("grad_cam", classifier)(images(), [0, 1, 0])
    assert torch.allclose(maps, make_method("grad_cam", reference)(images(), [0, 1, 0]), atol=1e-6)
    assert maps.amax() > 0
    fixed = exported(module, tmp_path / "fixed.pt2", 2)
    with pytest.raises(InputError, match="no module of the classifier has a spatial output"):
        make_method("grad_cam", copy.deepcopy(Explanandum.load(f"export:{fixed}", trust_factory=True, **SETTINGS)))


def test_an_exported_program_is_asked_for_what_it_takes(module: nn.Module, tmp_path: Path) -> None:
    file = exported(module, tmp_path / "model.pt2", 2)
    for preprocessing in (Preprocessing(20, (0.5,) * 3, (0.5,) * 3), Preprocessing(16, (0.5,), (0.5,))):
        with pytest.raises(InputError, match=r"takes images of .* = \(3, 16, 16\)"):
            Explanandum.load(f"export:{file}", trust_factory=True, **{**SETTINGS, "preprocessing": preprocessing})
    training = exported(module.train(), tmp_path / "training.pt2", 2)
    with pytest.raises(InputError, match=r"exported in training mode \(batch_norm is active\).*model.eval"):
        Explanandum.load(f"export:{training}", trust_factory=True, **SETTINGS)


class OneAtATime(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": self.inner(images.reshape(1, 3, 16, 16)).softmax(1)}


@pytest.mark.parametrize("told", ["", "&batch=1"])
def test_a_traced_program_for_one_image_that_returns_probabilities(
    module: nn.Module, tmp_path: Path, told: str
) -> None:
    torch.jit.trace(OneAtATime(module), images(1), strict=False).save(str(tmp_path / "model.pt"))
    settings = {name: SETTINGS[name] for name in ("classes", "preprocessing")}
    spec = f"torchscript:{tmp_path / 'model.pt'}?outputs=softmax{told}"
    classifier = Explanandum.load(spec, trust_factory=True, **settings)
    assert torch.allclose(classifier.probabilities(images()), module(images()).softmax(1), atol=1e-6)
    assert classifier.activation == "softmax"
    classifier.save(tmp_path / "saved")
    loaded = Explanandum.load(tmp_path / "saved", trust_factory=True)
    assert torch.allclose(loaded.probabilities(images()), classifier.probabilities(images()))


class Writer(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, images: Tensor) -> Tensor:
        torch.save(images, self.path)
        return images.mean((2, 3))


def test_torchscript_is_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    """It has no Python, but it can write files: why trust is asked for."""
    torch.jit.script(Writer(str(tmp_path / "written"))).save(str(tmp_path / "model.pt"))
    settings = {**SETTINGS, "classes": ("a", "b", "c")}
    with pytest.raises(InputError, match=r"write any of your files.*trust_factory"):
        Explanandum.load(f"torchscript:{tmp_path / 'model.pt'}", **settings)
    assert not (tmp_path / "written").exists()
    Explanandum.load(f"torchscript:{tmp_path / 'model.pt'}", trust_factory=True, **settings)
    assert (tmp_path / "written").exists()


def test_torchscript_hides_its_layers(script: Path) -> None:
    classifier = Explanandum.load(f"torchscript:{script}", trust_factory=True, **SETTINGS)
    for name in ("grad_cam", "score_cam"):
        with pytest.raises(InputError, match=r"TorchScript program, whose layers cannot be watched.*torch.export"):
            make_method(name, classifier)
    with pytest.raises(InputError, match="cannot be watched"):
        make_method("grad_cam", classifier, layer="inner.0")
    with pytest.raises(InputError, match="no layer with spatial features"):
        Explainer(classifier, "trunk?width=8")


def test_an_exported_program_is_read_only_where_it_is_trusted(module: nn.Module, tmp_path: Path) -> None:
    file = exported(module, tmp_path / "model.pt2", 1)
    with pytest.raises(InputError, match=r"pickle.*trust_factory"):
        Explanandum.load(f"export:{file}", **SETTINGS)


def test_saving_copies_the_file(script: Path, tmp_path: Path) -> None:
    classifier = Explanandum.load(f"torchscript:{script}", trust_factory=True, **SETTINGS)
    classifier.save(tmp_path / "saved")
    expected = classifier(images())
    script.unlink()
    with pytest.raises(InputError, match=r"write any of your files.*trust_factory"):
        Explanandum.load(tmp_path / "saved")
    loaded = Explanandum.load(tmp_path / "saved", trust_factory=True)
    assert torch.equal(loaded(images()), expected)
    assert loaded.weights_hash == classifier.weights_hash
    copied = tmp_path / "saved" / "model.pt"
    other = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), images(1))
    other.save(str(copied))
    with pytest.raises(InputError, match="changed or damaged"):
        Explanandum.load(tmp_path / "saved", trust_factory=True)


@pytest.mark.parametrize("scheme", ["torchscript", "export"])
def test_what_is_no_program(scheme: str, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no program")
    with pytest.raises(InputError, match=r"noise.*is no (TorchScript file|exported program)"):
        Explanandum.load(f"{scheme}:{tmp_path / 'noise'}", trust_factory=True, **SETTINGS)
    with pytest.raises(InputError, match="absent is no file"):
        Explanandum.load(f"{scheme}:{tmp_path / 'absent'}", trust_factory=True, **SETTINGS)
