from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from explanans.data.dataset import LabelledImages
from explanans.data.index_maps import index_lookup
from explanans.data.loading import collate
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError


def make(folder: Path, preprocessing: Preprocessing, segmented: bool = True, **options: object) -> LabelledImages:
    """Four pictures, 12 x 16: grey value 10 i, the left half class i % 2, a void column at the right border."""
    for i in range(4):
        Image.new("RGB", (16, 12), (10 * i,) * 3).save(folder / f"{i}.png")
        values = np.zeros((12, 16), np.uint8)
        values[:, :8], values[:, 14:] = i % 2 + 1, 255
        Image.fromarray(values).save(folder / f"{i}-map.png")
    return LabelledImages(
        name="four",
        classes=["even", "odd"],
        paths=[folder / f"{i}.png" for i in range(4)],
        names=[str(i) for i in range(4)],
        labels=torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]]),
        segmentations=[folder / f"{i}-map.png" for i in range(4)] if segmented else None,
        lookup=index_lookup([1, 2], 2) if segmented else None,
        preprocessing=preprocessing,
        **options,  # type: ignore[arg-type]
    )


def test_sample(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing)
    sample = data[3]
    assert sample["image"].shape == (3, 6, 8)
    assert sample["image"].dtype == torch.float32
    assert torch.allclose(sample["image"], torch.full((3, 6, 8), (30 / 255 - 0.5) / 0.5))
    assert sample["labels"].tolist() == [0, 1]
    assert sample["index"] == 3
    assert sample["segmentation"].dtype == torch.uint8
    assert sample["segmentation"].tolist() == [[2, 2, 2, 2, 0, 0, 0, 255]] * 6
    assert data[-1]["index"] == 3
    assert [s["index"] for s in data] == [0, 1, 2, 3]  # type: ignore[attr-defined]
    assert data.picture(1).size == (16, 12)
    assert data.segmentation_map(1).shape == (12, 16)
    with pytest.raises(IndexError):
        data[4]


def test_masks_are_resized_by_the_nearest_pixel_centre(tmp_path: Path) -> None:
    data = make(tmp_path, Preprocessing(size=(5, 7), mean=(0, 0, 0), std=(1, 1, 1)))
    values = np.random.default_rng(0).choice([0, 1, 2, 255], (12, 16)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "0-map.png")
    rows, columns = ([int((i + 0.5) * old / new) for i in range(new)] for old, new in ((12, 5), (16, 7)))
    expected = values[np.ix_(rows, columns)]
    assert np.array_equal(data[0]["segmentation"].numpy(), expected)


def test_without_segmentation(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, segmented=False)
    assert not data.has_segmentation
    assert "segmentation" not in data[0]
    with pytest.raises(InputError, match="has no segmentation for"):
        data.segmentation_map(0)
    with pytest.raises(InputError, match="would hold none"):
        data.with_segmentation()


def test_a_map_of_another_size_names_both_files(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing)
    Image.new("L", (16, 11)).save(tmp_path / "2-map.png")
    with pytest.raises(ImageError, match=r"2-map\.png: .*11 x 16 .*2\.png has 12 x 16"):
        data[2]


def test_the_same_images_without_their_segmentations(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, cache=True)
    bare = data.without_segmentation(cache=True)
    assert not bare.has_segmentation
    assert "segmentation" not in bare[1]
    assert "segmentation" not in bare.subset([1])[0]
    assert torch.equal(bare[1]["image"], data[1]["image"])
    # What the one caches without a mask is not handed out by the other.
    bare[2]
    assert data[2]["segmentation"][0].tolist() == [1, 1, 1, 1, 0, 0, 0, 255]
    assert bare.fingerprint() == data.fingerprint()
    assert bare.without_segmentation() is not data
    with pytest.raises(InputError, match="open it with them"):
        bare.with_segmentation()


@pytest.mark.parametrize("cache", [False, True])
def test_classes_that_are_background_are_no_label_and_nothing_in_the_segmentation(
    tmp_path: Path, preprocessing: Preprocessing, cache: bool
) -> None:
    data = make(tmp_path, preprocessing, cache=cache)
    found = data.with_background(["odd"])
    assert found.background == ("odd",)
    assert found.labels.tolist() == [[1, 0], [0, 0], [1, 0], [0, 0]]
    assert found[1]["labels"].tolist() == [0, 0]
    assert found[1]["segmentation"].tolist() == [[0] * 7 + [255]] * 6
    assert found[0]["segmentation"][0].tolist() == [1, 1, 1, 1, 0, 0, 0, 255]
    assert set(found.segmentation_map(3).unique().tolist()) == {0, 255}
    assert found.subset([1, 0])[0]["segmentation"].tolist() == [[0] * 7 + [255]] * 6
    # The data set that it came from, and the cache of both, are as they were.
    assert data.labels.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert data[1]["segmentation"][0, 0] == 2
    assert data.background == ()
    assert data.fingerprint() != found.fingerprint()
    assert data.with_background([]).fingerprint() == data.fingerprint()
    assert found.with_background(["even"]).background == ("odd", "even")
    with pytest.raises(InputError, match=r"background: \['grass'\] are no classes of four; take of even, odd"):
        data.with_background(["grass"])


def test_labels_need_no_pictures(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing)
    for path in data.paths:
        path.unlink()
    assert data.labels.sum(0).tolist() == [2, 2]
    assert data.names == ("0", "1", "2", "3")
    with pytest.raises(ImageError, match="no such file"):
        data[0]


def test_augmentation_moves_picture_and_mask_together(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, augment=v2.RandomHorizontalFlip(p=1))
    picture = Image.new("RGB", (16, 12), "white")
    picture.paste("black", (0, 0, 8, 12))
    picture.save(tmp_path / "0.png")
    sample = data[0]
    assert sample["segmentation"][0].tolist() == [255, 0, 0, 0, 1, 1, 1, 1]
    assert sample["image"][0, 0, [0, -1]].tolist() == [1, -1]
    assert type(sample["image"]) is Tensor
    assert type(sample["segmentation"]) is Tensor


def test_augmentation_without_masks_gets_the_picture_alone(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, segmented=False, augment=v2.RandomInvert(p=1))
    assert torch.allclose(data[0]["image"], torch.ones(3, 6, 8))


@pytest.mark.parametrize("augment", [v2.CenterCrop(4), v2.ToDtype(torch.float32, scale=True)])
def test_augmentation_must_keep_size_and_type(
    tmp_path: Path, preprocessing: Preprocessing, augment: v2.Transform
) -> None:
    with pytest.raises(InputError, match="augment turned"):
        make(tmp_path, preprocessing, augment=augment)[0]


def test_cache_decodes_once_and_hands_out_copies(tmp_path: Path, preprocessing: Preprocessing) -> None:
    plain, cached = make(tmp_path, preprocessing), make(tmp_path, preprocessing, cache=True)
    first = cached[1]
    assert torch.equal(first["image"], plain[1]["image"])
    (tmp_path / "1.png").unlink()
    (tmp_path / "1-map.png").unlink()
    first["segmentation"].zero_()
    first["labels"].zero_()
    again = cached[1]
    assert again["segmentation"][0].tolist() == [2, 2, 2, 2, 0, 0, 0, 255]
    assert again["labels"].tolist() == [0, 1]
    with pytest.raises(ImageError):
        plain[1]


def test_subset_and_select(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, cache=True)
    subset = data.subset([3, 0])
    assert subset.names == ("3", "0")
    assert subset.labels.tolist() == [[0, 1], [1, 0]]
    assert subset[0]["segmentation"][0, 0] == 2
    (tmp_path / "3.png").unlink()
    assert data[3]["index"] == 3, "the subset filled the same cache"
    assert data.select("[:75%]").subset(torch.tensor([2])).names == ("2",)
    assert data.select("[1:]").name == "four[1:]"
    for wrong in ([4], [-1], [True]):
        with pytest.raises(InputError, match=r"0 \.\.\. 3"):
            data.subset(wrong)
    with pytest.raises(InputError, match="none of the 4"):
        data.subset([])
    with pytest.raises(InputError, match="none of the 4"):
        data.select("[:0%]")


def test_fingerprint_changes_with_the_data_and_with_nothing_else(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing)
    prints = {data.fingerprint(), data.subset([0, 1]).fingerprint(), data.subset([1, 0]).fingerprint()}
    assert data.fingerprint() == make(tmp_path, Preprocessing(9, (0, 0, 0), (1, 1, 1)), cache=True).fingerprint()
    data.labels[0, 1] = 1
    prints.add(data.fingerprint())
    data.classes = ("odd", "even")
    prints.add(data.fingerprint())
    with data.paths[2].open("ab") as file:
        file.write(b"x")
    prints.add(data.fingerprint())
    assert len(prints) == 6
    assert all(len(p) == 64 for p in prints)


def test_maps_of_an_image_move_with_it(tmp_path: Path, preprocessing: Preprocessing) -> None:
    # A map of half the picture's size (6 x 8), with a mark in its left upper corner.
    maps = [torch.zeros(count, 3, 4, dtype=torch.uint8) for count in (1, 0, 2, 1)]
    maps[2][1, 0, 0] = 200
    plain = make(tmp_path, preprocessing, segmented=False).accompanied(maps)
    assert torch.equal(plain[2]["maps"], maps[2])
    flipped = make(tmp_path, preprocessing, augment=v2.RandomHorizontalFlip(1.0)).accompanied(maps)
    assert flipped[2]["maps"].nonzero().tolist() == [[1, 0, 3]]
    assert flipped[2]["maps"][1, 0, 3] == 200
    assert flipped[2]["segmentation"][0].tolist() == [255, 0, 0, 0, 1, 1, 1, 1]
    assert flipped[1]["maps"].shape == (0, 3, 4)
    assert torch.equal(plain.subset([3, 2])[1]["maps"], maps[2])


def test_there_are_maps_for_each_image(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing, segmented=False)
    with pytest.raises(InputError, match="maps: 1 for the 4 images of four"):
        data.accompanied([torch.zeros(1, 3, 4, dtype=torch.uint8)])
    assert "maps" not in data[0]


@pytest.mark.parametrize("cache", [False, True])
def test_where_there_is_no_segmentation_everything_is_void(
    tmp_path: Path, preprocessing: Preprocessing, cache: bool
) -> None:
    data = make(tmp_path, preprocessing, cache=cache)
    assert data.segmentations is not None
    some = LabelledImages(
        name=data.name,
        classes=data.classes,
        paths=data.paths,
        names=data.names,
        labels=data.labels,
        segmentations=[data.segmentations[0], None, *data.segmentations[2:]],
        lookup=data._lookup,
        preprocessing=preprocessing,
        cache=cache,
    )
    filled = some.with_void()
    for _ in range(2):
        assert (filled[1]["segmentation"] == 255).all()
        assert torch.equal(filled[0]["segmentation"], data[0]["segmentation"])
    assert (filled.subset([2, 1])[1]["segmentation"] == 255).all()
    assert "segmentation" not in some[0]
    assert data.with_void() is data
    # The same to measure with, whether or not a training did without.
    for opened in (some, some.without_segmentation(cache=cache), some.without_segmentation().subset([0, 1])):
        drawn = opened.with_what_is_drawn()
        assert (drawn[1]["segmentation"] == 255).all()
        assert torch.equal(drawn[0]["segmentation"], data[0]["segmentation"])
        assert "segmentation" not in opened[0]


def test_what_is_drawn_comes_back(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make(tmp_path, preprocessing)
    assert data.with_what_is_drawn() is data
    back = data.without_segmentation().subset([2, 0]).with_what_is_drawn()
    assert torch.equal(back[0]["segmentation"], data[2]["segmentation"])
    none = make(tmp_path, preprocessing, segmented=False).without_segmentation()
    assert none.with_what_is_drawn() is none


def make_many(folder: Path, preprocessing: Preprocessing, **options: object) -> LabelledImages:
    """Two pictures, 12 x 16, of 1,000 classes: columns of the numbers 300, 255, 0, 65535 (void), each four wide."""
    for i in range(2):
        Image.new("RGB", (16, 12)).save(folder / f"{i}.png")
        values = np.repeat(np.array([[300, 255, 0, 65535]], np.uint16), 4, 1).repeat(12, 0)
        Image.fromarray(values).save(folder / f"{i}-map.png")
    labels = torch.zeros(2, 1000)
    labels[:, [299, 254]] = 1
    return LabelledImages(
        name="many",
        classes=[f"c{c}" for c in range(1000)],
        paths=[folder / f"{i}.png" for i in range(2)],
        names=["0", "1"],
        labels=labels,
        segmentations=[folder / "0-map.png", None if options.pop("some", False) else folder / "1-map.png"],
        lookup=index_lookup(range(1, 1001), 1000),
        preprocessing=preprocessing,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("cache", [False, True])
def test_a_thousand_classes(tmp_path: Path, preprocessing: Preprocessing, cache: bool) -> None:
    data = make_many(tmp_path, preprocessing, cache=cache, augment=v2.RandomHorizontalFlip(p=1))
    for _ in range(2):
        found = data[0]["segmentation"]
        assert found.dtype == torch.int32
        assert found.tolist() == [[65535, 65535, 0, 0, 255, 255, 300, 300]] * 6
    assert collate([data[0], data[1]])["segmentation"].shape == (2, 6, 8)
    assert data.segmentation_map(0)[0, ::4].tolist() == [300, 255, 0, 65535]
    changed = data.with_background(["c299"]).with_background(["c7"])
    assert changed.background == ("c299", "c7")
    assert changed[0]["segmentation"][0].tolist() == [65535, 65535, 0, 0, 255, 255, 0, 0]
    assert data[0]["segmentation"][0, 7] == 300


def test_of_a_thousand_classes_a_picture_without_a_map_is_void(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = make_many(tmp_path, preprocessing, some=True).with_void()
    assert (data[1]["segmentation"] == 65535).all()
    assert (data.segmentation_map(1) == 65535).all()
    assert collate([data[0], data[1]])["segmentation"].dtype == torch.int32
