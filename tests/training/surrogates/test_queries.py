from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.ops.masking import make_fill
from explanans.training.surrogates import Queries, batches
from explanans.utils.seeds import mixed_seed

# Mean and std make the mean colour 0 and white 2, so that what is seen of a white picture is seen in the numbers.
PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def pictures(tmp_path: Path) -> LabelledImages:
    (tmp_path / "train" / "a").mkdir(parents=True)
    for number in range(5):
        Image.fromarray(np.full((40, 40, 3), 255 - number, np.uint8)).save(tmp_path / "train" / "a" / f"{number}.png")
    return open_dataset(tmp_path, "train", classes=("a",), preprocessing=PREPROCESSING)


def test_every_picture_is_shown_whole_once_and_masked_in_turn(pictures: LabelledImages) -> None:
    queries = Queries(pictures)
    shown = [queries.picture_of(number) for number in range(60)]
    whole = [picture for picture, is_whole in shown if is_whole]
    assert sorted(whole) == [0, 1, 2, 3, 4]
    assert [number for number, (_, is_whole) in enumerate(shown) if is_whole] == [0, 4, 8, 12, 16]
    masked = [picture for picture, is_whole in shown if not is_whole]
    for start in range(0, 55, 5):
        assert sorted(masked[start : start + 5]) == [0, 1, 2, 3, 4]


def test_every_round_has_an_order_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    for number in range(12):
        Image.new("RGB", (8, 8)).save(tmp_path / "train" / "a" / f"{number}.png")
    queries = Queries(open_dataset(tmp_path, "train", classes=("a",), preprocessing=PREPROCESSING))
    shown = [queries.picture_of(number) for number in range(60)]
    whole = [picture for picture, is_whole in shown if is_whole]
    masked = [picture for picture, is_whole in shown if not is_whole]
    orders = [whole, *(masked[start : start + 12] for start in (0, 12, 24, 36))]
    assert all(sorted(order) == list(range(12)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5


def test_a_query_follows_from_its_number_alone(pictures: LabelledImages) -> None:
    queries = Queries(pictures, seed=3)
    backwards = {number: queries[number] for number in reversed(range(12))}
    for start, batch in zip((0, 5, 10), batches(Queries(pictures, seed=3), 0, 12, 5), strict=True):
        for place, image in enumerate(batch):
            assert torch.equal(image, backwards[start + place])
    assert not torch.equal(Queries(pictures, seed=4)[1], queries[1])


def test_a_query_is_the_same_whether_its_picture_was_kept_or_is_read(pictures: LabelledImages, tmp_path: Path) -> None:
    kept = open_dataset(tmp_path, "train", classes=("a",), preprocessing=PREPROCESSING, cache=True)
    queries = Queries(kept, seed=3)
    for number in range(24):
        read = Queries(pictures, seed=3)[number]
        # The second time all pictures come from the cache.
        for _ in range(2):
            assert torch.equal(queries[number], read)


def test_masks_are_soft_binary_and_those_of_rise(pictures: LabelledImages) -> None:
    queries = Queries(pictures, fill="mean")
    assert torch.equal(queries[0], pictures[queries.picture_of(0)[0]]["image"])
    seen, binary, soft = [], 0, 0
    for number in range(300):
        picture, whole = queries.picture_of(number)
        if whole or number % 3 == 0:
            continue
        mask = queries[number][0] / pictures[picture]["image"][0]
        seen.append(float(mask.mean()))
        if ((mask < 1e-4) | (mask > 1 - 1e-4)).all():
            binary += 1
        else:
            soft += 1
    # As much is kept as is removed, over the whole range.
    assert 0.4 < np.mean(seen) < 0.6
    assert min(seen) < 0.1
    assert max(seen) > 0.9
    assert 0.35 < binary / (binary + soft) < 0.65


def rise_pixel(cells: Tensor, size: tuple[int, int], y: int, x: int) -> float:
    """Pixel (y, x) of 7 × 7 cells that were enlarged to ``size``: bilinear between the middles of the cells."""
    total = 0.0
    down, right = ((place + 0.5) * 7 / side - 0.5 for place, side in zip((y, x), size, strict=True))
    for i in range(7):
        for j in range(7):
            # Beyond the outermost middles there is nothing to blend with.
            near = [max(0.0, 1 - abs(min(max(at, 0.0), 6.0) - k)) for at, k in ((down, i), (right, j))]
            total += near[0] * near[1] * float(cells[i, j])
    return total


@pytest.mark.parametrize("number", [3, 6, 9, 15, 3003])
def test_masks_of_rise_by_hand(tmp_path: Path, number: int) -> None:
    """20 × 32 pixels: cells of 3 × 5, enlarged to 24 × 40, of which a window is seen. The draws are repeated."""
    (tmp_path / "train" / "a").mkdir(parents=True)
    Image.fromarray(np.full((20, 32, 3), 255, np.uint8)).save(tmp_path / "train" / "a" / "white.png")
    wide = Preprocessing((20, 32), (0.5,) * 3, (0.25,) * 3)
    queries = Queries(open_dataset(tmp_path, "train", classes=("a",), preprocessing=wide), seed=2, fill="noise")
    generator = torch.Generator().manual_seed(mixed_seed(2, number))
    seen = 0.1 + 0.8 * float(torch.rand((), generator=generator))
    cells = torch.rand(1, 1, 7, 7, generator=generator)[0, 0] < seen
    top, left = (int(torch.randint(side, (), generator=generator)) for side in (3, 5))
    mask = torch.tensor([[rise_pixel(cells, (24, 40), top + y, left + x) for x in range(32)] for y in range(20)])
    image = queries.dataset[0]["image"]
    background = make_fill("noise", wide)(image[None], generator)[0]
    torch.testing.assert_close(queries[number], image * mask + background * (1 - mask), atol=1e-5, rtol=0)


@pytest.mark.parametrize("number", [1, 2, 5, 7, 10, 11, 13, 14])
def test_masks_of_an_explainer_by_hand(pictures: LabelledImages, number: int) -> None:
    """A field with 2 to 10 bumps a side, cut where a drawn share of the picture lies above. The draws are repeated."""
    queries = Queries(pictures, fill="mean")
    generator = torch.Generator().manual_seed(mixed_seed(0, number))
    bumps = int(torch.randint(9, (), generator=generator)) + 2
    field = torch.randn(1, 1, bumps, bumps, generator=generator)
    field = functional.interpolate(field, (32, 32), mode="bicubic", align_corners=False).flatten()
    share, binary, sharpness = (float(torch.rand((), generator=generator)) for _ in range(3))
    highest = field.sort(descending=True).values
    cut = float(highest[round(share * 1023)])
    mask = queries[number][0].flatten() / pictures[queries.picture_of(number)[0]]["image"][0, 0, 0]
    assert float((mask > 0.5).float().mean()) == pytest.approx(share, abs=2 / 1024)
    if binary < 0.5:
        assert mask.unique().tolist() == [0, 1]
        # All that is seen lies above all that is not.
        assert field[mask > 0.5].min() > field[mask < 0.5].max()
    else:
        # The cut itself lies between two pixels, so the steepness is told by two pixels far apart.
        clear = (mask > 0.02) & (mask < 0.98)
        steep = 2 + 10 * sharpness
        torch.testing.assert_close(mask[clear].logit(), (field[clear] - cut) * steep, atol=0.1 * steep, rtol=0)
        first, last = field.masked_fill(~clear, torch.inf).argmin(), field.masked_fill(~clear, -torch.inf).argmax()
        slope = (mask[last].logit() - mask[first].logit()) / (field[last] - field[first])
        assert float(slope) == pytest.approx(steep, rel=1e-3)


def test_as_much_is_seen_through_the_masks_of_rise_as_is_hidden(pictures: LabelledImages) -> None:
    queries = Queries(pictures, fill="mean")
    seen = [float(queries[number].mean() / 2) for number in range(21, 1500, 3)]
    assert np.mean(seen) == pytest.approx(0.5, abs=0.04)
    assert min(seen) < 0.1
    assert max(seen) > 0.9


def test_a_picture_is_named_and_batches_end_where_they_should(pictures: LabelledImages) -> None:
    queries = Queries(pictures)
    for number in (0, 1, 21):
        assert queries.name_of(number) == pictures.names[queries.picture_of(number)[0]]
    assert [len(batch) for batch in batches(queries, 2, 9, 3)] == [3, 3, 1]
    assert list(batches(queries, 4, 4, 3)) == []


def test_an_augmented_data_set_is_refused(pictures: LabelledImages) -> None:
    pictures.augment = lambda image, *others: image
    with pytest.raises(InputError, match="augments"):
        Queries(pictures)


def test_another_seed_draws_other_masks(pictures: LabelledImages) -> None:
    first, second = (Queries(pictures, seed=seed)[0][0] for seed in (0, 1))
    assert not torch.equal(first, second)
