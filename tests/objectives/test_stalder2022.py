from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.objectives import make_objective
from explanans.objectives.stalder2022 import Stalder2022, area_bound

# Grey images of the same dtype as the classifier, which checks itself on one.
pytestmark = pytest.mark.usefixtures("double")

CLASSES = ("a", "b", "c")
LABELS = torch.tensor([[1.0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1]])
HEIGHT, WIDTH = 6, 5


class Smooth(nn.Module):
    """Infinitely differentiable, and counts how often it is asked."""

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
    preprocessing = Preprocessing((HEIGHT, WIDTH), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(Smooth().double(), classes=CLASSES, activation=activation, preprocessing=preprocessing)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(4, 3, HEIGHT, WIDTH, generator=generator)
    images = torch.randn(4, 3, HEIGHT, WIDTH, generator=generator)
    return logits.requires_grad_(), images


def naive_bound(mask: Tensor, low: float, high: float) -> Tensor:
    values = mask.flatten().sort(descending=True).values
    count, total = len(values), values.new_zeros(())
    for rank, value in enumerate(values, start=1):
        if rank <= low * count:
            total = total + 1 - value
        if rank > high * count:
            total = total + value
    return total / count


def naive_variation(mask: Tensor) -> Tensor:
    height, width = mask.shape
    right = [(mask[y, x + 1] - mask[y, x]).abs() for y in range(height) for x in range(width - 1)]
    down = [(mask[y + 1, x] - mask[y, x]).abs() for y in range(height - 1) for x in range(width)]
    return sum(right) / len(right) + sum(down) / len(down)


def naive(settings: Stalder2022, logits: Tensor, images: Tensor, labels: Tensor, explained: Explanandum) -> dict:
    """The formulas of the paper, one image and one class at a time."""
    empty = torch.zeros(images.shape[-2:])
    parts: dict[str, list[Tensor]] = {name: [] for name in ("c", "e", "b", "m", "n", "tv")}
    for picture, own, wanted in zip(images, logits, labels, strict=True):
        masks = 1 / (1 + (-own).exp())
        m, n, bounds = empty, empty, []
        for mask, label in zip(masks, wanted, strict=True):
            if label:
                m = torch.maximum(m, mask)
                bounds.append(naive_bound(mask, settings.minimum_area, settings.maximum_area))
            else:
                n = torch.maximum(n, mask)
        z = explained.module(picture[None] * m)[0]
        if explained.activation == "sigmoid":
            p = 1 / (1 + (-z).exp())
            parts["c"].append(-(wanted * p.log() + (1 - wanted) * (1 - p).log()).mean())
        else:
            p = z.exp() / z.exp().sum()
            parts["c"].append(-(wanted * p.log()).sum() / max(1, int(wanted.sum())))
        z = explained.module(picture[None] * (1 - m))[0]
        p = z.exp() / z.exp().sum()
        parts["e"].append(sum(each * each.log() for each in p) / len(p))
        parts["b"].append(sum(bounds) / len(bounds) if bounds else empty.sum())
        parts["m"].append(m.mean())
        parts["n"].append(n.mean())
        parts["tv"].append(naive_variation(m) + naive_variation(n))
    means = {name: torch.stack(values).mean() for name, values in parts.items()}
    return {
        "classification": means["c"],
        "entropy": settings.entropy_weight * means["e"],
        "area_bound": settings.bound_weight * means["b"],
        "area_target": settings.target_weight * means["m"],
        "area_non_target": settings.non_target_weight * means["n"],
        "tv": settings.tv_weight * means["tv"],
    }


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize(
    "settings",
    [Stalder2022(), Stalder2022(3.0, 0.05, 0.8, 0.01, 0.03, minimum_area=0.2, maximum_area=0.55)],
    ids=["defaults", "others"],
)
def test_terms_and_gradients_against_a_naive_loop(settings: Stalder2022, activation: str) -> None:
    explained = classifier(activation)
    logits, images = inputs()
    terms, expected = settings(logits, images, LABELS, explained), naive(settings, logits, images, LABELS, explained)
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name], atol=1e-10, rtol=0, msg=lambda text, name=name: name + text)
        (gradient,) = torch.autograd.grad(term, logits, retain_graph=True)
        (wanted,) = torch.autograd.grad(expected[name], logits, retain_graph=True)
        torch.testing.assert_close(gradient, wanted, atol=1e-10, rtol=0, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize(
    ("ignorance", "activation"),
    [("softmax", "sigmoid"), ("sigmoid", "sigmoid"), ("absent", "sigmoid"), ("softmax", "softmax")],
)
def test_the_whole_objective_has_the_right_gradient(ignorance: str, activation: str) -> None:
    explained, settings = classifier(activation), Stalder2022(ignorance=ignorance)
    logits, images = inputs()

    def loss(logits: Tensor) -> Tensor:
        return sum(settings(logits, images, LABELS, explained).values())

    # One direction of all 360 logits at once; taken one by one they are compared above.
    assert torch.autograd.gradcheck(loss, logits, fast_mode=True)


def test_area_bound_has_the_right_gradient() -> None:
    masks = torch.rand(4, 3, 4, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: area_bound(s, LABELS, 0.1, 0.4), masks)


def test_area_bound_by_hand() -> None:
    mask = torch.tensor([[[[0.9, 0.6], [0.1, 0.3]]]])
    # Sorted 0.9, 0.6, 0.3, 0.1; a·HW = 1, b·HW = 2: (1 − 0.9 + 0.3 + 0.1) / 4.
    assert float(area_bound(mask, torch.ones(1, 1), 0.25, 0.5)) == pytest.approx(0.5 / 4)
    assert float(area_bound(mask, torch.ones(1, 1), 0.0, 1.0)) == pytest.approx(0)
    assert float(area_bound(mask, torch.ones(1, 1), 1.0, 1.0)) == pytest.approx((4 - 1.9) / 4)
    assert float(area_bound(mask, torch.ones(1, 1), 0.0, 0.0)) == pytest.approx(1.9 / 4)


def test_area_bound_counts_the_pixels_that_a_share_means() -> None:
    """0.29 · 100 is 28.999… in floating point, and 29 pixels in the formula."""
    mask = torch.zeros(1, 1, 10, 10)
    mask.view(-1)[:29] = 1
    assert float(area_bound(mask, torch.ones(1, 1), 0.29, 0.29)) == pytest.approx(0)
    # An empty mask lacks all 29.
    assert float(area_bound(0 * mask, torch.ones(1, 1), 0.29, 0.29)) == pytest.approx(0.29)


def test_area_bound_looks_at_present_classes_only() -> None:
    masks = torch.rand(2, 3, 4, 5)
    labels = torch.tensor([[0, 1, 0], [0, 1, 1]])
    changed = masks.clone()
    changed[0, [0, 2]] = changed[1, 0] = 0.123
    assert float(area_bound(masks, labels)) == float(area_bound(changed, labels))
    assert float(area_bound(masks, torch.zeros(2, 3))) == 0


@pytest.mark.parametrize("copies", [2, 5])
def test_area_terms_depend_on_neither_classes_nor_labels(copies: int) -> None:
    logits, images = inputs()
    many, labels = logits.repeat(1, copies, 1, 1), LABELS.repeat(1, copies)
    torch.testing.assert_close(area_bound(many.sigmoid(), labels), area_bound(logits.sigmoid(), LABELS))

    class Cheap(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean((1, 2, 3))[:, None].expand(-1, len(CLASSES) * copies)

    explained = Explanandum(
        Cheap(),
        classes=[f"{index}" for index in range(3 * copies)],
        activation="sigmoid",
        preprocessing=classifier().preprocessing,
    )
    once, again = Stalder2022()(logits, images, LABELS, classifier()), Stalder2022()(many, images, labels, explained)
    for name in ("area_bound", "area_target", "area_non_target", "tv"):
        torch.testing.assert_close(again[name], once[name])


def test_two_by_two_by_hand() -> None:
    """One image, two classes, labels (1, 0), a classifier that answers the mean of the red channel for both."""

    class Red(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0].mean((1, 2))[:, None].expand(-1, 2)

    preprocessing = Preprocessing(2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explained = Explanandum(Red(), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing)
    m = torch.tensor([[0.75, 0.5], [0.25, 0.5]])
    n = torch.full((2, 2), 0.5)
    settings = Stalder2022(minimum_area=0.25, maximum_area=0.5)
    terms = settings(torch.stack([m, n])[None].logit(), 4 * torch.ones(1, 3, 2, 2), torch.tensor([[1, 0]]), explained)
    kept = 4 * 0.5
    wanted = (math.log1p(math.exp(-kept)) + math.log1p(math.exp(kept))) / 2
    assert float(terms["classification"]) == pytest.approx(wanted)
    assert float(terms["entropy"]) == pytest.approx(math.log(0.5) / 2)
    assert float(terms["area_bound"]) == pytest.approx((0.25 + 0.5 + 0.25) / 4)
    assert float(terms["area_target"]) == pytest.approx(0.1 * 0.5)
    assert float(terms["area_non_target"]) == pytest.approx(0.3 * 0.5)
    assert float(terms["tv"]) == pytest.approx((0.25 + 0.25) / 2 + (0.5 + 0.0) / 2)


def test_single_label_by_hand() -> None:
    """One image, two classes, label (0, 1), a softmax whose logits are the mean red and twice the mean red."""

    class Reds(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            red = images[:, 0].mean((1, 2))
            return torch.stack([red, 2 * red], 1)

    preprocessing = Preprocessing(2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explained = Explanandum(Reds(), classes=["a", "b"], activation="softmax", preprocessing=preprocessing)
    masks = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[0.75, 0.75], [0.75, 0.75]]])
    logits = masks[None].logit().requires_grad_()
    terms = Stalder2022()(logits, 4 * torch.ones(1, 3, 2, 2), torch.tensor([[0, 1]]), explained)
    # Through the mask of b the red is 3, so the logits are 3 and 6: −log p_b = log(1 + e^−3).
    assert float(terms["classification"].detach()) == pytest.approx(math.log1p(math.exp(-3)))
    # What it removes leaves a red of 1, logits 1 and 2: p = 1 / (1 + e) and e / (1 + e).
    p = 1 / (1 + math.e)
    assert float(terms["entropy"].detach()) == pytest.approx((p * math.log(p) + (1 - p) * math.log(1 - p)) / 2)
    # The loss falls by 1 − p_b for each unit that logit b gains on logit a; a pixel of the mask gives 4 / 4 of red, and
    # the sigmoid there has the slope 3 / 16.
    (gradient,) = torch.autograd.grad(terms["classification"], logits)
    slope = -1 / (1 + math.exp(3)) * 3 / 16
    torch.testing.assert_close(gradient[0], torch.stack([torch.zeros(2, 2), torch.full((2, 2), slope)]))


def test_the_defaults_are_the_papers_weights_by_hand() -> None:
    """A mask of twenty pixels, all 3/4: by default one pixel of them should be near 1, and six may be above 0."""

    class Red(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0].mean((1, 2))[:, None].expand(-1, 2)

    preprocessing = Preprocessing((4, 5), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explained = Explanandum(Red(), classes=["a", "b"], activation="sigmoid", preprocessing=preprocessing)
    logits = torch.tensor([3.0, 1 / 4]).log().view(1, 2, 1, 1).expand(1, 2, 4, 5)
    terms = Stalder2022()(logits, 4 * torch.ones(1, 3, 4, 5), torch.tensor([[1, 0]]), explained)
    assert float(terms["entropy"]) == pytest.approx(math.log(0.5) / 2)
    assert float(terms["area_bound"]) == pytest.approx((1 * 0.25 + 14 * 0.75) / 20)
    assert float(terms["area_target"]) == pytest.approx(0.1 * 0.75)
    assert float(terms["area_non_target"]) == pytest.approx(0.3 * 0.2)
    assert float(terms["tv"]) == 0


def test_images_with_no_and_with_every_label() -> None:
    logits, images = inputs()
    none = Stalder2022()(logits, images, torch.zeros(4, 3), classifier())
    assert none["area_bound"].item() == none["area_target"].item() == 0
    every = Stalder2022()(logits, images, torch.ones(4, 3), classifier())
    assert every["area_non_target"].item() == 0
    for terms in (none, every):
        (gradient,) = torch.autograd.grad(sum(terms.values()), logits, retain_graph=True)
        assert gradient.isfinite().all()


def test_the_classifier_is_asked_once_per_step() -> None:
    explained = classifier()
    logits, images = inputs()
    explained.module.calls = 0
    Stalder2022()(logits, images, LABELS, explained)
    assert explained.module.calls == 1


def test_a_coarse_head_is_enlarged_before_the_sigmoid() -> None:
    logits, images = inputs()
    coarse = logits.detach()[..., :3, :3]
    full = nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
    expected = Stalder2022()(full, images, LABELS, classifier())
    for name, term in Stalder2022()(coarse, images, LABELS, classifier()).items():
        torch.testing.assert_close(term, expected[name])


def test_the_fill_is_what_hidden_pixels_become() -> None:
    logits, images = inputs()
    hidden = torch.full_like(logits, -100)
    explained = classifier()
    black = explained.preprocessing.normalise(torch.zeros(4, 3, HEIGHT, WIDTH))
    expected = nn.functional.binary_cross_entropy_with_logits(explained(black), LABELS.double())
    terms = Stalder2022(fill="black")(hidden, images, LABELS, explained)
    torch.testing.assert_close(terms["classification"], expected)


def test_bad_settings_are_named() -> None:
    with pytest.raises(InputError, match=r"minimum_area=0.5.*maximum_area=0.3"):
        Stalder2022(minimum_area=0.5)
    for wrong in ({"minimum_area": -0.1}, {"maximum_area": 1.1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Stalder2022(**wrong)
    Stalder2022(minimum_area=0.0, maximum_area=0.0)
    Stalder2022(minimum_area=1.0, maximum_area=1.0)
    with pytest.raises(InputError, match=r"ignorance='entropy'.*softmax.*sigmoid.*absent"):
        Stalder2022(ignorance="entropy")
    with pytest.raises(InputError, match=r"objective='rise'.*stalder2022"):
        make_objective("rise")
    with pytest.raises(InputError, match=r"'lambda_e' is no option of it.*entropy_weight"):
        make_objective("stalder2022", lambda_e=1)
    assert make_objective("stalder2022", tv_weight=0.3) == Stalder2022(tv_weight=0.3)
