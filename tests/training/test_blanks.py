from __future__ import annotations

import torch

from explanans.images.preprocessing import Preprocessing
from explanans.training.blanks import blank_pictures, hide_cells

PREPROCESSING = Preprocessing(28, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_blank_pictures_hold_nothing() -> None:
    images = torch.randn(3, 3, 28, 28, generator=generator())
    blanks = blank_pictures(images, 40, PREPROCESSING, generator())
    assert blanks.shape == (40, 3, 28, 28)
    spread = blanks.std((2, 3)).amax(1)
    # Ten each: mean colour and flat colour without any spread, noise (0.11 / 0.25 where nothing clips), a faint blur.
    assert int((spread == 0).sum()) == 20
    assert int((blanks.abs().amax((1, 2, 3)) == 0).sum()) == 10
    assert spread.max() < 0.5
    # Inside what a picture can be: black is −2, white is 2.
    assert blanks.abs().max() <= 2 + 1e-6


def test_fewer_blanks_than_kinds() -> None:
    images = torch.randn(2, 3, 14, 14)
    assert blank_pictures(images, 1, PREPROCESSING).shape == (1, 3, 14, 14)


def test_hides_whole_cells_of_some_images_and_leaves_the_rest() -> None:
    images = torch.randn(64, 3, 28, 28, generator=generator())
    hidden = hide_cells(images, PREPROCESSING, generator=generator())
    changed = (hidden != images).any(1)
    cells = changed.reshape(64, 7, 4, 7, 4).permute(0, 1, 3, 2, 4).flatten(3)
    assert ((cells.all(3)) | (~cells.any(3))).all()
    touched = changed.flatten(1).any(1)
    assert 20 <= int(touched.sum()) <= 40
    assert changed[touched].float().mean((1, 2)).max() < 0.75
    untouched = hide_cells(images, PREPROCESSING, share=0.0)
    assert torch.equal(untouched, images)


def test_same_generator_same_pictures() -> None:
    images = torch.randn(4, 3, 14, 14)
    assert torch.equal(
        blank_pictures(images, 8, PREPROCESSING, generator()), blank_pictures(images, 8, PREPROCESSING, generator())
    )
