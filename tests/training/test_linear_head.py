from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from explanans.classifiers import SmallResNet
from explanans.data import loader, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.linear_head import fit_head, head_features


def test_features_are_what_the_head_sees_of_pictures_and_mirror_images(scenes: str) -> None:
    dataset = open_dataset(scenes, "val", preprocessing=Preprocessing(48, (0.5,) * 3, (0.5,) * 3))  # type: ignore[arg-type]
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 9, 8), nn.Dropout(), nn.Flatten(), nn.Linear(100, 6)).train()
    head = module[-1]
    assert isinstance(head, nn.Linear)
    features, labels = head_features(module, head, loader(dataset, 8), nullcontext())
    images = torch.stack([dataset[index]["image"] for index in range(8)])
    module.eval()
    expected = torch.cat([module[:3](images), module[:3](images.flip(-1))])
    torch.testing.assert_close(features, expected)
    assert torch.equal(labels, dataset.labels.repeat(2, 1))
    assert not head._forward_pre_hooks
    assert not features.requires_grad


def test_converges_on_what_is_separable() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (200, 2), generator=generator).float()
    features = (2 * labels - 1).repeat(1, 4) + 0.1 * torch.randn(200, 8, generator=generator)
    torch.manual_seed(0)
    head = nn.Linear(8, 2)
    assert fit_head(head, features, labels, "sigmoid", epochs=1, seed=0) > 0.4
    fit_head(head, features, labels, "sigmoid", epochs=300, seed=0)
    with torch.no_grad():
        assert ((head(features) > 0) == labels.bool()).all()


def test_a_head_that_is_not_called_is_an_error(scenes: str) -> None:
    dataset = open_dataset(scenes, "val", preprocessing=Preprocessing(48, (0.5,) * 3, (0.5,) * 3))  # type: ignore[arg-type]
    module = SmallResNet(6)
    with pytest.raises(InputError, match="head_epochs=0"):
        head_features(module, module.head, loader(dataset, 8), nullcontext())
