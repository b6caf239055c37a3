"""The libraries' own metrics and figures on an Explainer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explanans.adapters import GradCAMAdapter, quantus_explain_func
from explanans.errors import InputError
from explanans.explainer import Explainer
from explanans.explanandum import Explanandum
from explanans.preprocessing import Preprocessing

SIZE = 16


class Halves(nn.Module):
    """The logits of left and right: the mean brightness of each half."""

    def forward(self, images: Tensor) -> Tensor:
        left, right = images.mean(1).chunk(2, dim=2)
        return 4 * torch.stack([left.mean((1, 2)), right.mean((1, 2))], 1)


class HalfMasks(nn.Module):
    """Perfect masks for it, a little less sure at the border."""

    def forward(self, images: Tensor) -> Tensor:
        ramp = torch.linspace(6, -6, SIZE, dtype=images.dtype).expand(SIZE, SIZE)
        return torch.stack([ramp, -ramp])[None].expand(len(images), -1, -1, -1)


@pytest.fixture
def explainer() -> Explainer:
    preprocessing = Preprocessing(SIZE, (0.5,) * 3, (0.25,) * 3)
    classifier = Explanandum(Halves(), classes=("left", "right"), activation="softmax", preprocessing=preprocessing)
    return Explainer(classifier, HalfMasks()).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) + 0.5


class TestCaptum:
    def test_infidelity_and_sensitivity(self, explainer: Explainer, images: Tensor) -> None:
        metrics = pytest.importorskip("captum.metrics", reason="needs the extra captum")
        target = torch.tensor([0, 1, 0, 1])

        def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
            noise = 0.1 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
            return noise, inputs - noise

        good = metrics.infidelity(
            explainer.explanandum, perturb, images, explainer.attribute(images, target), target=target
        )
        wrong = metrics.infidelity(
            explainer.explanandum, perturb, images, 10 * explainer.attribute(images, 1 - target), target=target
        )
        assert good.shape == (4,)
        assert (good < wrong).all()
        # These masks do not depend on the image, so nothing that is done to it moves them.
        sensitivity = metrics.sensitivity_max(explainer.attribute, images, target=target)
        assert torch.equal(sensitivity, torch.zeros(4))
        (one,) = explainer.attribute((images,), target)
        assert torch.equal(one, explainer.attribute(images, target))
        with pytest.raises(InputError, match="a tuple of 2"):
            explainer.attribute((images, images), target)

    def test_visualize_image_attr(self, explainer: Explainer, images: Tensor) -> None:
        viz = pytest.importorskip("captum.attr", reason="needs the extra captum").visualization
        attribution = explainer.attribute(images[:1], "left")[0].permute(1, 2, 0).numpy()
        figure, axis = viz.visualize_image_attr(
            attribution, explainer.explanandum.preprocessing.denormalise(images[0]).permute(1, 2, 0).numpy(),
            method="blended_heat_map", sign="positive", use_pyplot=False,
        )  # fmt: skip
        shown = axis.images[-1].get_array()
        assert shown.shape[:2] == (SIZE, SIZE)
        assert shown[:, : SIZE // 2].mean() > shown[:, SIZE // 2 :].mean()
        assert figure is axis.figure


class TestQuantus:
    def test_two_of_its_metrics(self, explainer: Explainer, images: Tensor) -> None:
        quantus = pytest.importorskip("quantus", reason="needs quantus")
        labels = np.array([0, 1, 0, 1])
        segments = np.zeros((4, 1, SIZE, SIZE), bool)
        for n, label in enumerate(labels):
            segments[n, 0, :, label * SIZE // 2 : (label + 1) * SIZE // 2] = True
        common = {"explain_func": quantus_explain_func(explainer), "explain_func_kwargs": {}, "device": "cpu"}
        given = {"model": explainer.explanandum, "x_batch": images.numpy(), "y_batch": labels, **common}
        pointing = quantus.PointingGame(disable_warnings=True, display_progressbar=False)
        assert pointing(s_batch=segments, a_batch=None, **given) == [True] * 4
        stable = quantus.MaxSensitivity(nr_samples=3, disable_warnings=True, display_progressbar=False)
        assert np.allclose(stable(a_batch=None, **given), 0, atol=1e-6)

    def test_shape_and_values(self, explainer: Explainer, images: Tensor) -> None:
        explain = quantus_explain_func(explainer)
        masks = explain(explainer.explanandum, images.numpy(), np.array([0, 1, 1, 0]))
        assert masks.shape == (4, 1, SIZE, SIZE)
        with torch.no_grad():
            assert np.allclose(masks[1, 0], explainer(images)[1, 1].numpy())

    def test_another_model_is_refused(self, explainer: Explainer, images: Tensor) -> None:
        with pytest.raises(InputError, match="not the classifier"):
            quantus_explain_func(explainer)(nn.Identity(), images.numpy(), np.zeros(4))


class TestGradCAM:
    def test_its_call_its_metric_and_its_figure(self, explainer: Explainer, images: Tensor) -> None:
        pytest.importorskip("pytorch_grad_cam", reason="needs grad-cam")
        from pytorch_grad_cam.metrics.cam_mult_image import CamMultImageConfidenceChange
        from pytorch_grad_cam.utils.image import show_cam_on_image
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget, ClassifierOutputTarget

        with GradCAMAdapter(explainer) as cam:
            maps = cam(input_tensor=images, targets=[ClassifierOutputTarget(n % 2) for n in range(4)])
        assert maps.shape == (4, SIZE, SIZE)
        with torch.no_grad():
            expected = explainer(images)
        for n in range(4):
            assert np.allclose(maps[n], expected[n, n % 2].numpy())
        targets = [ClassifierOutputSoftmaxTarget(n % 2) for n in range(4)]
        own = CamMultImageConfidenceChange()(images, maps, targets, explainer.explanandum)
        other = CamMultImageConfidenceChange()(images, 1 - maps, targets, explainer.explanandum)
        assert (own > other).all()
        picture = explainer.explanandum.preprocessing.denormalise(images[0]).permute(1, 2, 0).numpy()
        assert show_cam_on_image(picture, maps[0], use_rgb=True).shape == (SIZE, SIZE, 3)

    def test_targets(self, explainer: Explainer, images: Tensor) -> None:
        cam = GradCAMAdapter(explainer)
        assert np.array_equal(cam(images, ["right", 1, 0, "left"]), cam(images, [1, 1, 0, 0]))
        most = explainer.explanandum(images).argmax(1).tolist()
        assert np.array_equal(cam(images), cam(images, most))
        with pytest.raises(InputError, match="2 for 4 images"):
            cam(images, [0, 1])
        with pytest.raises(InputError, match="aug_smooth"):
            cam(images, [0] * 4, aug_smooth=True)
        with pytest.raises(InputError, match="up"):
            cam(images, ["up"] * 4)
