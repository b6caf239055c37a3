from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.guided_backprop import GuidedBackprop
from explanans.methods.shared.reduction import reduce_channels

CLASSES = ("a", "b", "c")


def explanandum(module: nn.Module) -> Explanandum:
    preprocessing = Preprocessing(16, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


def network(*activations: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    first, second = activations
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        first,
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        second,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("reduction", ["absolute", "maximum", "positive", "signed"])
def test_agrees_with_captum(inplace: bool, reduction: str) -> None:
    captum = pytest.importorskip("captum.attr")
    classifier = explanandum(network(nn.ReLU(inplace), nn.ReLU(inplace)))
    method = GuidedBackprop(classifier, reduction=reduction)
    assert method.activations == {"relu": 2}
    maps = method(pictures(), torch.ones(3, 3, dtype=torch.bool))
    reference = captum.GuidedBackprop(network(nn.ReLU(), nn.ReLU()).eval())
    for index in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference.attribute(pictures().requires_grad_(), target=index)
        expected = reduce_channels(expected, reduction)
        torch.testing.assert_close(maps[:, index], expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
        plain = captum.Saliency(classifier.module).attribute(pictures().requires_grad_(), target=index, abs=False)
        assert not torch.allclose(maps[:, index], reduce_channels(plain, reduction), rtol=1e-2)


def test_only_positive_gradients_pass_by_hand() -> None:
    """Logits 2 r − 3 r' through a ReLU each: the negative way back is closed."""

    class Two(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            up, down = images.sum((1, 2, 3)).relu(), images[:, 0].sum((1, 2)).relu()
            return torch.stack([2 * up - 3 * down, 0 * up, up], 1)

    maps = GuidedBackprop(explanandum(Two()), reduction="signed")(torch.ones(1, 3, 16, 16), ["a", "c"])
    assert maps[0, 0].unique().tolist() == [6.0]
    assert maps[0, 2].unique().tolist() == [3.0]
    hidden = GuidedBackprop(explanandum(Two()))(-torch.ones(1, 3, 16, 16), "a")
    assert not hidden.any()


class Functional(nn.Module):
    """The same module twice, then functions and methods, in place and not."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3 if index == 0 else 4, 4, 3, padding=1) for index in range(5)])
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        images = self.relu(self.layers[0](images))
        images = self.relu(self.layers[1](images))
        images = functional.relu(self.layers[2](images), inplace=True)
        images = self.layers[3](images).relu_()
        images = functional.relu6(self.layers[4](images))
        return self.head(images.mean((2, 3)))


def test_every_way_to_call_a_relu_is_guided() -> None:
    torch.manual_seed(0)
    module = Functional()
    method = GuidedBackprop(explanandum(module), reduction="signed")
    assert sum(method.activations.values()) == 5
    images = pictures(1).requires_grad_()
    ours = method(images.detach(), "b")[0, 1]
    # By hand: hooks on what each convolution's activation returned.
    x = images
    for layer in module.layers:
        x = layer(x).clamp(min=0)
        x.register_hook(lambda gradient: gradient.relu())
    module.head(x.mean((2, 3)))[0, 1].backward()
    torch.testing.assert_close(ours, images.grad[0].sum(0))


def test_relu6_modules_are_guided_and_other_activations_only_when_asked_for() -> None:
    assert GuidedBackprop(explanandum(network(nn.ReLU6(), nn.SiLU()))).activations == {"relu6": 1}
    both = GuidedBackprop(explanandum(network(nn.ReLU6(True), nn.SiLU(True))), smooth=True)
    assert both.activations == {"relu6": 1, "silu": 1}
    assert both(pictures(), "a").amax() > 0
    with pytest.raises(InputError, match=r"no ReLU to guide, only gelu, silu; smooth=True"):
        GuidedBackprop(explanandum(network(nn.GELU(), nn.SiLU())))
    with pytest.raises(InputError, match="no other known activation"):
        GuidedBackprop(explanandum(network(nn.Identity(), nn.Identity())), smooth=True)


def test_planted_evidence() -> None:
    class Corner(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen = images.relu()
            return torch.stack([seen[:, 0, :4, :4].mean((1, 2)), seen[:, 2].mean((1, 2)), -seen.mean((1, 2, 3))], 1)

    maps = GuidedBackprop(explanandum(Corner()))(pictures().abs(), torch.tensor([[1, 0, 1], [1, 1, 0], [0, 0, 0]]))
    assert (maps[:2, 0, :4, :4] == 1 / 16).all()
    assert not maps[:2, 0, 4:].any()
    assert (maps[1, 1] == 1 / 256).all()
    # What only speaks against its class does not pass.
    assert not maps[0, 2].any()
    assert not maps[2].any()


def test_unusual_calls() -> None:
    method = GuidedBackprop(explanandum(network(nn.ReLU(), nn.ReLU())))
    with torch.no_grad():
        maps = method(pictures(), "a")
    assert not maps.requires_grad
    assert maps.amax() > 0
    with torch.inference_mode(), pytest.raises(InputError, match="inference_mode"):
        method(pictures(), "a")
    with pytest.raises(InputError, match=r"reduction='mean'.*absolute"):
        GuidedBackprop(explanandum(network(nn.ReLU(), nn.ReLU())), reduction="mean")
