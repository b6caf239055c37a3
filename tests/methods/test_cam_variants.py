from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.images.preprocessing import Preprocessing
from explanans.methods.cam_variants import GradCAMPlusPlus, LayerCAM, grad_cam_pp, layer_cam
from explanans.methods.grad_cam import GradCAM
from explanans.methods.score_cam import ScoreCAM

CLASSES = ("a", "b", "c")
EVERY = torch.ones(2, 3, dtype=torch.bool)


def explanandum(module: nn.Module, size: int = 32) -> Explanandum:
    preprocessing = Preprocessing(size, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


def small(scale: float = 1) -> Explanandum:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 8 * 8, 3),
    )
    module[-1].weight.data *= scale
    return explanandum(module)


def pictures() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def coarse(method: GradCAM, images: Tensor) -> Tensor:
    return method.coarse(images, EVERY).unflatten(0, (2, 3))


def stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low)


def test_formulas_by_hand() -> None:
    activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    gradients = torch.tensor([[[[1.0, -1.0]], [[2.0, 0.0]]]])
    # LayerCAM: 1·1 + 2·3 and 0.
    torch.testing.assert_close(layer_cam(activations, gradients), torch.tensor([[[7.0, 0.0]]]))
    # Channel 0: α = 1 / (2 + 3·1), w = 1/5. Channel 1: α = 4 / (8 + 3·8), w = 2/8; where g is 0 there is no α.
    expected = torch.tensor([[[1 / 5 * 1 + 1 / 4 * 3, 1 / 5 * 2]]])
    torch.testing.assert_close(grad_cam_pp(activations, gradients), expected)


def test_a_denominator_of_zero_has_no_say() -> None:
    # 2 g² + ΣA · g³ = 2 − 2 = 0.
    maps = grad_cam_pp(torch.full((1, 1, 1, 2), -1.0), torch.ones(1, 1, 1, 2))
    assert maps.tolist() == [[[0.0, 0.0]]]


@pytest.mark.parametrize(
    ("build", "theirs"), [(GradCAM, "GradCAM"), (GradCAMPlusPlus, "GradCAMPlusPlus"), (LayerCAM, "LayerCAM")]
)
def test_agrees_with_pytorch_grad_cam_up_to_its_stretching(build: Callable[..., GradCAM], theirs: str) -> None:
    library = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    # Large logits, beside which the 1e-6 that the library adds to Grad-CAM++'s denominator does not count.
    classifier = small(scale=1000)
    method = build(classifier)
    ours = coarse(method, pictures())
    reference = getattr(library, theirs)(classifier.module, [method.layer])
    classifier.module[0].weight.requires_grad_(True)
    for index in range(3):
        reference(pictures(), [targets.ClassifierOutputTarget(index)] * 2)
        activations = reference.activations_and_grads.activations[0].numpy()
        gradients = reference.activations_and_grads.gradients[0].numpy()
        cam = reference.get_cam_image(pictures(), method.layer, None, activations, gradients, False)
        expected = torch.from_numpy(cam).relu()
        assert expected.amax() > 0
        torch.testing.assert_close(stretched(ours[:, index]), stretched(expected), rtol=0, atol=1e-5)
    reference.activations_and_grads.release()


def test_score_cam_agrees_with_pytorch_grad_cam() -> None:
    library = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    classifier = small()
    method = ScoreCAM(classifier, batch_size=4)
    maps = method(pictures(), EVERY)
    reference = library.ScoreCAM(classifier.module, [method.layer])
    for index in range(3):
        reference(pictures(), [targets.ClassifierOutputTarget(index)] * 2)
        activations = reference.activations_and_grads.activations[0]
        wanted = [targets.ClassifierOutputTarget(index)] * 2
        weights = torch.from_numpy(reference.get_cam_weights(pictures(), None, wanted, activations.numpy(), None))
        cam = torch.einsum("nk,nkhw->nhw", weights, activations).relu()
        expected = functional.interpolate(cam[:, None], (32, 32), mode="bilinear")[:, 0]
        # Its masks are upsampled with other corners.
        torch.testing.assert_close(maps[:, index], expected, rtol=2e-2, atol=2e-2 * float(expected.amax()))
    reference.activations_and_grads.release()


class Corner(nn.Module):
    """Class a reads red in the upper left corner, class b blue; the features are the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        self.features.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images: Tensor) -> Tensor:
        seen = self.features(images)
        return 9 * torch.stack([seen[:, 0, :8, :8].mean((1, 2)), seen[:, 2].mean((1, 2)), 0 * seen.sum((1, 2, 3))], 1)


@pytest.mark.parametrize("build", [GradCAMPlusPlus, LayerCAM, ScoreCAM])
def test_planted_evidence(build: Callable[..., GradCAM]) -> None:
    images = torch.zeros(2, 3, 32, 32)
    images[:, 0, :8, :8] = 1
    images[:, 2, 20:, 20:] = 1
    maps = build(explanandum(Corner()))(images, torch.tensor([[1, 1, 0], [0, 1, 0]]))
    for index, inside, outside in (
        (0, maps[0, 0, :8, :8], maps[0, 0, :8, 8:]),
        (1, maps[1, 1, 20:, 20:], maps[1, 1, :8]),
    ):
        assert inside.min() > 0, index
        assert outside.max() < inside.min() / 2 + 1e-9, index
    assert (maps[1, 0] == 0).all()
    assert (maps[:, 2] == 0).all()


def test_score_cam_asks_once_for_all_classes_and_never_more_than_a_batch() -> None:
    class Counting(Corner):
        sizes: list[int]

        def forward(self, images: Tensor) -> Tensor:
            self.sizes = [*getattr(self, "sizes", []), len(images)]
            return super().forward(images)

    module = Counting()
    method = ScoreCAM(explanandum(module), batch_size=2)
    module.sizes = []
    method(torch.rand(2, 3, 32, 32), EVERY)
    assert module.sizes == [1, 2, 1] * 2
    few = ScoreCAM(explanandum(module), channels=1)
    module.sizes = []
    few(torch.rand(1, 3, 32, 32), "a")
    assert module.sizes == [1, 1]


@pytest.mark.parametrize("build", [GradCAMPlusPlus, LayerCAM, ScoreCAM])
def test_tokens_are_laid_out(build: Callable[..., GradCAM]) -> None:
    torch.manual_seed(0)
    module = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=3, depth=1, embed_dim=12, img_size=32
    )
    method = build(explanandum(module))
    assert method.layer_name == "blocks.0.norm1"
    assert method(pictures(), EVERY).amax() > 0
