from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.grad_cam import GradCAM, grad_cam

CLASSES = ("red", "green", "blue")


def explanandum(module: nn.Module, size: int = 16) -> Explanandum:
    preprocessing = Preprocessing(size=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


def small(inplace: bool = True) -> nn.Sequential:
    """Two convolutions, each followed by ReLU, then a linear head."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        nn.ReLU(inplace=inplace),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=inplace),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def colour_detector() -> nn.Sequential:
    """The logit of class c is the mean of channel c."""
    convolution = nn.Conv2d(3, 3, 1, bias=False)
    convolution.weight.data = torch.eye(3)[:, :, None, None]
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._backward_hooks) for part in module.modules())


def test_formula_by_hand() -> None:
    activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    gradients = torch.tensor([[[[1.0, 3.0]], [[-1.0, 0.0]]]])
    # α = (2, −0.5): 2·1 − 0.5·3 and 2·2 − 0
    torch.testing.assert_close(grad_cam(activations, gradients), torch.tensor([[[0.5, 4.0]]]))


def test_finds_planted_evidence_in_every_image_of_the_batch() -> None:
    images = torch.zeros(3, 3, 16, 16)
    images[0, 0, 2:5, 3:6] = 1.0
    images[1, 0, 10:12, 1:9] = 1.0
    images[1, 2, 0:4, 12:16] = 2.0
    images[2, 1, 7, 7] = 1.0
    maps = GradCAM(explanandum(colour_detector()))(images, torch.ones(3, 3, dtype=torch.bool))
    # ∂(mean of channel c) / ∂A_c is 1 / 256 at every position, and 0 for the other channels.
    torch.testing.assert_close(maps, images / 256)
    assert maps.amax((2, 3)).nonzero().tolist() == [[0, 0], [1, 0], [1, 2], [2, 1]]


def test_only_classes_asked_for_have_a_map() -> None:
    images = torch.rand(2, 3, 16, 16)
    method = GradCAM(explanandum(small()))
    everything = method(images, torch.ones(2, 3, dtype=torch.bool))
    asked = torch.tensor([[True, False, True], [False, False, False]])
    maps = method(images, asked)
    torch.testing.assert_close(maps[asked], everything[asked])
    assert (maps[~asked] == 0).all()
    assert (method(images, torch.zeros(2, 3, dtype=torch.bool)) == 0).all()
    torch.testing.assert_close(method(images, "green")[:, 1], everything[:, 1])
    torch.testing.assert_close(method(images, torch.tensor([2, 0]))[1, 0], everything[1, 0])


@pytest.mark.parametrize("layer", [None, "0", "2"])
@pytest.mark.parametrize("inplace", [False, True])
def test_agrees_with_captum(layer: str | None, inplace: bool) -> None:
    captum = pytest.importorskip("captum.attr")
    classifier = explanandum(small(inplace))
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    method = GradCAM(classifier, layer)
    maps = method(images, torch.ones(4, 3, dtype=torch.bool))
    reference_module = small(inplace=False).eval()
    reference = captum.LayerGradCam(reference_module, reference_module.get_submodule(method.layer_name))
    for index in range(3):
        cam = reference.attribute(images, target=index, relu_attributions=True)
        upsampled = F.interpolate(cam.detach(), (16, 16), mode="bilinear")
        torch.testing.assert_close(maps[:, index], upsampled[:, 0], rtol=1e-5, atol=1e-5 * float(upsampled.max()))
    assert maps.amax() > 0


def test_no_hook_outlives_a_call_even_one_that_fails() -> None:
    classifier = explanandum(small())
    assert hooks(classifier) == 0
    method = GradCAM(classifier)
    for _ in range(3):
        method(torch.rand(2, 3, 16, 16), "red")
    assert hooks(classifier) == 0
    with pytest.raises(InputError, match="returns"):
        GradCAM(classifier, "7")(torch.rand(2, 3, 16, 16), "red")
    with pytest.raises(RuntimeError):
        method(torch.rand(2, 4, 16, 16), "red")
    assert hooks(classifier) == 0


def test_no_gradient_is_left_and_no_grad_is_overridden() -> None:
    classifier = explanandum(small())
    method = GradCAM(classifier)
    images = torch.rand(1, 3, 16, 16, requires_grad=True)
    with torch.no_grad():
        maps = method(images, "red")
    assert not maps.requires_grad
    assert images.grad is None
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in classifier.parameters())
    torch.testing.assert_close(method(images, "red"), maps)


def test_inference_mode_says_what_to_do() -> None:
    method = GradCAM(explanandum(small()))
    with torch.inference_mode(), pytest.raises(InputError, match=r"no_grad"):
        method(torch.rand(1, 3, 16, 16), "red")


def test_images_from_inference_mode_are_fine_outside() -> None:
    method = GradCAM(explanandum(small()))
    with torch.inference_mode():
        images = torch.rand(1, 3, 16, 16)
    assert method(images, "red").shape == (1, 3, 16, 16)


class Ignoring(nn.Module):
    """A classifier with a branch that its logits do not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.never = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        self.unused(images)
        return self.used(images).mean((2, 3))


@pytest.mark.parametrize("layer", ["unused", "never"])
def test_a_layer_without_influence_is_refused(layer: str) -> None:
    with pytest.raises(InputError, match="no part in the logits"):
        GradCAM(explanandum(Ignoring()), layer)(torch.rand(1, 3, 16, 16), "red")


def test_wrong_targets_are_refused() -> None:
    method = GradCAM(explanandum(small()))
    with pytest.raises(InputError, match="multi-hot"):
        method(torch.rand(2, 3, 16, 16), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(InputError, match="'violet'"):
        method(torch.rand(2, 3, 16, 16), "violet")


def test_as_many_gradients_as_one_image_has_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of classes in the batch; each map is that of its image and class alone."""
    method = GradCAM(explanandum(small()))
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    asked = torch.tensor([[True, False, False], [False, True, True], [False, False, False], [False, False, True]])
    alone = [
        method.pairs(images[row : row + 1], F.one_hot(torch.tensor([column]), 3).bool())
        for row, column in asked.nonzero().tolist()
    ]
    made: list[int] = []
    gradient = torch.autograd.grad

    def counted(*given: Any, **more: Any) -> Any:
        made.append(1)
        return gradient(*given, **more)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    torch.testing.assert_close(method.pairs(images, asked), torch.cat(alone), rtol=1e-4, atol=1e-6)
    assert len(made) == 2
