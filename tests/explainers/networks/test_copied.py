from __future__ import annotations

import copy
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks import build_network
from explanans.images.preprocessing import Preprocessing

MODELS = ["mobilenetv2_035", "resnet10t", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]


def explanandum(module: nn.Module, size: int = 64, channels: int = 3) -> Explanandum:
    preprocessing = Preprocessing(size, (0.5,) * channels, (0.5,) * channels)
    return Explanandum(module, classes=("a", "b", "c"), activation="softmax", preprocessing=preprocessing)


def classifier(name: str = "mobilenetv2_035") -> Explanandum:
    torch.manual_seed(0)
    arguments: dict[str, int] = {}
    if name.startswith("vit"):
        arguments = {"img_size": 64, "embed_dim": 48}
    if name.startswith("swin"):
        arguments = {"img_size": 64, "window_size": 2, "embed_dim": 24}
    return explanandum(timm.create_model(name, num_classes=3, **arguments))


def images(count: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, 64, 64, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """Somebody's own: a stem at stride 4, a block that is used twice, a last layer."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 4, stride=4)
        self.block = nn.Conv2d(4, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 8, 2, stride=2)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.block(self.block(self.stem(images)).relu())
        return self.head(self.down(features).mean((2, 3)))


@pytest.mark.parametrize("name", MODELS)
def test_it_starts_with_the_features_of_the_classifier(name: str) -> None:
    given = classifier(name)
    network = build_network("copy?width=8", 3, explanandum=given).eval()
    trunk = build_network("trunk?width=8", 3, explanandum=given).eval()
    with torch.no_grad():
        for own, theirs in zip(network.encoder(images()), trunk.answer_and_features(images())[1], strict=True):
            assert torch.equal(own, theirs)
    assert network.layers == trunk.layers
    assert network(images()).shape == trunk(images()).shape


@pytest.mark.parametrize("name", MODELS)
def test_a_step_moves_every_part_of_the_copy_and_nothing_of_the_classifier(name: str) -> None:
    given = classifier(name)
    before = copy.deepcopy(given.module.state_dict())
    explainer = Explainer(given, "copy?width=8")
    explainer.train()
    start = copy.deepcopy(explainer.network.state_dict())
    optimiser = torch.optim.SGD(explainer.network.parameters(), 0.1)
    explainer.network(images(4)).square().mean().backward()
    optimiser.step()
    assert all(parameter.grad is not None for parameter in explainer.network.parameters())
    assert any(
        not torch.equal(value, start[key])
        for key, value in explainer.network.state_dict().items()
        if key.startswith("encoder.") and key.endswith("weight")
    )
    for key, value in given.module.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in given.parameters())


def test_of_a_module_of_ones_own_it_takes_what_the_features_depend_on() -> None:
    torch.manual_seed(0)
    given = explanandum(Plain())
    network = build_network("copy?width=8", 3, explanandum=given)
    assert network.layers == ["block", "down"]
    assert isinstance(network.encoder.module.head, nn.Identity)
    assert isinstance(given.module.head, nn.Linear)
    # Worked out by hand: the block is read when it is used the second time.
    with torch.no_grad():
        module = given.module
        fine = module.block(module.block(module.stem(images())).relu())
        finest, deepest = network.encoder(images())
        assert torch.equal(finest, fine)
        assert torch.equal(deepest, module.down(fine))


class Offset(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(3))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + self.offset


def test_what_cannot_run_without_its_last_layer_keeps_it_untrained() -> None:
    torch.manual_seed(0)
    network = build_network("copy?width=8", 3, explanandum=explanandum(Offset()))
    assert isinstance(network.encoder.module.head, nn.Linear)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == {"encoder.module.offset", "encoder.module.head.weight", "encoder.module.head.bias"}


def test_layers_behind_the_last_feature_do_not_run() -> None:
    # VGG's fully connected layers are 120 of its 129 million parameters.
    with torch.device("meta"):
        module = torchvision.models.vgg11(num_classes=3, init_weights=False)
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        parameter.data.fill_(1e-3)
    network = build_network("copy?width=8", 3, explanandum=explanandum(module))
    assert sum(parameter.numel() for parameter in network.parameters()) < 10e6
    passes: list[int] = []
    network.encoder.module.classifier.register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        network.eval()(images())
    assert not passes


def test_grey_pictures_stay_grey() -> None:
    torch.manual_seed(0)
    explainer = Explainer(explanandum(Plain(1), channels=1), "copy?width=8").eval()
    with torch.no_grad():
        assert explainer(images(channels=1)).shape == (2, 3, 64, 64)


def test_other_sizes_where_the_classifier_takes_them() -> None:
    explainer = Explainer(classifier(), "copy?width=8").eval()
    with torch.no_grad():
        assert explainer(torch.randn(1, 3, 96, 128)).shape == (1, 3, 96, 128)


def test_saved_loaded_and_folded(tmp_path: Path) -> None:
    given = classifier()
    explainer = Explainer(given, "copy?width=8").eval()
    with torch.no_grad():
        for parameter in explainer.network.parameters():
            parameter.mul_(1.1)
        for part in explainer.network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_var.uniform_(0.5, 2)
        expected = explainer(images())
        explainer.save_pretrained(tmp_path / "saved")
        loaded = Explainer.from_pretrained(tmp_path / "saved", explanandum=given)
        assert torch.equal(loaded(images()), expected)
        assert loaded.trunk_layers == explainer.trunk_layers == ["blocks.1", "blocks.2", "blocks.4", "bn2"]
        folded = explainer.folded()
        assert not any(type(part) is nn.BatchNorm2d for part in folded.network.modules())
        probabilities, masks = folded.predict_and_explain(images())
        copied = copy.deepcopy(explainer)
        assert torch.equal(copied(images()), expected)
    assert torch.allclose(masks, expected, atol=1e-4)
    assert torch.equal(probabilities, given.probabilities(images()))


class Locked(Plain):
    def __deepcopy__(self, memo: object) -> Locked:
        raise RuntimeError("holds a file")


class Numb(Plain):
    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(images)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Locked(), r"cannot be copied .RuntimeError: holds a file.; take 'trunk'"),
        (Numb(), "features have no gradient"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3)), "no layer with spatial features"),
    ],
)
def test_what_cannot_be_trained_as_a_copy_is_refused(module: nn.Module, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Explainer(explanandum(module), "copy")


def test_a_copy_needs_a_classifier() -> None:
    with pytest.raises(InputError, match="Explainer"):
        build_network("copy", 3)
