from __future__ import annotations

import pytest
import torch

from explanans.audit.features import Embedder, colours
from explanans.classifiers.explanandum import Explanandum


def test_features_are_those_of_the_kept_part(explanandum: Explanandum) -> None:
    """Red kept and green hidden: the mix of red alone, of length 1."""
    images = torch.zeros(1, 3, 32, 32)
    images[0, :, 8:16, 8:16] = torch.tensor([1.0, -1.0, -1.0])[:, None, None]
    images[0, :, 20:24, 20:24] = torch.tensor([-1.0, 1.0, -1.0])[:, None, None]
    kept = torch.zeros(1, 32, 32, dtype=torch.bool)
    kept[0, 8:16, 8:16] = True
    embedder = Embedder(explanandum)
    assert embedder.layer == "mix"
    # Own − half the others: 2, −1, −1 in [−1, 1], of length √6.
    assert embedder(images, kept)[0].tolist() == pytest.approx([2 / 6**0.5, -1 / 6**0.5, -1 / 6**0.5], abs=1e-5)
    assert embedder(images * torch.nan, kept).isnan().all()
    assert not embedder(images, kept & False).any()


def test_without_layers_the_logits_are_the_features() -> None:
    from explanans.images.preprocessing import Preprocessing

    box = Explanandum.from_function(
        lambda pictures: [[0.2, 0.8]] * len(pictures),
        classes=["a", "b"],
        outputs="softmax",
        preprocessing=Preprocessing(8, (0.5,) * 3, (0.5,) * 3),
    )
    embedder = Embedder(box)
    assert embedder.layer == "logits"
    assert embedder(torch.zeros(2, 3, 8, 8), torch.ones(2, 8, 8, dtype=torch.bool)).shape == (2, 2)


def test_colours_by_hand() -> None:
    pixels = torch.zeros(1, 3, 1, 4)
    pixels[0, :, 0, 0] = torch.tensor([1.0, 0.0, 0.3])
    kept = torch.tensor([[[True, True, False, False]]])
    found = colours(pixels, kept)[0]
    # Bins of red 3, green 0, blue 1 and of black.
    assert found[3 * 16 + 1] == 0.5
    assert found[0] == 0.5
    assert found.sum() == 1
    assert not colours(pixels, kept & False).any()
