from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.images.preprocessing import Preprocessing
from explanans.methods.grad_cam import GradCAM
from explanans.methods.spread_cam import SpreadCAM
from explanans.objectives.guided import Guided, guide_of
from explanans.ops.refinement import adapt_to_pixels, spread, stretch


class Planted(nn.Module):
    """Class 0 reads how red the picture is, class 1 how blue; features keep a quarter of the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, 4, stride=4, bias=False)
        self.features.weight.data.zero_()
        for channel in range(3):
            self.features.weight.data[channel, channel] = 1 / 16
        self.head = nn.Linear(3, 2)
        self.head.weight.data = torch.tensor([[1.0, 0, 0], [0, 0, 1]])

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def planted() -> Explanandum:
    preprocessing = Preprocessing(64, (0, 0, 0), (1, 1, 1))
    return Explanandum(Planted(), classes=["red", "blue"], activation="sigmoid", preprocessing=preprocessing)


def picture() -> Tensor:
    """Red above left, blue below right, green elsewhere."""
    image = torch.zeros(1, 3, 64, 64)
    image[:, 1] = 0.5
    image[:, :, 8:32, 8:32] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    image[:, :, 36:60, 36:60] = torch.tensor([0, 0, 1.0]).view(3, 1, 1)
    return image


def test_each_class_lies_on_its_own_evidence() -> None:
    maps = SpreadCAM(planted())(picture(), ["red", "blue"])
    assert maps.shape == (1, 2, 64, 64)
    assert maps.min() >= 0
    assert maps.max() <= 1
    red, blue = maps[0]
    for own, other in ((red[12:28, 12:28], red[40:56, 40:56]), (blue[40:56, 40:56], blue[12:28, 12:28])):
        assert own.min() > 0.8
        assert other.max() < 0.2


def test_a_class_that_is_not_asked_for_is_zero_and_every_image_gets_its_map() -> None:
    images = torch.cat([picture(), picture().flip(3)])
    maps = SpreadCAM(planted())(images, torch.tensor([[1, 0], [0, 1]]))
    assert (maps[0, 1] == 0).all()
    assert (maps[1, 0] == 0).all()
    assert maps[0, 0].max() > 0.9
    assert maps[1, 1].max() > 0.9
    alone = SpreadCAM(planted())(images[1:], torch.tensor([[0, 1]]))
    torch.testing.assert_close(maps[1:, 1], alone[:, 1])


def test_evidence_spreads_to_what_looks_alike() -> None:
    # Only the left half of the stripe counts for the class, but all of it has the same features.
    classifier = planted()
    image = torch.zeros(1, 3, 64, 64)
    image[:, 1] = 0.5
    image[:, :, 24:40] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    seeds = torch.zeros(1, 16, 16)
    seeds[:, 6:10, :8] = 1
    spread = SpreadCAM(classifier).at(image, torch.tensor([[True, False]]), (16, 16), seeds=seeds, share=1.0)
    assert spread[0, 7:9, 12:].min() > 0.8
    assert spread[0, :4].max() < 0.2


class Stripes(nn.Module):
    """Reads single red columns between others, which are gone in an image that is enlarged."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 1, (1, 3), stride=4, padding=(0, 1))
        self.features.weight.data.zero_()
        self.features.weight.data[0, 0, 0] = torch.tensor([-1.0, 1.0, -1.0])
        self.features.bias.data.fill_(-0.8)  # type: ignore[union-attr]
        self.head = nn.Linear(1, 1, bias=False)
        self.head.weight.data.fill_(1.0)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).relu().mean((2, 3)))


def test_what_is_not_seen_in_the_enlarged_image_is_looked_for_in_the_image_itself() -> None:
    preprocessing = Preprocessing(64, (0, 0, 0), (1, 1, 1))
    classifier = Explanandum(Stripes(), classes=["stripes"], activation="sigmoid", preprocessing=preprocessing)
    images = torch.zeros(2, 3, 64, 64)
    images[0, 0, 32:, 32::4] = 1
    asked = torch.tensor([[True], [True]])
    maps = SpreadCAM(classifier, steps=0, refinements=0).pairs(images, asked)
    assert GradCAM(classifier).coarse(functional.interpolate(images, (96, 96), mode="bicubic"), asked).max() == 0
    assert maps[0, 40:60, 40:60].min() > 0.8
    assert maps[0, :24].max() == 0
    # The other image has nothing at either size.
    assert maps[1].max() == 0


def test_no_hook_outlives_the_call() -> None:
    classifier = planted()
    method = SpreadCAM(classifier)
    method(picture(), "red")
    assert not any(module._forward_hooks for module in classifier.modules())
    assert GradCAM(classifier).layer_name == method.cam.layer_name


def test_a_vision_transformer_at_its_own_size() -> None:
    torch.manual_seed(0)
    module = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=2, depth=2, embed_dim=24, img_size=64
    )
    preprocessing = Preprocessing(64, (0, 0, 0), (1, 1, 1))
    classifier = Explanandum(module, classes=["red", "blue"], activation="sigmoid", preprocessing=preprocessing)
    method = SpreadCAM(classifier, scale=1)
    assert (method.cam.layer_name, method.feature_layer_name) == ("blocks.1.norm1", "norm")
    assert method(picture(), ["red", "blue"]).amax() > 0.5
    logits = torch.zeros(1, 2, 16, 16, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    terms = Guided(scales=(1.0,))(logits, picture(), torch.tensor([[1, 0]]), classifier, 1.0, generator)
    (gradient,) = torch.autograd.grad(terms["guide"], logits)
    assert gradient.abs().sum() > 0


def test_classes_that_compete_share_no_place() -> None:
    images = torch.cat([picture(), picture()])
    asked = torch.tensor([[True, True], [True, False]])
    apart = SpreadCAM(planted(), contrast=True)(images, asked)
    fine = SpreadCAM(planted()).at(images[:1], asked[:1], (16, 16))
    expected = fine * fine / fine.amax(0).clamp(min=1e-6)
    torch.testing.assert_close(apart[0], functional.interpolate(expected[None], (64, 64), mode="bilinear")[0])
    # A class that is alone has nobody to compete with.
    torch.testing.assert_close(apart[1], SpreadCAM(planted())(images, asked)[1])


def test_settings_reach_the_walk_and_the_refinement() -> None:
    classifier, size = planted(), (16, 16)
    asked = torch.tensor([[True, False]])
    plain = SpreadCAM(classifier, steps=1, refinements=0).at(picture(), asked, size)
    enlarged = functional.interpolate(picture(), (96, 96), mode="bicubic")
    features = classifier.module.features(enlarged).detach()
    cams = GradCAM(classifier).coarse(enlarged, asked)
    walked = stretch(spread(stretch(cams), features, 2.0, 1))
    expected = stretch(functional.interpolate(walked[:, None], size, mode="bilinear")[:, 0])
    torch.testing.assert_close(plain, expected)
    refined = SpreadCAM(classifier, steps=1, refinements=2).at(picture(), asked, size)
    small = functional.interpolate(picture(), size, mode="area")
    torch.testing.assert_close(refined, stretch(adapt_to_pixels(expected, small, 2)), atol=1e-5, rtol=1e-5)


def test_a_guide_keeps_the_settings_that_its_objective_was_measured_with() -> None:
    guide = guide_of(planted())
    assert (guide.scale, guide.power, guide.steps, guide.refinements, guide.contrast) == (1.5, 2.0, 2, 10, False)
