from __future__ import annotations

import itertools
import math

import numpy
import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

pytest.importorskip("captum")

from explanans.methods.lime_and_kernel_shap import LIME, KernelSHAP, weighted_ridge
from explanans.methods.occlusion import Occlusion
from explanans.methods.shared.captum import Tape

CLASSES = ("a", "b", "c")


class Corners(nn.Module):
    """a: red in the upper left; b: blue in the lower right; c: minus red in the upper left. Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        first, second = images[:, 0, :8, :8].mean((1, 2)), images[:, 2, 8:, 8:].mean((1, 2))
        return torch.stack([4 * first, 2 * second, -first], 1)


def explanandum(module: nn.Module | None = None) -> Explanandum:
    preprocessing = Preprocessing(16, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module or Corners(), classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


def pictures() -> Tensor:
    """Four quarters of one colour each, so that superpixels are the quarters."""
    images = torch.full((2, 3, 16, 16), 0.5)
    images[:, :, :8, :8] = torch.tensor([1.0, -0.5, -0.5]).view(3, 1, 1)
    images[:, :, 8:, 8:] = torch.tensor([-0.5, -0.5, 1.0]).view(3, 1, 1)
    images[:, :, :8, 8:] = -0.8
    return images


SETTINGS = {Occlusion: {"window": 0.5, "stride": 0.25}, LIME: {"segments": 4, "samples": 60}}
SETTINGS[KernelSHAP] = SETTINGS[LIME]
METHODS = pytest.mark.parametrize("build", SETTINGS)


@METHODS
def test_planted_evidence(build: type) -> None:
    asked = torch.tensor([[1, 1, 1], [0, 1, 0]])
    maps = build(explanandum(), **SETTINGS[build])(pictures(), asked, torch.Generator().manual_seed(0))
    for map_, inside, outside in (
        (maps[0, 0], (slice(0, 8), slice(0, 8)), (slice(12, 16), slice(0, 16))),
        (maps[1, 1], (slice(8, 16), slice(8, 16)), (slice(0, 4), slice(0, 16))),
    ):
        assert map_[inside].min() > 0
        assert map_[outside].max() < map_[inside].min() / 10 + 1e-6
    # Evidence against a class is cut off, unless it is asked for.
    assert not maps[0, 2, :8, :8].any()
    assert not maps[1, 0].any()
    signed = build(explanandum(), **SETTINGS[build], reduction="signed")(pictures(), "c")
    assert signed[0, 2, :8, :8].max() < -0.01


@METHODS
def test_classes_share_the_forward_passes_and_no_pass_is_larger_than_a_batch(build: type) -> None:
    module = Corners()
    method = build(explanandum(module), **SETTINGS[build], batch_size=7)
    module.sizes.clear()
    one = method(pictures()[:1], "a", torch.Generator().manual_seed(0))
    alone = sum(module.sizes)
    assert max(module.sizes) <= 7
    module.sizes.clear()
    all_three = method(pictures()[:1], CLASSES, torch.Generator().manual_seed(0))
    assert sum(module.sizes) == alone
    torch.testing.assert_close(all_three[:, 0], one[:, 0])


@METHODS
def test_a_map_depends_neither_on_the_batch_nor_on_its_size(build: type) -> None:
    images, asked = pictures(), torch.ones(2, 3)
    images[1] += 0.1 * torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    whole = build(explanandum(), **SETTINGS[build], batch_size=32)(images, asked, torch.Generator().manual_seed(3))
    alone = build(explanandum(), **SETTINGS[build], batch_size=5)(
        images[1:], asked[1:], torch.Generator().manual_seed(3)
    )
    torch.testing.assert_close(whole[1:], alone, rtol=1e-4, atol=1e-5)


def test_occlusion_by_hand() -> None:
    """Squares of half the image, no overlap: each pixel has the fall of its own quarter."""
    maps = Occlusion(explanandum(), window=0.5, stride=0.5)(pictures(), ["a", "b"])
    expected = torch.zeros(2, 2, 16, 16)
    expected[:, 0, :8, :8] = 4 * 1.0
    expected[:, 1, 8:, 8:] = 2 * 1.0
    torch.testing.assert_close(maps[:, :2], expected)


@pytest.mark.parametrize(("size", "window", "stride"), [((16, 16), 0.3, 0.2), ((12, 20), 0.4, 0.15), ((9, 9), 1, 1)])
def test_occlusion_is_captums(size: tuple[int, int], window: float, stride: float) -> None:
    """Also where the last square reaches over the border."""
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    images = torch.randn(2, 3, *size)
    method = Occlusion(explanandum(module), window=window, stride=stride, reduction="signed", batch_size=5)
    side, step = method.pixels(*size)
    found = method.pairs(images, torch.tensor([[True, False, True], [False, True, False]]))
    for map_, (row, index) in zip(found, ((0, 0), (0, 2), (1, 1)), strict=True):
        expected = captum.Occlusion(module).attribute(
            images[row : row + 1], (3, side, side), (3, step, step), baselines=0, target=index
        )
        torch.testing.assert_close(map_, expected[0, 0], rtol=1e-4, atol=1e-5)


class Game(nn.Module):
    """A game of the four quarters that is not additive."""

    def forward(self, images: Tensor) -> Tensor:
        there = [images[:, 0, y : y + 8, x : x + 8].abs().mean((1, 2)) > 0 for y in (0, 8) for x in (0, 8)]
        first, second, third, fourth = (each.to(images.dtype) for each in there)
        return torch.stack([3 * first + 2 * second * third + first * fourth, fourth, 0 * first], 1)


def test_kernel_shap_finds_the_shapley_values() -> None:
    def value(present: set[int]) -> float:
        on = [float(index in present) for index in range(4)]
        return 3 * on[0] + 2 * on[1] * on[2] + on[0] * on[3]

    shapley = []
    for player in range(4):
        others = [index for index in range(4) if index != player]
        shapley.append(
            sum(
                math.factorial(size)
                * math.factorial(3 - size)
                / math.factorial(4)
                * (value({*chosen, player}) - value(set(chosen)))
                for size in range(4)
                for chosen in itertools.combinations(others, size)
            )
        )
    maps = KernelSHAP(explanandum(Game()), segments=4, samples=1500, reduction="signed")(
        pictures()[:1], "a", torch.Generator().manual_seed(0)
    )
    found = [float(maps[0, 0, y, x]) for y in (4, 12) for x in (4, 12)]
    assert found == pytest.approx(shapley, abs=0.1)
    assert sum(found) == pytest.approx(value({0, 1, 2, 3}), abs=1e-3)


def test_weighted_ridge_against_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    generator = numpy.random.default_rng(0)
    features, values = generator.integers(0, 2, (30, 5)).astype(float), generator.normal(size=30)
    weights = generator.uniform(size=30)
    for penalty, model in ((0.0, linear.LinearRegression()), (0.7, linear.Ridge(0.7))):
        expected = model.fit(features, values, sample_weight=weights).coef_
        found = weighted_ridge(*(torch.from_numpy(each) for each in (features, values, weights)), penalty)
        numpy.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_fewer_samples_than_superpixels_still_have_an_answer() -> None:
    found = weighted_ridge(torch.eye(2, 5), torch.tensor([1.0, 2.0]), torch.ones(2), 0.0)
    assert found.isfinite().all()


def test_a_picture_of_one_superpixel_has_nothing_to_compare() -> None:
    method = KernelSHAP(explanandum(), segments=2, samples=5)
    assert not method.attribute(Tape(explanandum()), pictures()[:1], 0, torch.zeros(1, 1, 16, 16).long()).any()


def test_a_tape_refuses_other_questions() -> None:
    tape = Tape(lambda images: images.sum((2, 3)))
    tape(torch.ones(2, 3, 4, 4))
    tape.rewind()
    with pytest.raises(RuntimeError, match="3 images where the first class had 2"):
        tape(torch.ones(3, 3, 4, 4))


def test_bad_settings_are_named() -> None:
    for build, settings, message in (
        (Occlusion, {"window": 0.1, "stride": 0.2}, r"window=0\.1, stride=0\.2"),
        (Occlusion, {"batch_size": 0}, "batch_size=0"),
        (LIME, {"samples": 1}, "samples=1"),
        (LIME, {"kernel": 0}, "kernel=0"),
        (KernelSHAP, {"segments": 1}, "segments=1"),
        (KernelSHAP, {"reduction": "none"}, "reduction='none'"),
    ):
        with pytest.raises(InputError, match=message):
            build(explanandum(), **settings)
