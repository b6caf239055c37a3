from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from explanans import Explanandum, InputError, Preprocessing
from explanans.methods.igos_pp import IGOSpp, _Rows, bilateral_variation, blurred, enlarge

SIZE = 32
PATCHES = ((slice(4, 12), slice(18, 26)), (slice(20, 28), slice(4, 12)))


class Patches(nn.Module):
    """Class 0 reads the red of one patch, class 1 the blue of another; remembers the size of what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []
        self.with_gradients: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.counts.append(len(images))
        self.with_gradients.append(images.requires_grad)
        (top, right), (bottom, left) = PATCHES
        patches = torch.stack([images[:, 0, top, right].mean((1, 2)), images[:, 2, bottom, left].mean((1, 2))], 1)
        return 16 * patches - 10


def patches() -> tuple[Explanandum, Patches]:
    module = Patches()
    classifier = Explanandum(
        module, classes=("red", "blue"), activation="sigmoid", preprocessing=Preprocessing(SIZE, (0, 0, 0), (1, 1, 1))
    )
    module.counts.clear()
    module.with_gradients.clear()
    return classifier, module


def picture() -> Tensor:
    image = torch.zeros(1, 3, SIZE, SIZE)
    for channel, (rows, columns) in zip((0, 2), PATCHES, strict=True):
        image[0, channel, rows, columns] = 1
    return image


def linear(weights: Tensor) -> Explanandum:
    """One class, whose logit is Σ w x."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 1, bias=False, dtype=torch.float64))
    module[1].weight.data = weights.reshape(1, -1).float()
    classifier = Explanandum(
        module,
        classes=["it"],
        activation="sigmoid",
        preprocessing=Preprocessing(tuple(weights.shape[-2:]), (0, 0, 0), (1, 1, 1)),
    )
    module[1].weight.data = weights.reshape(1, -1)
    return classifier


def test_integrated_gradient_of_a_linear_classifier_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, image, baseline = torch.randn(3, 3, 2, 4, dtype=torch.float64, generator=generator)
    masks = torch.rand(1, 3, 2, 4, dtype=torch.float64, generator=generator)
    steps = 5
    noise = torch.randn(steps, 3, 2, 4, dtype=torch.float64, generator=generator)
    igos = IGOSpp(linear(weights), steps=steps, batch_size=3)
    rows = _Rows(image[None], baseline[None], torch.tensor([0]))
    evidence, gradients = igos.integrate(rows, masks, noise, with_gradients=True)

    expected, slopes = 0.0, torch.zeros_like(masks)
    # (mask, what the mask keeps, what takes its place, sign): delete with D, insert with I, both with D·I.
    for mask, kept, fill, sign in [(0, image, baseline, 1), (1, baseline, image, -1),
                                   (2, image, baseline, 1), (2, baseline, image, -1)]:  # fmt: skip
        for step in range(1, steps + 1):
            share = step / steps
            seen = kept * share * masks[0, mask] + fill * (1 - share * masks[0, mask]) + noise[step - 1]
            probability = 1 / (1 + math.exp(-float((weights * seen).sum())))
            expected += sign * probability / steps
            # dp/dM = p (1 − p) · Σ over channels of w · s/S · (kept − fill), averaged over s.
            slope = probability * (1 - probability) * share * (weights * (kept - fill)).sum(0)
            slopes[0, mask] += sign * slope / steps
    torch.testing.assert_close(evidence, torch.tensor([expected], dtype=torch.float64))
    torch.testing.assert_close(gradients, slopes)
    without, none = igos.integrate(rows, masks, noise, with_gradients=False)
    torch.testing.assert_close(without, evidence)
    assert (none == 0).all()


def test_descent_is_half_the_evidence_and_the_whole_regularisation() -> None:
    classifier, _ = patches()
    igos = IGOSpp(classifier, size=8, steps=4)
    image = picture().double()
    rows = _Rows(image, blurred(image, 0.25), torch.tensor([0]))
    masks = torch.rand(1, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = torch.zeros(4, 3, SIZE, SIZE, dtype=torch.float64)
    losses, direction = igos._descent(rows, masks, noise)
    torch.testing.assert_close(losses, igos.loss(rows, masks, noise))
    regular = igos.regularisation(masks.prod(1), image)

    def weighed(masks: Tensor) -> float:
        part = igos.regularisation(masks.prod(1), image)
        return float((igos.loss(rows, masks, noise) - part) / 2 + part)

    assert regular > 0
    for place in [(0, 0, 2, 5), (0, 1, 6, 2), (0, 0, 0, 0)]:
        ahead, behind = masks.clone(), masks.clone()
        ahead[place] += 1e-5
        behind[place] -= 1e-5
        assert (weighed(ahead) - weighed(behind)) / 2e-5 == pytest.approx(float(direction[place]), abs=1e-7)


def test_bilateral_variation_by_hand() -> None:
    masks = torch.tensor([[[0.0, 1.0], [0.0, 0.5]]])
    # At the image's own resolution: down (0, 0.25), right (1, 0.25).
    flat = torch.zeros(1, 3, 2, 2)
    torch.testing.assert_close(bilateral_variation(masks, flat), torch.tensor([0.125 + 0.625]))
    edge = flat.clone()
    edge[0, :, :, 1] = 0.1
    # Pairs to the right lie across an edge: exp(−0.01 / 0.01) for the half at the image's resolution.
    expected = 0.5 * (0.125 + 0.625) + 0.5 * (0.125 + 0.625 * math.exp(-1))
    torch.testing.assert_close(bilateral_variation(masks, edge), torch.tensor([expected]))


def test_enlarging_puts_corners_on_corners() -> None:
    masks = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    torch.testing.assert_close(enlarge(masks, (3, 3)), torch.arange(7).unfold(0, 3, 2).float()[None, None] / 2)


def quick(classifier: Explanandum, **settings: object) -> IGOSpp:
    defaults = {"size": 8, "iterations": 6, "steps": 5, "window": 0.75}
    return IGOSpp(classifier, **{**defaults, **settings})  # type: ignore[arg-type]


def test_finds_planted_evidence() -> None:
    classifier, _ = patches()
    igos = quick(classifier, size=16)
    maps = igos(picture(), "red", torch.Generator().manual_seed(0))
    both = igos(picture().expand(2, -1, -1, -1), torch.tensor([[1, 1], [0, 1]]), torch.Generator().manual_seed(1))
    for own, mask in ((0, maps[0, 0]), (0, both[0, 0]), (1, both[0, 1]), (1, both[1, 1])):
        assert mask[PATCHES[own]].mean() > 0.9
        assert mask[PATCHES[1 - own]].mean() < 0.05
        assert mask.mean() < 0.4
    assert (both[1, 0] == 0).all()


def test_iterations_and_integration_steps_are_not_swapped() -> None:
    classifier, module = patches()
    quick(classifier, iterations=2, steps=7, batch_size=9)(picture(), ["red", "blue"])
    passes = [n for n, gradients in zip(module.counts, module.with_gradients, strict=True) if gradients]
    searched = [n for n, gradients in zip(module.counts, module.with_gradients, strict=True) if not gradients]
    # Four terms, seven steps, two classes, two iterations; and a search of 1 to 13 steps.
    assert sum(passes) == 4 * 7 * 2 * 2
    assert sum(searched) % (4 * 7) == 0
    assert 4 * 7 * 2 * 2 <= sum(searched) <= 13 * 4 * 7 * 2 * 2
    assert max(module.counts) == 9
    defaults = IGOSpp(classifier)
    assert (defaults.iterations, defaults.steps, defaults.size, defaults.l1, defaults.l2) == (15, 20, 28, 1, 20)


def test_explanations_do_not_depend_on_the_batch() -> None:
    classifier, module = patches()
    images = torch.cat([picture(), 0.9 * picture()])
    targets = torch.tensor([[1, 0], [1, 1]])
    maps = quick(classifier, iterations=3)(images, targets, torch.Generator().manual_seed(3))
    module.counts.clear()
    for batch_size in (1, 5):
        method = quick(classifier, iterations=3, batch_size=batch_size)
        alone = method(images[1:], "blue", torch.Generator().manual_seed(3))
        torch.testing.assert_close(alone[0, 1], maps[1, 1], atol=1e-4, rtol=0)
    assert max(module.counts) == 5
    other = quick(classifier, iterations=3)(images, targets, torch.Generator().manual_seed(4))
    assert not torch.equal(other, maps)


def test_the_step_gains_or_is_tiny() -> None:
    classifier, _ = patches()
    igos = quick(classifier)
    rows = _Rows(picture(), blurred(picture(), 0.75), torch.tensor([1]))
    noise = torch.zeros(5, 3, SIZE, SIZE)
    masks = torch.full((1, 2, 8, 8), 0.8)
    losses, direction = igos._descent(rows, masks, noise)
    length = igos._step(rows, masks, noise, losses, direction)
    assert length.shape == (1, 1, 1, 1)
    exponent = math.log(float(length) / 1000) / math.log(0.2)
    assert exponent == pytest.approx(round(exponent), abs=1e-3)
    assert igos.loss(rows, (masks - length * direction).clamp(0, 1), noise) < losses


def test_no_grad_and_inference_mode() -> None:
    classifier, _ = patches()
    method = quick(classifier, iterations=2, steps=2)
    maps = method(picture(), "red", torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(method(picture(), "red", torch.Generator().manual_seed(0)), maps)
    with torch.inference_mode(), pytest.raises(InputError, match="no_grad"):
        method(picture(), "red")
    with torch.inference_mode():
        image = picture()
    torch.testing.assert_close(method(image, "red", torch.Generator().manual_seed(0)), maps)
    assert method(picture().double(), "red").dtype == torch.float64


@pytest.mark.parametrize(
    ("setting", "value"), [("size", 0), ("iterations", 0), ("steps", 1.5), ("l1", -1.0), ("window", 2.0)]
)
def test_wrong_settings(setting: str, value: object) -> None:
    with pytest.raises(InputError, match=setting):
        quick(patches()[0], **{setting: value})
