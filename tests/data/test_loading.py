from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.data.datasets.folder import ImageFolder
from explanans.data.loading import EpochSampler, loader
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_batches(folder: Path, preprocessing: Preprocessing) -> None:
    data = ImageFolder(folder, preprocessing=preprocessing)
    batches = list(loader(data, 4))
    assert [b["index"].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[0]["image"].shape == (4, 3, 6, 8)
    assert torch.equal(torch.cat([b["labels"] for b in batches]), data.labels)
    assert "segmentation" not in batches[0]
    assert len(list(loader(data, 4, drop_last=True))) == 2


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    a, b = EpochSampler(50, seed=1), EpochSampler(50, seed=1)
    epochs = [list(a) for _ in range(3)]
    assert sorted(epochs[0]) == list(range(50))
    assert epochs[0] != epochs[1]
    b.set_epoch(2)
    assert list(b) == epochs[2]
    assert list(EpochSampler(50, seed=2)) != epochs[0]


def test_what_comes_beside_is_in_every_batch_and_goes_round() -> None:
    sampler = EpochSampler(20, seed=1, beside=[3, 5, 7], batch=6, each=2)
    first, second = list(sampler), list(sampler)
    assert len(sampler) == len(first) == 30
    batches = [first[at : at + 6] for at in range(0, 30, 6)]
    assert sorted(index for batch in batches for index in batch[:4]) == list(range(20))
    beside = [index for batch in batches for index in batch[4:]]
    assert [sorted(beside[at : at + 3]) for at in range(0, 9, 3)] == [[3, 5, 7]] * 3
    assert first != second
    again = EpochSampler(20, seed=1, beside=[3, 5, 7], batch=6, each=2)
    again.set_epoch(1)
    assert list(again) == second
    # Seven are two batches of three others, and one that waits.
    assert len(list(EpochSampler(7, seed=1, beside=[0], batch=4, each=1))) == 8


def test_a_picture_that_comes_twice_in_an_epoch_is_changed_anew(folder: Path, preprocessing: Preprocessing) -> None:
    data = ImageFolder(folder, preprocessing=preprocessing, augment=Drawing())
    (batch,) = loader(data, 15, shuffle=True, seed=0, workers=1, drop_last=True, beside=[2], each=5)
    twice = batch["image"][batch["index"] == 2]
    assert len(twice) == 6
    # Of a hundred values two may be the same.
    assert len(twice.unique(dim=0)) >= 5


def test_workers_fill_one_cache_and_give_the_same_batches(folder: Path, preprocessing: Preprocessing) -> None:
    plain = ImageFolder(folder, preprocessing=preprocessing)
    cached = ImageFolder(folder, preprocessing=preprocessing, cache=True)
    expected = list(loader(plain, 4, shuffle=True, seed=3))
    for one, other in zip(expected, loader(cached, 4, shuffle=True, seed=3, workers=1), strict=True):
        assert torch.equal(one["index"], other["index"])
        assert torch.equal(one["image"], other["image"])
    for path in cached.paths:
        path.unlink()
    assert torch.equal(
        cached[0]["image"],
        torch.cat([b["image"] for b in expected])[torch.cat([b["index"] for b in expected]).tolist().index(0)],
    )


class Drawing:
    """Adds a number from each of the generators, so that no two draws are alike."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        number = torch.rand(()).item() + np.random.rand() + random.random()
        return (image + 100 * number / 3).to(image.dtype)


def augmented(folder: Path, preprocessing: Preprocessing, seed: int, workers: int, epochs: int, first: int = 0) -> list:
    data = ImageFolder(folder, preprocessing=preprocessing, augment=Drawing())
    batches = loader(data, 5, shuffle=True, seed=seed, workers=workers)
    # As lightning does where a training is resumed.
    batches.sampler.set_epoch(first)  # type: ignore[attr-defined]
    return [[(b["index"], b["image"]) for b in batches] for _ in range(epochs)]


def same(one: list, other: list) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_augmentation_is_the_same_with_any_number_of_workers_and_after_a_resumption(
    folder: Path, preprocessing: Preprocessing
) -> None:
    first, second = augmented(folder, preprocessing, 0, 1, 2)
    assert not same(first, second)
    for workers in (1, 3):
        again = augmented(folder, preprocessing, 0, workers, 2)
        assert same(first, again[0])
        assert same(second, again[1])
    assert same(second, augmented(folder, preprocessing, 0, 2, 1, first=1)[0])
    assert not same(first, augmented(folder, preprocessing, 1, 1, 1)[0])


def test_every_picture_of_an_epoch_is_drawn_for_by_itself(folder: Path, preprocessing: Preprocessing) -> None:
    """The same picture ten times, in ten ways."""
    data = ImageFolder(folder, preprocessing=preprocessing, augment=Drawing()).subset([0] * 10)
    (batch,) = loader(data, 10, shuffle=True, seed=0, workers=1)
    assert len({tuple(image.flatten().tolist()) for image in batch["image"]}) == 10


def test_a_bad_picture_keeps_its_error_through_a_worker(folder: Path, preprocessing: Preprocessing) -> None:
    data = ImageFolder(folder, preprocessing=preprocessing)
    data.paths[7].write_bytes(b"no picture")
    with pytest.raises(ImageError, match=data.paths[7].name):
        list(loader(data, 4, workers=1))
