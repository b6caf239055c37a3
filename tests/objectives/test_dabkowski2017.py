from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.objectives import make_objective
from explanans.objectives.dabkowski2017 import Dabkowski2017, draw_classes, log_probability, squared_variation
from explanans.ops.masking import BlurFill, NoiseFill, RandomFill, make_fill

pytestmark = pytest.mark.usefixtures("double")

CLASSES = ("a", "b", "c")
LABELS = torch.tensor([[1.0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 1]])
HEIGHT, WIDTH = 6, 5
PREPROCESSING = Preprocessing((HEIGHT, WIDTH), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Smooth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, len(CLASSES))
        )
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return 3 * self.layers(images)


def classifier(activation: str = "sigmoid") -> Explanandum:
    torch.manual_seed(0)
    return Explanandum(Smooth().double(), classes=CLASSES, activation=activation, preprocessing=PREPROCESSING)


def inputs(count: int = len(LABELS)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(count, 3, HEIGHT, WIDTH, generator=generator)
    return logits.requires_grad_(), torch.randn(count, 3, HEIGHT, WIDTH, generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def naive(settings: Dabkowski2017, logits: Tensor, images: Tensor, explained: Explanandum) -> dict[str, Tensor]:
    """The formula one image and one pixel at a time, over the mean colour; only the draw is shared."""
    drawn = draw_classes(LABELS, settings.absent_share, seeded())
    parts: dict[str, list[Tensor]] = {name: [] for name in ("tv", "area", "preserver", "destroyer")}
    for n, (c, label, absent) in enumerate(zip(*(each.tolist() for each in drawn[:3]), strict=True)):
        m = 1 / (1 + (-logits[n, c]).exp())
        variation = m.new_zeros(())
        for y in range(HEIGHT):
            for x in range(WIDTH):
                if x + 1 < WIDTH:
                    variation = variation + (m[y, x] - m[y, x + 1]) ** 2
                if y + 1 < HEIGHT:
                    variation = variation + (m[y, x] - m[y + 1, x]) ** 2
        keep = 1 - m if absent else m
        p = []
        for shown in (images[n] * keep, images[n] * (1 - keep)):
            z = explained.module(shown[None])[0]
            softmax = "softmax" in (settings.probability, explained.activation)
            p.append(z[label].exp() / z.exp().sum() if softmax else 1 / (1 + (-z[label]).exp()))
        some = LABELS[n].any()
        parts["tv"].append(settings.tv_weight * variation)
        parts["area"].append(settings.area_weight * m.mean())
        parts["preserver"].append(-settings.preserver_weight * p[0].log() * some)
        parts["destroyer"].append(settings.destroyer_weight * p[1] ** settings.destroyer_power * some)
    return {name: sum(values) / len(values) for name, values in parts.items()}


@pytest.mark.parametrize(
    ("settings", "activation"),
    [
        ({}, "sigmoid"),
        ({}, "softmax"),
        ({"probability": "softmax", "absent_share": 0.8}, "sigmoid"),
        ({"tv_weight": 0.1, "area_weight": 2.0, "preserver_weight": 0.3, "destroyer_power": 0.7}, "sigmoid"),
    ],
)
def test_terms_and_gradients_against_a_naive_loop(settings: dict, activation: str) -> None:
    objective, explained = Dabkowski2017(fill="mean", **settings), classifier(activation)
    logits, images = inputs()
    terms = objective(logits, images, LABELS, explained, 0.0, seeded())
    expected = naive(objective, logits, images, explained)
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name], atol=1e-10, rtol=0, msg=lambda text, name=name: name + text)
        (gradient,) = torch.autograd.grad(term, logits, retain_graph=True)
        (wanted,) = torch.autograd.grad(expected[name], logits, retain_graph=True)
        torch.testing.assert_close(gradient, wanted, atol=1e-10, rtol=0, msg=lambda text, name=name: name + text)
        assert gradient.abs().sum() > 0


def test_one_image_by_hand() -> None:
    class Red(nn.Module):
        """Both logits are the sum of the red channel."""

        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0].sum((1, 2))[:, None].expand(-1, 2)

    preprocessing = Preprocessing(2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explained = Explanandum(Red(), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing)
    mask = torch.tensor([[0.75, 0.5], [0.25, 0.5]])
    logits = torch.stack([mask, torch.full((2, 2), 0.9)])[None].logit()
    objective = Dabkowski2017(fill="mean", absent_share=0.0)
    terms = objective(logits, torch.ones(1, 3, 2, 2), torch.tensor([[1, 0]]), explained)
    # Kept and removed are both worth a logit of 2: σ(2) = 0.880797.
    p = 1 / (1 + math.exp(-2))
    assert float(terms["tv"]) == pytest.approx(10 * (0.25**2 + 0.25**2 + 0.5**2 + 0.0))
    assert float(terms["area"]) == pytest.approx(0.5)
    assert float(terms["preserver"]) == pytest.approx(-math.log(p))
    assert float(terms["destroyer"]) == pytest.approx(5 * p**0.3)


def test_variation_is_a_sum_that_hardly_knows_the_resolution() -> None:
    """At 224² a mean would be 50,176 times less. A ramp over half the width adds height / ramp at any size."""
    for side in (56, 224):
        ramp = ((torch.arange(side) - side / 4) / (side / 2)).clamp(0, 1).expand(side, side)
        assert float(squared_variation(ramp[None])) == pytest.approx(side / (side / 2), rel=0.01)
        assert float(squared_variation(ramp.T[None])) == pytest.approx(2, rel=0.01)
    edge = torch.zeros(2, 224, 224)
    edge[1, :, 100:] = 1
    assert squared_variation(edge).tolist() == [0, 224]
    assert squared_variation(torch.ones(1, 1, 1)).tolist() == [0]


def test_the_draw() -> None:
    labels = LABELS.repeat(500, 1)
    drawn = draw_classes(labels, Dabkowski2017().absent_share, seeded())
    rows = torch.arange(len(labels))
    kinds = rows % len(LABELS)
    assert torch.equal(labels[rows, drawn.mask] == 0, drawn.absent)
    assert labels[rows, drawn.label][drawn.labelled].all()
    assert torch.equal(drawn.labelled, kinds != 2)
    assert drawn.absent[kinds == 2].all()
    assert not drawn.absent[kinds == 3].any()
    ordinary = (kinds != 2) & (kinds != 3)
    assert float(drawn.absent[ordinary].double().mean()) == pytest.approx(0.3, abs=0.03)
    # Each of several labels, and each of several absent classes, has its turn.
    assert drawn.label[kinds == 1].unique().tolist() == [0, 2]
    assert drawn.mask[(kinds == 0) & drawn.absent].unique().tolist() == [1, 2]
    assert not draw_classes(labels, 0.0, seeded()).absent[kinds != 2].any()
    assert draw_classes(labels, 1.0, seeded()).absent[kinds != 3].all()


def test_the_empty_mask_of_an_absent_class_costs_least() -> None:
    """All of one image's red pixels are the evidence for class a; the mask of class b must not claim them."""

    class Red(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([4 * images[:, 0].mean((1, 2)) - 2, -4 + 0 * images[:, 0].mean((1, 2))], 1)

    explained = Explanandum(Red(), classes=["a", "b"], activation="sigmoid", preprocessing=PREPROCESSING)
    image = torch.ones(1, 3, HEIGHT, WIDTH)

    def loss(value: float) -> float:
        logits = torch.full((1, 2, HEIGHT, WIDTH), value)
        objective = Dabkowski2017(fill="mean", absent_share=1.0)
        return float(sum(objective(logits, image, torch.tensor([[1, 0]]), explained).values()))

    assert loss(-10) < loss(-1) < loss(1) < loss(10)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_certain_answers_have_finite_gradients(activation: str) -> None:
    logits = torch.tensor([[-1e4, 1e4], [1e4, -1e4], [0.0, 0.0]], requires_grad=True)
    log_p = log_probability(logits, torch.tensor([0, 0, 0]), activation)
    powered = (0.3 * log_p).exp()
    (gradient,) = torch.autograd.grad(powered.sum() - log_p.sum(), logits)
    assert powered.isfinite().all()
    assert gradient.isfinite().all()
    assert powered[:2].tolist() == [0, 1]


def test_the_default_fill_is_a_blur_of_sigma_10_or_a_colour_with_noise_of_0_11() -> None:
    fill = make_fill(Dabkowski2017().fill, PREPROCESSING)
    assert isinstance(fill, RandomFill)
    blur, noise = fill.fills
    assert isinstance(blur, BlurFill)
    assert blur.sigma * 224 == pytest.approx(10)
    assert isinstance(noise, NoiseFill)
    assert noise.std == 0.11


def test_the_generator_decides_everything_and_the_classifier_is_asked_once() -> None:
    explained = classifier()
    logits, images = inputs()
    explained.module.calls = 0
    first, again, other = (
        Dabkowski2017()(logits, images, LABELS, explained, 0.0, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert explained.module.calls == 3
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_images_without_a_label_only_ask_for_a_small_mask() -> None:
    logits, images = inputs()
    terms = Dabkowski2017()(logits, images, torch.zeros_like(LABELS), classifier(), 0.0, seeded())
    assert terms["preserver"].item() == terms["destroyer"].item() == 0
    assert terms["area"].item() > 0
    (gradient,) = torch.autograd.grad(sum(terms.values()), logits)
    assert gradient.isfinite().all()


def test_a_coarse_head_is_enlarged_before_the_sigmoid() -> None:
    logits, images = inputs()
    coarse = logits.detach()[..., :3, :3]
    full = nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
    expected = Dabkowski2017()(full, images, LABELS, classifier(), 0.0, seeded())
    for name, term in Dabkowski2017()(coarse, images, LABELS, classifier(), 0.0, seeded()).items():
        torch.testing.assert_close(term, expected[name])


def test_a_few_steps_find_the_planted_evidence() -> None:
    """A classifier that looks at one corner; the mask is learned directly."""

    class Corner(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen = images[:, 0, :4, :4].mean((1, 2))
            return torch.stack([8 * seen - 4, -4 + 0 * seen], 1)

    preprocessing = Preprocessing(8, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    explained = Explanandum(Corner(), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing)
    image, labels = torch.ones(8, 3, 8, 8), torch.tensor([[1, 0]]).repeat(8, 1)
    logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    objective, generator, losses = Dabkowski2017(tv_weight=0.01, fill="mean"), seeded(), []
    for _ in range(60):
        loss = sum(objective(logits.expand(8, -1, -1, -1), image, labels, explained, 0.0, generator).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    masks = logits.detach().sigmoid()[0]
    assert losses[-1] < losses[0] / 2
    assert masks[0, :4, :4].min() > 0.8
    assert masks[0, 5:].max() < 0.2
    assert masks[1].max() < 0.2


def test_bad_settings_are_named() -> None:
    with pytest.raises(InputError, match=r"probability='logit'.*classifier.*sigmoid.*softmax"):
        Dabkowski2017(probability="logit")
    with pytest.raises(InputError, match="destroyer_power=0"):
        Dabkowski2017(destroyer_power=0)
    for share in (1.5, -0.1):
        with pytest.raises(InputError, match=f"absent_share={share}"):
            Dabkowski2017(absent_share=share)
    assert make_objective("dabkowski2017", tv_weight=0.0125) == Dabkowski2017(tv_weight=0.0125)
