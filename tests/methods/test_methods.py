"""What all methods have in common."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explanans import Explainer, Explanandum, InputError, Preprocessing
from explanans.methods import METHODS, Entry, make_method

SIZE = 16


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    return Explanandum(
        module, classes=["a", "b"], activation="sigmoid", preprocessing=Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
    )


# What a method needs besides a classifier, and settings that make it quick.
SETTINGS = {
    "explainer": lambda classifier: {"explainer": Explainer(classifier, nn.Conv2d(3, 2, 1))},
    "rise": lambda classifier: {"masks": 50, "batch_size": 16},
    "extremal_perturbation": lambda classifier: {"iterations": 5, "step": 4, "sigma": 4.0, "batch_size": 8},
    "igos_pp": lambda classifier: {"size": 4, "iterations": 2, "steps": 3},
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_one_signature(classifier: Explanandum, name: str) -> None:
    if METHODS[name].extra:
        pytest.importorskip({"captum": "captum", "gradcam": "pytorch_grad_cam"}[METHODS[name].extra])
    settings = SETTINGS.get(name, lambda classifier: {})(classifier)
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[True, False], [False, True], [False, False]])
    method = make_method(name, classifier, **settings)
    maps = method(images, targets, torch.Generator().manual_seed(1))
    assert maps.shape == (3, 2, SIZE, SIZE)
    assert maps.dtype == images.dtype
    assert not maps.requires_grad
    assert maps.isfinite().all()
    assert (maps[~targets] == 0).all()
    # The same draws, and no hook, gradient or mode left behind.
    assert torch.equal(maps, method(images, targets, torch.Generator().manual_seed(1)))
    assert not any(part._forward_hooks or part._backward_hooks or part.training for part in classifier.modules())
    if METHODS[name].normalisation == "raw":
        assert maps.min() >= 0
        assert maps.max() <= 1


def test_an_unknown_method_lists_the_known(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match=r"'grad-cam' is not known.*grad_cam"):
        make_method("grad-cam", classifier)


def test_an_unknown_setting_is_named(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match=r"'grad_cam'.*'lair'"):
        make_method("grad_cam", classifier, lair="0")


def test_a_missing_extra_says_what_to_install(classifier: Explanandum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "far", Entry("Far", "no_such_package.far:Far", extra="captum"))
    with pytest.raises(InputError, match=r"needs no_such_package.*explanans\[captum\]"):
        make_method("far", classifier)
