from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

pytest.importorskip("captum")

from explanans.methods.deeplift import DeepLIFT
from explanans.methods.path_gradients import GradientSHAP, IntegratedGradients, SmoothGrad

CLASSES = ("a", "b")
EVERY = torch.ones(2, 2, dtype=torch.bool)


def explanandum(module: nn.Module) -> Explanandum:
    preprocessing = Preprocessing(8, (0.5,) * 3, (0.25,) * 3)
    return Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


class Linear(nn.Module):
    """logit_c = w_c · x; counts the images in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return torch.einsum("nkhw,ckhw->nc", images, self.weights)


class Square(nn.Module):
    """logit a = Σ x² over the upper left corner, logit b = −Σ x² over the rest."""

    def forward(self, images: Tensor) -> Tensor:
        squares = images.square().sum(1)
        corner = squares[:, :4, :4].sum((1, 2))
        return torch.stack([corner, corner - squares.sum((1, 2))], 1)


def pictures() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("build", [IntegratedGradients, DeepLIFT])
def test_a_linear_model_gives_weight_times_image(build: type) -> None:
    module, images = Linear(), pictures()
    maps = build(explanandum(module), reduction="signed")(images, EVERY)
    expected = torch.einsum("nkhw,ckhw->nchw", images, module.weights.detach())
    torch.testing.assert_close(maps, expected, rtol=1e-5, atol=1e-5)
    absolute = build(explanandum(module))(images, EVERY)
    expected = (images[:, None] * module.weights.detach()).abs().sum(2)
    torch.testing.assert_close(absolute, expected, rtol=1e-5, atol=1e-5)


def test_smoothgrad_of_a_linear_model_is_its_weights_whatever_the_noise() -> None:
    module = Linear()
    maps = SmoothGrad(explanandum(module), steps=3, reduction="maximum")(pictures(), EVERY)
    torch.testing.assert_close(maps, module.weights.detach().abs().amax(1).expand(2, -1, -1, -1))


def test_gradient_shap_of_a_linear_model_without_noise_is_weight_times_image() -> None:
    module, images = Linear(), pictures()
    maps = GradientSHAP(explanandum(module), steps=5, noise=0, reduction="signed")(images, EVERY)
    expected = torch.einsum("nkhw,ckhw->nchw", images, module.weights.detach())
    torch.testing.assert_close(maps, expected, rtol=1e-5, atol=1e-5)


def test_integrated_gradients_of_squares_in_closed_form() -> None:
    images = pictures()
    # ∂/∂x x² = 2 x, on the way from 0: ∫ 2 t x dt · x = x².
    maps = IntegratedGradients(explanandum(Square()), steps=8, reduction="signed")(images, EVERY)
    squares = images.square().sum(1)
    torch.testing.assert_close(maps[:, 0, :4, :4], squares[:, :4, :4], rtol=1e-5, atol=1e-5)
    assert not maps[:, 0, 4:].any()
    torch.testing.assert_close(maps[:, 1, 4:], -squares[:, 4:], rtol=1e-5, atol=1e-5)


def test_the_noise_is_a_share_of_the_range_from_black_to_white() -> None:
    """E[∂/∂x x²] is 2 x whatever the noise; its spread over one copy is 2 · deviation."""
    # White is 4 above black where the standard deviation is a quarter.
    images = torch.zeros(2, 3, 8, 8)
    maps = SmoothGrad(explanandum(Square()), steps=1, noise=0.1, reduction="signed")(
        images, "a", torch.Generator().manual_seed(0)
    )
    spread = float((maps[:, 0, :4, :4] / 3**0.5).std())
    assert spread == pytest.approx(2 * 0.1 * 4, rel=0.3)


@pytest.mark.parametrize("build", [IntegratedGradients, SmoothGrad, GradientSHAP, DeepLIFT])
def test_planted_evidence(build: type) -> None:
    maps = build(explanandum(Square()))(pictures(), torch.tensor([[1, 0], [0, 0]]), torch.Generator().manual_seed(0))
    assert maps[0, 0, :4, :4].min() > 0
    assert not maps[0, 0, 4:].any()
    assert not maps[0, 0, :, 4:].any()
    assert not maps[0, 1].any()
    assert not maps[1].any()


@pytest.mark.parametrize("build", [IntegratedGradients, SmoothGrad, GradientSHAP])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_no_pass_is_larger_than_a_batch(build: type, batch_size: int) -> None:
    module = Linear()
    method = build(explanandum(module), steps=7, batch_size=batch_size)
    module.sizes.clear()
    method(pictures(), EVERY)
    # captum asks for the end points of integrated gradients nowhere.
    assert max(module.sizes) <= batch_size
    assert sum(module.sizes) >= 7 * 4


@pytest.mark.parametrize("build", [SmoothGrad, GradientSHAP])
def test_the_generator_decides(build: type) -> None:
    method = build(explanandum(Square()), steps=3)
    first, again, other = (method(pictures(), EVERY, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


class Net(nn.Module):
    def __init__(self, *, twice: bool) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)
        self.relu = nn.ReLU(inplace=True)
        self.other = self.relu if twice else nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.other(self.second(self.relu(self.first(images)))).mean((2, 3)))


def test_deeplift_accounts_for_the_whole_logit() -> None:
    torch.manual_seed(0)
    classifier, images = explanandum(Net(twice=False)), pictures()
    maps = DeepLIFT(classifier, reduction="signed")(images, EVERY)
    change = classifier(images) - classifier(torch.zeros_like(images))
    torch.testing.assert_close(maps.sum((2, 3)), change.detach(), rtol=1e-4, atol=1e-5)
    assert not any(name in vars(part) for part in classifier.modules() for name in ("input", "output", "input_ref"))


def test_deeplift_has_no_steps() -> None:
    with pytest.raises(InputError, match="steps=20: DeepLIFT takes one pass"):
        DeepLIFT(explanandum(Square()), steps=20)


def test_deeplift_says_what_it_cannot_take_apart_and_leaves_nothing_behind() -> None:
    torch.manual_seed(0)
    classifier = explanandum(Net(twice=True))
    with pytest.raises(InputError, match=r"more than once.*integrated_gradients"):
        DeepLIFT(classifier)(pictures(), EVERY)
    for part in classifier.modules():
        assert not any((part._forward_hooks, part._forward_pre_hooks, part._backward_hooks))
        assert not {"input", "output", "input_ref"} & set(vars(part))


def test_bad_settings_and_calls() -> None:
    classifier = explanandum(Square())
    with pytest.raises(InputError, match="steps=0"):
        IntegratedGradients(classifier, steps=0)
    with pytest.raises(InputError, match="batch_size=0"):
        DeepLIFT(classifier, batch_size=0)
    for build in (SmoothGrad, GradientSHAP):
        with pytest.raises(InputError, match="noise=-1"):
            build(classifier, noise=-1)
    with torch.inference_mode(), pytest.raises(InputError, match="inference_mode"):
        IntegratedGradients(classifier)(pictures(), EVERY)
