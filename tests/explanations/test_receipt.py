from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.receipt import Kept, Other, Receipt, receipts
from explanans.images.preprocessing import Preprocessing


class Halves(nn.Module):
    """Logit 0 is the mean red of the left half, logit 1 the mean green of the right half."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.graphs: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        self.graphs.append(torch.is_grad_enabled())
        half = images.shape[-1] // 2
        return torch.stack([images[:, 0, :, :half].mean((1, 2)), images[:, 1, :, half:].mean((1, 2))], dim=1)


def classifier(module: nn.Module | None = None) -> Explanandum:
    preprocessing = Preprocessing(size=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Explanandum(module or Halves(), classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


# Red 2 and green 3 in normalised values; white is 1, black −1 and the mean colour 0.
IMAGE = torch.tensor([2.0, 3.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
ASK_A = torch.tensor([[True, False]])


def column_mask(*columns: int) -> Tensor:
    mask = torch.full((1, 4, 4), 0.49)
    mask[:, :, list(columns)] = 0.5
    return mask


def test_values_by_hand_and_the_worst_fill() -> None:
    (receipt,) = receipts(classifier(), IMAGE, column_mask(0), ASK_A, fills=("mean", "white", "black", "blur"))
    assert receipt.whole == pytest.approx(sigmoid(2))
    assert receipt.area == 0.25
    # Half of the left half keeps its 2, the other half becomes the fill; a blurred flat image is the image.
    expected = {"mean": 1.0, "white": 1.5, "black": 0.5, "blur": 2.0}
    for name, logit in expected.items():
        assert receipt.fills[name].kept == pytest.approx(sigmoid(logit))
        assert receipt.fills[name].removed == pytest.approx(sigmoid(logit))
    assert receipt.kept == pytest.approx(sigmoid(0.5))
    assert receipt.removed == pytest.approx(sigmoid(2))
    assert receipt.kept_ratio == pytest.approx(sigmoid(0.5) / sigmoid(2))
    assert receipt.removed_ratio == pytest.approx(1)


def test_a_mask_of_the_whole_region_and_of_none_of_it() -> None:
    masks = torch.cat([column_mask(0, 1), column_mask(0, 1), column_mask()])
    asked = torch.tensor([[True, True], [True, False]])
    own, other, empty = receipts(classifier(), IMAGE.expand(2, -1, -1, -1), masks, asked, fills="mean")
    assert own.fills["mean"] == Kept(pytest.approx(sigmoid(2)), pytest.approx(0.5))
    assert other.fills["mean"] == Kept(pytest.approx(0.5), pytest.approx(sigmoid(3)))
    assert empty.fills["mean"] == Kept(pytest.approx(0.5), pytest.approx(sigmoid(2)))
    assert (own.area, other.area, empty.area) == (0.5, 0.5, 0)


def test_the_binarised_mask_is_asked() -> None:
    soft = torch.full((1, 4, 4), 0.3)
    (low,) = receipts(classifier(), IMAGE, soft, ASK_A, mask_threshold=0.5, fills="mean")
    (high,) = receipts(classifier(), IMAGE, soft, ASK_A, mask_threshold=0.3, fills="mean")
    assert (low.area, low.kept) == (0, 0.5)
    assert (high.area, high.removed) == (1, 0.5)


def test_softmax() -> None:
    preprocessing = Preprocessing(size=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    softmax = Explanandum(Halves(), classes=("a", "b"), activation="softmax", preprocessing=preprocessing)
    (receipt,) = receipts(softmax, IMAGE, column_mask(0, 1), ASK_A, fills="mean")
    assert receipt.whole == pytest.approx(sigmoid(2 - 3))
    assert receipt.kept == pytest.approx(sigmoid(2 - 0))
    assert receipt.kept_ratio > 1
    assert receipt.removed == pytest.approx(sigmoid(0 - 3))


def test_under_softmax_one_class_gains_what_another_loses() -> None:
    preprocessing = Preprocessing(size=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    softmax = Explanandum(Halves(), classes=("a", "b"), activation="softmax", preprocessing=preprocessing)
    fills = ("mean", "white", "black", "blur")
    a, b = receipts(softmax, IMAGE, column_mask(0).expand(2, -1, -1), torch.tensor([[True, True]]), fills=fills)
    # Column 0 is half of a's region and nothing of b's: with f the fill, the logits on what is kept are 1 + f / 2 and
    # f, on what is removed the same 1 + f / 2 and 3; a blurred flat picture is the picture.
    logits = {"mean": (1.0, 0.0), "white": (1.5, 1.0), "black": (0.5, -1.0), "blur": (2.0, 3.0)}
    for name, (own, other) in logits.items():
        assert a.fills[name].kept == pytest.approx(sigmoid(own - other))
        assert a.fills[name].removed == pytest.approx(sigmoid(own - 3))
        assert a.fills[name].kept + b.fills[name].kept == pytest.approx(1)
        assert a.fills[name].removed + b.fills[name].removed == pytest.approx(1)
    # The worst fill of one is the best of the other.
    assert a.kept == pytest.approx(sigmoid(-1))
    assert b.kept == pytest.approx(1 - sigmoid(1.5))
    assert a.removed == pytest.approx(sigmoid(-1))


@pytest.mark.parametrize("batch_size", [1, 3, 5, 100])
def test_batch_size_bounds_the_forwards_and_changes_nothing(batch_size: int) -> None:
    generator = torch.Generator().manual_seed(1)
    images, masks = torch.randn(3, 3, 4, 4, generator=generator), torch.rand(4, 4, 4, generator=generator)
    asked = torch.tensor([[True, False], [True, True], [False, True]])
    module = Halves()
    explanandum = classifier(module)
    module.sizes.clear()
    made = receipts(explanandum, images, masks, asked, fills=("blur", "noise"), batch_size=batch_size)
    assert max(module.sizes) <= batch_size
    assert sum(module.sizes) == 3 + 4 * (2 * 2 + 2)
    alone = [
        receipts(explanandum, images[n : n + 1], masks[p : p + 1], one, fills=("blur", "noise"))[0]
        for p, (n, one) in enumerate([(0, asked[:1]), (1, ASK_A), (1, ~ASK_A), (2, asked[2:])])
    ]
    for here, there in zip(made, alone, strict=True):
        assert here.area == there.area
        assert [here.whole, here.kept, here.removed] == pytest.approx([there.whole, there.kept, there.removed])


def test_seed_of_random_fills() -> None:
    explanandum = classifier()
    first, again, other = (
        receipts(explanandum, IMAGE, column_mask(0), ASK_A, fills="noise", seed=seed)[0] for seed in (0, 0, 1)
    )
    assert first == again
    assert first.kept != other.kept


def test_what_is_asked_where_nothing_is_said() -> None:
    """Under the mean colour and a blur, cut at 1/2, from seed 0."""
    noise = receipts(classifier(), IMAGE, column_mask(0), ASK_A, fills="noise")
    assert noise == receipts(classifier(), IMAGE, column_mask(0), ASK_A, fills="noise", seed=0)
    (receipt,) = receipts(classifier(), IMAGE, column_mask(0), ASK_A)
    assert list(receipt.fills) == ["mean", "blur"]
    assert (receipt.area, receipt.mask_threshold) == (0.25, 0.5)
    module = Halves()
    explanandum = classifier(module)
    module.sizes.clear()
    module.graphs.clear()
    receipts(explanandum, IMAGE.expand(17, -1, -1, -1), column_mask(0).expand(17, -1, -1), ASK_A.expand(17, 2))
    # Sixteen at a time, and nothing is kept for a gradient.
    assert max(module.sizes) == 16
    assert not any(module.graphs)


def test_what_was_said_stays() -> None:
    (receipt,) = receipts(classifier(), IMAGE, column_mask(0), ASK_A)
    for said in (receipt, receipt.fills["mean"], receipt.other):
        with pytest.raises(dataclasses.FrozenInstanceError):
            said.kept = 1.0  # type: ignore[misc, union-attr]


def test_a_fill_that_is_named_twice_is_asked_once() -> None:
    module = Halves()
    explanandum = classifier(module)
    module.sizes.clear()
    (receipt,) = receipts(explanandum, IMAGE, column_mask(0), ASK_A, fills=("mean", "black", "mean"))
    assert list(receipt.fills) == ["mean", "black"]
    assert sum(module.sizes) == 1 + 2 * 2 + 2


def test_a_threshold_of_one_keeps_what_is_certain() -> None:
    mask = torch.full((1, 4, 4), 0.999)
    mask[:, :, 0] = 1
    (receipt,) = receipts(classifier(), IMAGE, mask, ASK_A, mask_threshold=1, fills="mean")
    assert receipt.area == 0.25


def test_nothing_asked() -> None:
    assert receipts(classifier(), IMAGE, torch.zeros(0, 4, 4), torch.zeros(1, 2, dtype=torch.bool)) == []


def test_known_probabilities_are_not_computed_again() -> None:
    module = Halves()
    explanandum = classifier(module)
    module.sizes.clear()
    whole = torch.tensor([[0.25, 0.75]])
    (receipt,) = receipts(explanandum, IMAGE, column_mask(0), ASK_A, whole=whole, fills="mean")
    assert receipt.whole == 0.25
    assert sum(module.sizes) == 2 + 2


def test_it_reads_as_a_person_would_say_it() -> None:
    fills = {"mean": Kept(0.85, 0.125), "blur": Kept(0.9, 0.3)}
    numbers = "The classifier says 0.92 for the whole photo, 0.85 for the mask alone (24% of the photo), 0.30 for the "
    receipt = Receipt(0.917, fills, 0.236, 0.5, 0.2)
    assert str(receipt) == numbers + "rest and 0.20 for the mask in another place. It holds."
    shared = Receipt(0.917, fills, 0.236, 0.5, 0.2, Other("horse", 0.8, 0.7))
    assert str(shared).endswith("It is shared with horse, of which it keeps 0.70.")
    assert str(Receipt(0.917, fills, 0.236, 0.5, 0.8, Other("horse", 0.8, 0.1))).endswith("place. It is weak.")
    assert str(Receipt(0.917, fills, 0.95, 0.5, 0.8)).endswith("place. It fills the frame.")
    assert str(Receipt(0.917, fills, 0.0, 0.5, 0.8)).endswith("place. It is empty.")


def test_the_same_mask_in_another_place() -> None:
    """On 6 × 6 a third is two pixels: a mask of the two left columns comes to the middle, and round to the right."""
    size = Preprocessing(size=6, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    explanandum = Explanandum(Halves(), classes=("a", "b"), activation="sigmoid", preprocessing=size)
    image = torch.tensor([2.0, 3.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 6, 6)
    mask = torch.zeros(1, 6, 6)
    mask[:, :, :2] = 1
    (receipt,) = receipts(explanandum, image, mask, ASK_A, fills=("mean", "white"))
    # Of the three columns of the left half it keeps two, in the middle one and on the right none.
    assert receipt.fills["mean"].kept == pytest.approx(sigmoid(4 / 3))
    assert receipt.elsewhere == pytest.approx((sigmoid(2 / 3) + sigmoid(0)) / 2)
    mask = torch.zeros(1, 6, 6)
    mask[:, :2, :3] = 1
    (receipt,) = receipts(explanandum, image, mask, ASK_A, fills="mean")
    # Six of the eighteen pixels of the left half; moved, two of its three columns leave the half.
    assert receipt.fills["mean"].kept == pytest.approx(sigmoid(2 * 6 / 18))
    assert receipt.elsewhere == pytest.approx((sigmoid(2 * 2 / 18) + sigmoid(2 * 2 / 18)) / 2)


def test_the_other_class_that_is_kept_best() -> None:
    masks = torch.cat([column_mask(0, 1), column_mask(0, 2), column_mask(0, 1, 2, 3)])
    asked = torch.tensor([[True, False]]).expand(3, 2)
    own, both, full = receipts(classifier(), IMAGE.expand(3, -1, -1, -1), masks, asked, fills=("white", "mean"))
    assert own.other is not None
    assert both.other is not None
    assert (own.other.name, own.other.whole) == ("b", pytest.approx(sigmoid(3)))
    # Of the fills the one that keeps least: the mean colour.
    assert own.other.kept == pytest.approx(sigmoid(0))
    assert both.other.kept == pytest.approx(sigmoid(1.5))
    assert full.word == "fills the frame"
    # That b is half certain of nothing at all makes everything shared with it.
    assert own.word == "shared with b"
    unseen = torch.tensor([2.0, -3.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    (alone,) = receipts(classifier(), unseen, column_mask(0, 1), ASK_A, fills="mean")
    assert alone.other is None


def test_the_other_class_may_stand_before_the_masks_own_and_be_kept_not_at_all() -> None:
    (of_b,) = receipts(classifier(), IMAGE, column_mask(2, 3), torch.tensor([[False, True]]), fills="mean")
    assert of_b.other == Other("a", pytest.approx(sigmoid(2)), pytest.approx(0.5))

    class Steep(Halves):
        def forward(self, images: Tensor) -> Tensor:
            return 200 * super().forward(images)

    # The right half becomes black, −1, and σ(−200) is 0 in single precision.
    (of_a,) = receipts(classifier(Steep()), IMAGE, column_mask(0, 1), ASK_A, fills="black")
    assert of_a.other == Other("b", 1.0, 0.0)
    assert of_a.shared == 0


@pytest.mark.parametrize(("whole", "kept", "share"), [(0.8, 0.2, 0.25), (0.5, 0.75, 1.0), (0.8, 0.0, 0.0)])
def test_the_share_that_another_class_keeps(whole: float, kept: float, share: float) -> None:
    receipt = Receipt(0.9, {"mean": Kept(0.8, 0.1)}, 0.2, 0.5, 0.1, Other("horse", whole, kept))
    assert receipt.shared == pytest.approx(share)
    assert dataclasses.replace(receipt, other=None).shared == 0
    assert math.isnan(dataclasses.replace(receipt, other=Other("horse", 0.0, kept)).shared)


def test_to_dict_is_json_and_ratios_of_nothing_are_nan() -> None:
    other = Other("horse", 0.5, 0.25)
    receipt = Receipt(0.0, {"mean": Kept(0.25, 0.5), "blur": Kept(0.125, 0.25)}, 0.5, 0.5, 0.25, other)
    assert json.loads(json.dumps(receipt.to_dict(), allow_nan=False)) == {
        "whole": 0.0,
        "kept": 0.125,
        "removed": 0.5,
        "area": 0.5,
        "mask_threshold": 0.5,
        "fills": {"mean": {"kept": 0.25, "removed": 0.5}, "blur": {"kept": 0.125, "removed": 0.25}},
        "elsewhere": 0.25,
        "other": {"name": "horse", "whole": 0.5, "kept": 0.25},
        "score": -2.0,
        "word": "shared with horse",
    }
    assert math.isnan(receipt.kept_ratio)
    assert math.isnan(receipt.removed_ratio)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"fills": ()}, "fills"),
        ({"fills": ("mean", "purple-ish")}, "purple-ish"),
        ({"mask_threshold": 0.0}, "mask_threshold"),
        ({"mask_threshold": 1.01}, "mask_threshold"),
        ({"mask_threshold": float("nan")}, "mask_threshold"),
        ({"batch_size": 0}, "batch_size"),
        ({"masks": torch.zeros(2, 4, 4)}, r"class_masks\[asked\]"),
        ({"masks": torch.zeros(1, 4, 5)}, r"class_masks\[asked\]"),
        ({"asked": ASK_A.expand(2, 2)[:2] & torch.tensor([[True], [False]])}, "asked"),
        ({"asked": torch.ones(1, 3, dtype=torch.bool)}, "asked"),
    ],
)
def test_bad_input(wrong: dict, word: str) -> None:
    arguments = {"images": IMAGE, "masks": column_mask(0), "asked": ASK_A, **wrong}
    with pytest.raises(InputError, match=word):
        receipts(classifier(), **arguments)


def test_nan_on_a_masked_image_is_an_error() -> None:
    class Root(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :2].mean((2, 3)).sqrt()

    with pytest.raises(InputError, match=r"\['a'\] are NaN"):
        receipts(classifier(Root()), IMAGE, column_mask(), ASK_A, fills="black")
