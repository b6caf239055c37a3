from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import quantus
import torch
from captum.attr import NoiseTunnel
from captum.attr import visualization as viz
from captum.metrics import infidelity, sensitivity_max
from PIL import Image
from pytorch_grad_cam.metrics.cam_mult_image import CamMultImageConfidenceChange
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, SemanticSegmentationTarget
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.deploy.adapters import captum_attribution, grad_cam_adapter, quantus_explain_func
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLASSES = ("left", "right")


class Halves(nn.Module):
    """Logits that are known: how bright the left half is, and how bright the right."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(8.0))

    def forward(self, images: Tensor) -> Tensor:
        left, right = images.chunk(2, dim=3)
        return self.gain * torch.stack([left.mean((1, 2, 3)), right.mean((1, 2, 3))], dim=1)


class Answers(nn.Module):
    """The right masks of ``Halves``; ``wrong`` exchanges them."""

    def __init__(self, wrong: bool = False) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([1, 0] if wrong else [0, 1]))

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.full((len(images), 2, *images.shape[-2:]), -6.0)
        maps[:, 0, :, :16], maps[:, 1, :, 16:] = 6.0, 6.0
        return maps[:, self.order]


def known(wrong: bool = False) -> Explainer:
    classifier = Explanandum(Halves(), classes=CLASSES, activation="softmax", preprocessing=PREPROCESSING)
    return Explainer(classifier, Answers(wrong)).eval()


@pytest.fixture
def explainer() -> Explainer:
    """A real network, so that its masks depend on the image."""
    torch.manual_seed(0)
    classifier = Explanandum(
        SmallResNet(2),
        classes=CLASSES,
        activation="softmax",
        preprocessing=PREPROCESSING,
        source=Source("explanans:small_resnet", {"num_classes": 2}),
    )
    made = Explainer(classifier, "compact")
    nn.init.normal_(made.network.head.weight, std=2.0)
    return made.eval()


def images() -> Tensor:
    """Bright on the left, and bright on the right, over a little noise."""
    made = 0.1 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    made[0, :, :, :16] += 1
    made[1, :, :, 16:] += 1
    return made


TARGET = torch.tensor([0, 1])


def brightness(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A change of each half by an amount of its own, so that masks are told apart by what they sum up."""
    amounts = torch.randn(len(inputs), 1, 1, 2, generator=torch.Generator().manual_seed(1))
    change = amounts.repeat_interleave(16, dim=3).expand(inputs.shape).contiguous()
    return change, inputs - change


def test_captums_infidelity_is_that_of_the_known_answer() -> None:
    right, wrong = known(), known(wrong=True)
    scores = [
        infidelity(
            right.explanandum,
            brightness,
            images(),
            each.attribute(images(), TARGET),
            target=TARGET,
            n_perturb_samples=20,
            normalize=True,
        ).detach()
        for each in (right, wrong)
    ]
    # A change of a half changes its logit in proportion, which the right mask foretells but for its floor σ(−6).
    assert (scores[0] < 1e-2 * scores[1]).all()


def test_captums_sensitivity_is_zero_for_masks_that_never_change(explainer: Explainer) -> None:
    torch.manual_seed(0)
    still = known()
    assert sensitivity_max(still.attribute, images(), target=TARGET).tolist() == [0, 0]
    moved = sensitivity_max(explainer.attribute, images(), target=TARGET, perturb_radius=0.2)
    assert moved.shape == (2,)
    assert (moved > 0).all()


def test_attribute_takes_captums_tuples(explainer: Explainer) -> None:
    (attributions,) = explainer.attribute((images(),), TARGET)
    assert torch.equal(attributions, explainer.attribute(images(), TARGET))
    with pytest.raises(InputError, match="inputs are 2 tensors"):
        explainer.attribute((images(), images()), TARGET)  # type: ignore[arg-type]


def test_captum_draws_the_mask() -> None:
    picture = PREPROCESSING.denormalise(images())[0].permute(1, 2, 0).numpy()
    mask = known().attribute(images(), TARGET)[0, :1].permute(1, 2, 0).numpy()
    figure, axes = viz.visualize_image_attr(mask, picture, method="heat_map", sign="positive", use_pyplot=False)
    shown = axes.get_images()[0].get_array()
    assert (shown[:, :16] > 0.9).all()
    assert (shown[:, 16:] < 0.1).all()
    matplotlib.pyplot.close(figure)


def test_captums_noise_tunnel_averages_masks(explainer: Explainer) -> None:
    torch.manual_seed(3)
    tunnel = NoiseTunnel(captum_attribution(explainer))
    averaged = tunnel.attribute(images(), target=TARGET, nt_type="smoothgrad", nt_samples=3, stdevs=0.2)
    torch.manual_seed(3)
    noisy = torch.normal(images().repeat_interleave(3, dim=0), 0.2)
    expected = explainer.attribute(noisy, TARGET.repeat_interleave(3)).reshape(2, 3, 3, 32, 32).mean(1)
    torch.testing.assert_close(averaged, expected, atol=1e-5, rtol=1e-4)


def call(explainer: Explainer, **more: Any) -> dict[str, Any]:
    return {
        "model": explainer.explanandum.module,
        "x_batch": images().numpy(),
        "y_batch": TARGET.numpy(),
        "a_batch": None,
        "explain_func": quantus_explain_func(explainer),
        "device": "cpu",
        **more,
    }


def test_quantus_gets_the_masks(explainer: Explainer) -> None:
    maps = quantus_explain_func(explainer)(explainer.explanandum.module, images().numpy(), TARGET.numpy(), device="cpu")
    assert maps.shape == (2, 1, 32, 32)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps, explainer.attribute(images(), TARGET)[:, :1].numpy())
    # A wrapper of the same weights, and no targets.
    wrapped = nn.Sequential(explainer.explanandum.module, nn.Softmax(1))
    best = explainer.explanandum(images()).argmax(1)
    assert quantus_explain_func(explainer)(wrapped, images().numpy()).tolist() == (
        explainer.attribute(images(), best)[:, :1].tolist()
    )


def test_quantus_scores_the_known_answer() -> None:
    right, wrong = known(), known(wrong=True)
    objects = np.zeros((2, 1, 32, 32), bool)
    objects[0, ..., :16] = objects[1, ..., 16:] = True
    pointing = quantus.PointingGame(disable_warnings=True)
    assert pointing(**call(right, s_batch=objects)) == [True, True]
    assert pointing(**call(wrong, s_batch=objects)) == [False, False]
    still = quantus.MaxSensitivity(nr_samples=3, disable_warnings=True)
    assert still(**call(right)) == pytest.approx([0, 0], abs=1e-6)
    flipping = quantus.PixelFlipping(features_in_step=128, perturb_baseline="black", disable_warnings=True)
    # The half that counts goes first: what is left of the class sinks at once.
    curves = [np.array(flipping(**call(each))).mean(1) for each in (right, wrong)]
    assert (curves[0] < curves[1]).all()


def test_quantus_is_refused_another_model(explainer: Explainer) -> None:
    explain = quantus_explain_func(explainer)
    torch.manual_seed(9)
    with pytest.raises(InputError, match="model: has other weights"):
        explain(SmallResNet(2), images().numpy(), TARGET.numpy())
    with pytest.raises(InputError, match="model is a str"):
        explain("resnet", images().numpy(), TARGET.numpy())
    with pytest.raises(InputError, match="targets has 1 entries for 2 images"):
        explain(explainer.explanandum.module, images().numpy(), TARGET.numpy()[:1])
    with pytest.raises(InputError, match=r"inputs have the shape \(3, 32, 32\)"):
        explain(explainer.explanandum.module, images()[0].numpy(), TARGET.numpy())


def test_pytorch_grad_cam_gets_the_masks(explainer: Explainer) -> None:
    expected = explainer.attribute(images(), TARGET)[:, 0].numpy()
    with grad_cam_adapter(explainer) as cam:
        for targets in ([ClassifierOutputTarget(0), ClassifierOutputTarget(1)], [0, 1], ["left", "right"], TARGET):
            maps = cam(input_tensor=images(), targets=targets)
            assert maps.shape == (2, 32, 32)
            np.testing.assert_array_equal(maps, expected)
        best = explainer.explanandum(images()).argmax(1)
        np.testing.assert_array_equal(cam(images()), explainer.attribute(images(), best)[:, 0].numpy())


def test_pytorch_grad_cam_scores_the_known_answer() -> None:
    right, wrong = known(), known(wrong=True)
    targets = [ClassifierOutputTarget(0), ClassifierOutputTarget(1)]
    cams = [grad_cam_adapter(each)(images(), targets) for each in (right, wrong)]
    change = CamMultImageConfidenceChange()
    kept = [change(images(), each, targets, right.explanandum) for each in cams]
    assert (kept[0] > kept[1]).all()
    road = ROADCombined(percentiles=[25, 50, 75])
    scores = [road(images(), each, targets, right.explanandum) for each in cams]
    assert (scores[0] > 0).all()
    assert (scores[1] < 0).all()
    picture = PREPROCESSING.denormalise(images())[0].permute(1, 2, 0).numpy()
    drawn = show_cam_on_image(picture, cams[0][0], use_rgb=True)
    assert drawn.shape == (32, 32, 3)
    # The colour map is red where the mask is.
    assert (drawn[:, :16, 0] > drawn[:, :16, 2]).all()
    assert (drawn[:, 16:, 0] < drawn[:, 16:, 2]).all()


def test_pytorch_grad_cams_targets_are_checked(explainer: Explainer) -> None:
    cam = grad_cam_adapter(explainer)
    with pytest.raises(InputError, match="targets has 1 entries for 2 images"):
        cam(images(), [0])
    with pytest.raises(InputError, match="target: index 7 is outside"):
        cam(images(), [0, 7])
    with pytest.raises(InputError, match="a function names no class"):
        cam(images(), [lambda output: output[0], 1])
    with pytest.raises(InputError, match="aug_smooth"):
        cam(images(), [0, 1], aug_smooth=True)
    segmentation = SemanticSegmentationTarget(1, np.ones((32, 32), np.float32))
    np.testing.assert_array_equal(cam(images(), [segmentation] * 2), cam(images(), [1, 1]))


def test_the_documented_snippets_run(
    explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("Agg")
    text = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(snippets) == 4
    explainer.save_pretrained(tmp_path / "dog-explainer")
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(0)
    for number in (1, 2):
        pixels = generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.jpg")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for snippet in snippets:
        exec(compile(snippet, "docs/adapters.md", "exec"), names)
    assert names["averaged"].shape == names["images"].shape
    with Image.open("captum.png") as first, Image.open("grad_cam.png") as second:
        assert first.size[0] > 0
        assert second.size == (32, 32)
    assert len(capsys.readouterr().out.splitlines()) >= 6
