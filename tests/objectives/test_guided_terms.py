"""What each term of the guided objective is worth: by hand, and against one image and one pixel at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.images.preprocessing import Preprocessing
from explanans.methods.spread_cam import SpreadCAM
from explanans.objectives.guided import Guided
from explanans.ops.masking import BlurFill, MeanFill, NoiseFill, RandomFill, make_fill

pytestmark = pytest.mark.usefixtures("double")

SIDE, GRID = 32, 8
LABELS = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 1, 1]])
# No two settings alike, so that none can stand in for another.
OTHERS = {
    "guide_weight": 1.3,
    "keep_weight": 0.7,
    "removal_weight": 1.9,
    "area_weight": 0.6,
    "absent_weight": 2.3,
    "edge_weight": 1.7,
    "decision_weight": 0.9,
    "own_share": 0.4,
    "scales": (3.0,),
    "sharpness": 5.0,
    "level": 0.3,
}


def classifier(activation: Activation = "sigmoid") -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(SmallResNet(3), classes=("a", "b", "c"), activation=activation, preprocessing=preprocessing)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(3, 3, GRID, GRID, generator=generator)
    # The second image has no label: any class may be drawn, and here all its masks are the same.
    logits[1] = logits[1, :1]
    # Faint, so that the weight of a step between neighbours is neither 0 nor 1.
    images = 0.3 * torch.randn(3, 3, SIDE, SIDE, generator=generator)
    return logits.requires_grad_(), images


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(terms: dict[str, Tensor], logits: Tensor) -> list[int | None]:
    """The class of each image, None for none, told by the masks that the area would shrink."""
    (gradient,) = torch.autograd.grad(terms["area"], logits, retain_graph=True)
    moved = gradient.abs().sum((2, 3)) > 0
    assert (moved.sum(1) <= 1).all()
    return [int(row.nonzero()[0]) if row.any() else None for row in moved]


def naive_edges(mask: Tensor, image: Tensor) -> float:
    """Mean over directions and reaches of the mean exp(−‖colours‖² / (2 · 0.3²)) · |step|."""
    colours = functional.avg_pool2d(image[None], SIDE // GRID)[0]
    sums = []
    for reach in (1, 2):
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            pairs = []
            for y in range(GRID - down):
                for x in range(max(0, -right), GRID - max(0, right)):
                    far = float(((colours[:, y, x] - colours[:, y + down, x + right]) ** 2).sum())
                    step = abs(float(mask[y, x] - mask[y + down, x + right]))
                    pairs.append(math.exp(-far / 0.18) * step)
            sums.append(sum(pairs) / len(pairs))
    return sum(sums) / 8


def naive(
    settings: Guided, logits: Tensor, images: Tensor, explained: Explanandum, classes: list[int | None]
) -> dict[str, float]:
    """The formulas, with the mean colour as fill and the masks themselves among the guide's seeds, which is finer."""
    guide, channels = SpreadCAM(explained, steps=2, refinements=5), logits.shape[1]
    parts = dict.fromkeys(("absent", "edges", "guide", "kept", "removed", "area", "decided"), 0.0)
    for image, maps, labels, c in zip(images, logits, LABELS.tolist(), classes, strict=True):
        for z, label in zip(maps, labels, strict=True):
            parts["absent"] -= 0.0 if label else float((1 - 1 / (1 + (-z).exp())).log().mean()) / channels
        z = maps[c or 0]
        large = functional.interpolate(z[None, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
        kept, removed = (explained.module((image * m)[None])[0].detach() for m in ((large > 0) * 1.0, large <= 0))
        if explained.activation == "sigmoid":
            parts["kept"] -= sum(
                float((answer if k == c else -answer).sigmoid().log()) / channels for k, answer in enumerate(kept)
            )
        if c is None:
            continue
        p = 1 / (1 + (-z).exp())
        asked = functional.one_hot(torch.tensor([c]), channels).bool()
        (fine,) = guide.at(
            image[None], asked, (2 * GRID, 2 * GRID), scale=settings.scales[0], seeds=p[None], share=settings.own_share
        )
        evidence = fine.view(GRID, 2, GRID, 2).mean((1, 3))
        assert evidence.std() > 0.1
        t = 1 / (1 + (-settings.sharpness * (evidence - settings.level)).exp())
        parts["guide"] -= float((t * p.log() + (1 - t) * (1 - p).log()).mean())
        parts["area"] += float(p.mean())
        parts["decided"] += float((4 * p * (1 - p)).mean())
        parts["edges"] += naive_edges(p, image)
        if explained.activation == "softmax":
            parts["kept"] -= float(kept.softmax(0)[c].log())
            parts["removed"] -= float((1 - removed.softmax(0)[c]).log())
        else:
            parts["removed"] -= float((1 - removed.sigmoid()[c]).log())
    weights = {
        "absent": settings.absent_weight,
        "edges": settings.edge_weight,
        "guide": settings.guide_weight,
        "kept": settings.keep_weight,
        "removed": settings.removal_weight,
        "area": settings.area_weight,
        "decided": settings.decision_weight,
    }
    return {name: weights[name] * value / len(images) for name, value in parts.items()}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("seed", [0, 1])
def test_terms_against_one_image_and_one_pixel_at_a_time(activation: Activation, seed: int) -> None:
    settings, explained = Guided(fill="mean", **OTHERS), classifier(activation)
    logits, images = inputs()
    terms = settings(logits, images, LABELS, explained, 1.0, seeded(seed))
    expected = naive(settings, logits.detach(), images, explained, drawn(terms, logits))
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        # The classifier's answers are read in single precision.
        precision = 1e-6 if name in ("kept", "removed") else 1e-12
        assert float(terms[name].detach()) == pytest.approx(value, rel=precision), name


class Reds(nn.Module):
    """Logits: the mean of the red channel, and its opposite."""

    def forward(self, images: Tensor) -> Tensor:
        red = images[:, 0].mean((1, 2))
        return torch.stack([red, -red], 1)


# σ of these logits: 3/4, 2/3, 1/4, 1/3; the first two pixels are kept.
MASK = torch.tensor([[3.0, 2.0], [1 / 3, 1 / 2]]).log()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_two_by_two_by_hand(activation: Activation) -> None:
    """One picture of two colours, two classes, of which it has the first; every weight is the default."""
    preprocessing = Preprocessing(2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    explained = Explanandum(Reds(), classes=("a", "b"), activation=activation, preprocessing=preprocessing)
    logits = torch.stack([MASK, torch.full((2, 2), math.log(4))])[None].requires_grad_()
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[8.0, 8.0], [8.3, 8.3]])
    settings = Guided(guide_weight=0.0, decision_weight=1.0, fill="mean")
    terms = settings(logits, image, torch.tensor([[1, 0]]), explained, 1.0)
    value = {name: float(term.detach()) for name, term in terms.items()}
    gradient = {name: torch.autograd.grad(term, logits, retain_graph=True)[0][0] for name, term in terms.items()}
    soft = torch.tensor([[3 / 4, 2 / 3], [1 / 4, 1 / 3]])
    slope = soft * (1 - soft)
    # 1 − σ(log 4) = 1/5, in one of two classes.
    assert value["absent"] == pytest.approx(3 * math.log(5) / 2)
    torch.testing.assert_close(gradient["absent"], torch.stack([torch.zeros(2, 2), torch.full((2, 2), 3 * 0.8 / 8)]))
    assert value["area"] == pytest.approx(0.03 * 0.5)
    torch.testing.assert_close(gradient["area"][0], 0.03 * slope / 4)
    assert value["decided"] == pytest.approx((3 / 4 + 8 / 9 + 3 / 4 + 8 / 9) / 4)
    torch.testing.assert_close(gradient["decided"][0], slope * (1 - 2 * soft))
    # Side by side the colours are alike; one above the other and across they differ by the contrast of 0.3.
    apart = math.exp(-1 / 2)
    right, down = (1 / 12 + 1 / 12) / 2, apart * (1 / 2 + 1 / 3) / 2
    assert value["edges"] == pytest.approx(0.3 * (right + down + apart * 5 / 12 + apart * 5 / 12) / 4)
    # Kept is a red of (8 + 8) / 4, removed one of (8.3 + 8.3) / 4.
    kept, removed = 4.0, 4.15
    if activation == "sigmoid":
        # Both classes are answered with the same certainty, σ(4) for a and σ(4) against b.
        wrong_kept, right_removed = 1 / (1 + math.exp(kept)), 1 / (1 + math.exp(-removed))
        surprise = math.log1p(math.exp(removed))
    else:
        # A softmax sees twice the difference; one class gains what the other loses.
        wrong_kept, right_removed = 2 / (1 + math.exp(2 * kept)), 2 / (1 + math.exp(-2 * removed))
        surprise = math.log1p(math.exp(2 * removed))
    doubt = math.log1p(math.exp(-kept if activation == "sigmoid" else -2 * kept))
    assert value["kept"] == pytest.approx(doubt, abs=1e-7)
    assert value["removed"] == pytest.approx(0.1 * surprise, abs=1e-7)
    # A pixel more of the mask is a quarter of its red more in what is kept, and as much less in what is removed.
    torch.testing.assert_close(gradient["kept"][0], -wrong_kept * image[0, 0] / 4 * slope, rtol=1e-4, atol=0)
    torch.testing.assert_close(
        gradient["removed"][0], -0.1 * right_removed * image[0, 0] / 4 * slope, rtol=1e-4, atol=0
    )
    for name in ("kept", "removed", "area", "decided", "edges"):
        assert not gradient[name][1].any(), name


def test_the_guide_pulls_towards_the_evidence_and_edges_smooth() -> None:
    """Down the slope the mask grows where the evidence is above the level and shrinks where it is below."""
    explained, (_, images) = classifier(), inputs()
    image, label = images[:1], LABELS[:1]
    logits = torch.zeros(1, 3, GRID, GRID, requires_grad=True)
    settings = Guided(sharpness=12.0, level=0.55, scales=(2.0,), fill="mean")
    # Before its own masks take part.
    guide = settings(logits, image, label, explained, 0.0, seeded())["guide"]
    (gradient,) = torch.autograd.grad(guide, logits)
    (evidence,) = SpreadCAM(explained, steps=2, refinements=10).at(image, label.bool(), (GRID, GRID), scale=2.0)
    target = (12 * (evidence - 0.55)).sigmoid()
    torch.testing.assert_close(gradient[0, 0], 2 * (0.5 - target) / GRID**2)
    assert torch.equal(gradient[0, 0] < 0, evidence > 0.55)
    bump = torch.zeros(1, 3, GRID, GRID)
    bump[0, 0, 3, 3] = 1
    (gradient,) = torch.autograd.grad(
        settings(bump.requires_grad_(), image, label, explained, 0.0, seeded())["edges"], bump
    )
    assert gradient[0, 0, 3, 3] > 0
    assert gradient.sum() - gradient[0, 0, 3, 3] < 0


@pytest.mark.parametrize(
    ("progress", "share", "finer", "refinements"), [(0.29, 0.0, 1, 10), (0.3, 0.75, 2, 5), (1.0, 0.75, 2, 5)]
)
def test_own_masks_take_part_in_the_guide_from_their_start_on(
    progress: float, share: float, finer: int, refinements: int
) -> None:
    """And such a guide is made at twice the resolution."""
    explained, (logits, images) = classifier(), inputs()
    made = Guided(start=2.0, scales=(2.0,))(logits[:1], images[:1], LABELS[:1], explained, progress, seeded())
    own = logits.detach()[0, 0]
    side = finer * GRID
    (fine,) = SpreadCAM(explained, steps=2, refinements=refinements).at(
        images[:1], LABELS[:1].bool(), (side, side), scale=2.0, seeds=own[None].sigmoid(), share=share
    )
    evidence = fine.view(GRID, finer, GRID, finer).mean((1, 3))
    target = (30 * (evidence - 0.6)).sigmoid()
    expected = -(target * own.sigmoid().log() + (1 - target) * (-own).sigmoid().log()).mean()
    assert float(made["guide"].detach()) == pytest.approx(2 * float(expected), rel=1e-12)


def test_a_guide_of_pictures_that_are_not_square() -> None:
    explained, (logits, images) = classifier(), inputs()
    logits, images = logits.detach()[:1, :, :, : GRID // 2], images[:1, ..., : SIDE // 2]
    made = Guided(own_start=2.0, scales=(2.0,))(logits, images, LABELS[:1], explained, 0.0, seeded())
    (evidence,) = SpreadCAM(explained, steps=2, refinements=10).at(
        images, LABELS[:1].bool(), (GRID, GRID // 2), scale=2.0
    )
    target, own = (30 * (evidence - 0.6)).sigmoid(), logits[0, 0]
    expected = -(target * own.sigmoid().log() + (1 - target) * (-own).sigmoid().log()).mean()
    assert float(made["guide"]) == pytest.approx(2 * float(expected), rel=1e-12)


def test_one_of_the_scales_is_drawn_for_each_step() -> None:
    explained, (logits, images) = classifier(), inputs()

    def guide(seed: int, *scales: float) -> float:
        made = Guided(start=2.0, scales=scales)(logits[:1], images[:1], LABELS[:1], explained, 0.0, seeded(seed))
        return float(made["guide"].detach())

    one, other = guide(0, 1.0), guide(0, 3.0)
    assert one != other
    assert {guide(seed, 1.0, 3.0) for seed in range(8)} == {one, other}


def test_every_label_has_its_turn_and_no_other_class() -> None:
    explained, (logits, images) = classifier(), inputs()
    settings = Guided(guide_weight=0.0, fill="mean")
    draws = [drawn(settings(logits, images, LABELS, explained, 1.0, seeded(seed)), logits) for seed in range(12)]
    assert {tuple(row[:2]) for row in draws} == {(0, None)}
    assert {row[2] for row in draws} == {1, 2}


@pytest.mark.parametrize(
    ("settings", "progress", "names"),
    [
        ({}, 0.29, {"absent", "edges", "guide"}),
        ({}, 0.3, {"absent", "edges", "guide", "kept", "removed", "area"}),
        ({"decision_weight": 1.0}, 0.29, {"absent", "edges", "guide"}),
        ({"decision_weight": 1.0}, 0.3, {"absent", "edges", "guide", "kept", "removed", "area", "decided"}),
        ({"keep_weight": 0.0, "removal_weight": 0.0}, 1.0, {"absent", "edges", "guide"}),
        ({"keep_weight": 0.0}, 1.0, {"absent", "edges", "guide", "kept", "removed", "area"}),
        ({"removal_weight": 0.0}, 1.0, {"absent", "edges", "guide", "kept", "removed", "area"}),
    ],
)
def test_which_terms_there_are(settings: dict[str, float], progress: float, names: set[str]) -> None:
    logits, images = inputs()
    made = Guided(**settings)(logits, images, LABELS, classifier(), progress, seeded())
    assert made.keys() == names


def test_the_default_fill_is_one_of_three_that_destroy() -> None:
    fill = make_fill(Guided().fill, classifier().preprocessing)
    assert isinstance(fill, RandomFill)
    assert [type(each) for each in fill.fills] == [MeanFill, BlurFill, NoiseFill]


def test_hidden_pixels_become_the_fill_in_what_is_kept_and_in_what_is_removed() -> None:
    """A mask that keeps nothing and one that keeps everything, over black."""
    explained, (_, images) = classifier("softmax"), inputs()
    image, label = images[:1], LABELS[:1]
    black = explained.preprocessing.normalise(torch.zeros(1, 3, SIDE, SIDE))
    on_black = float(explained.probabilities(black)[0, 0])
    for value, name, expected in ((-9.0, "kept", -math.log(on_black)), (9.0, "removed", -math.log(1 - on_black))):
        logits = torch.full((1, 3, GRID, GRID), value)
        made = Guided(guide_weight=0.0, removal_weight=1.0, fill="black")(logits, image, label, explained, 1.0)
        assert float(made[name]) == pytest.approx(expected, rel=1e-6)
