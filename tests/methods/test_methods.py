"""What all methods have in common."""

from __future__ import annotations

import gc
import sys
import warnings

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans import Explainer, Explanandum, InputError, Preprocessing, methods
from explanans.methods import METHODS, Entry, Method, make_method
from explanans.methods.base import PairMethod, listed, pairs_of

SIZE = 16


class Tiny(nn.Module):
    """Something for every method: a convolution, a ReLU, attention over patches, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = functional.avg_pool2d(self.features(images), 4).flatten(2).mT[:, None]
        return self.head(functional.scaled_dot_product_attention(tokens, tokens, tokens).mean((1, 2)))


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    torch.manual_seed(0)
    return Explanandum(
        Tiny(), classes=["a", "b"], activation="sigmoid", preprocessing=Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
    )


# What a method needs besides a classifier, and settings that make it quick.
SETTINGS = {
    "explainer": lambda classifier: {"explainer": Explainer(classifier, nn.Conv2d(3, 2, 1))},
    "rtis": lambda classifier: {"explainer": Explainer(classifier, nn.Conv2d(3, 2, 1))},
    "integrated_gradients": lambda classifier: {"steps": 4},
    "smoothgrad": lambda classifier: {"steps": 4},
    "gradient_shap": lambda classifier: {"steps": 4},
    "occlusion": lambda classifier: {"window": 0.5, "stride": 0.25},
    "lime": lambda classifier: {"samples": 20, "segments": 9},
    "kernel_shap": lambda classifier: {"samples": 20, "segments": 9},
    "rise": lambda classifier: {"masks": 50, "batch_size": 16},
    "extremal_perturbation": lambda classifier: {"iterations": 5, "step": 4, "sigma": 4.0, "batch_size": 8},
    "igos_pp": lambda classifier: {"size": 4, "iterations": 2, "steps": 3},
}


def made(name: str, classifier: Explanandum) -> Method:
    if METHODS[name].extra:
        pytest.importorskip(METHODS[name].extra)
    return make_method(name, classifier, **SETTINGS.get(name, lambda classifier: {})(classifier))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_one_signature(classifier: Explanandum, name: str) -> None:
    method = made(name, classifier)
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[True, False], [False, True], [False, False]])
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


@pytest.mark.parametrize("name", METHODS)
def test_pairs_stand_in_the_order_of_what_is_asked(classifier: Explanandum, name: str) -> None:
    method = made(name, classifier)
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    asked = torch.tensor([[True, True], [False, False], [False, True]])
    assert isinstance(method, PairMethod)
    together = method.pairs(images, asked, torch.Generator().manual_seed(1))
    assert together.shape == (3, SIZE, SIZE)
    if METHODS[name].build in (methods.SmoothGrad, methods.GradientSHAP):
        # Their noise is drawn for the pairs of a call together.
        return
    for pair, (image, column) in zip(together, asked.nonzero(), strict=True):
        only = torch.zeros(1, 2, dtype=torch.bool)
        only[0, column] = True
        alone = method.pairs(images[image : image + 1], only, torch.Generator().manual_seed(1))[0]
        assert torch.allclose(pair, alone, rtol=1e-3, atol=1e-5)
    assert method.pairs(images, torch.zeros(3, 2, dtype=torch.bool)).shape == (0, SIZE, SIZE)


def test_a_callable_that_knows_no_pairs() -> None:
    maps = torch.arange(2 * 3 * 4.0).view(2, 3, 2, 2)
    asked = torch.tensor([[False, True, False], [True, False, True]])
    found = pairs_of(lambda images, targets, generator=None: maps, torch.zeros(2, 3, 2, 2), asked)
    assert found.tolist() == [maps[0, 1].tolist(), maps[1, 0].tolist(), maps[1, 2].tolist()]


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_left_after_many_calls(classifier: Explanandum, name: str) -> None:
    method, images = made(name, classifier), torch.rand(1, 3, SIZE, SIZE)

    def tensors() -> int:
        gc.collect()
        return sum(isinstance(each, Tensor) for each in gc.get_objects())

    with warnings.catch_warnings():
        # Some objects warn when they are looked at.
        warnings.simplefilter("ignore")
        method(images, "a")
        before = tensors()
        for _ in range(50 if name not in SETTINGS else 5):
            method(images, "a")
        assert tensors() <= before
    assert not any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in parts(classifier))


def parts(classifier: Explanandum) -> list[nn.Module]:
    return list(classifier.modules())


@pytest.mark.parametrize("name", METHODS)
def test_global_generators_are_left_alone(classifier: Explanandum, name: str) -> None:
    method, images = made(name, classifier), torch.rand(1, 3, SIZE, SIZE)
    torch.manual_seed(3)
    numpy.random.seed(3)
    expected = torch.rand(2), numpy.random.rand(2)
    torch.manual_seed(3)
    numpy.random.seed(3)
    method(images, "a", torch.Generator().manual_seed(0))
    assert torch.equal(torch.rand(2), expected[0])
    assert (numpy.random.rand(2) == expected[1]).all()


def test_an_unknown_method_lists_the_known(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match=r"'grad-cam' is not known.*grad_cam"):
        make_method("grad-cam", classifier)


def test_a_method_that_nearly_is_one(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match=r"not known \(did you mean 'grad_cam_pp'\?\); take"):
        make_method("gradcam++", classifier)
    with pytest.raises(InputError, match=r"did you mean 'grad_cam', and 'layer=0' as settings of it\?.*by name"):
        make_method("grad_cam?layer=0", classifier)


def test_an_unknown_setting_is_named(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match=r"'grad_cam'.*'lair'"):
        make_method("grad_cam", classifier, lair="0")


@pytest.mark.parametrize("name", [name for name, entry in METHODS.items() if entry.extra == "captum"])
def test_a_missing_extra_says_what_to_install(
    name: str, classifier: Explanandum, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None stands for a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(InputError, match=r"needs captum.*pip install 'explanans\[captum\]'"):
        make_method(name, classifier)


def shipped() -> dict[str, Entry]:
    """Without what other tests have listed."""
    return {name: entry for name, entry in METHODS.items() if entry.build.__module__.startswith("explanans.")}


def test_the_classes_say_what_they_are_called_and_what_they_need() -> None:
    asks_only = {name for name, entry in shipped().items() if entry.black_box}
    constants = {"constant_0", "constant_half", "constant_1", "constant_seen"}
    assert asks_only == {"explainer", "rtis", "rise", "occlusion", "lime", "kernel_shap"} | constants
    assert METHODS["grad_cam"].build is methods.GradCAM
    assert METHODS["layer_cam"].needs == ("gradients", "layers")
    assert METHODS["score_cam"].needs == ("layers",)
    assert METHODS["attention_relevance"].build is METHODS["attention_rollout"].build is methods.AttentionRollout
    assert METHODS["constant_half"].normalisation == "raw"


def test_every_class_can_be_imported_from_the_package() -> None:
    own = [entry.build for name, entry in shipped().items() if name not in ("explainer", "rtis")]
    assert len(own) == 22
    assert all(getattr(methods, kind.__name__) is kind for kind in own)


def test_settings_of_an_entry_tell_it_from_the_others_of_its_class(classifier: Explanandum) -> None:
    values = {"constant_0": 0.0, "constant_half": 0.5, "constant_1": 1.0}
    for name, value in values.items():
        assert (make_method(name, classifier)(torch.zeros(1, 3, 2, 2), "a")[0, 0] == value).all()
    assert make_method("constant_0", classifier, value=0.25)(torch.zeros(1, 3, 2, 2), "a").max() == 0.25


def test_no_name_is_taken_twice_or_cut_in_two() -> None:
    for name in ("grad_cam", "constant_0.5"):
        with pytest.raises(ValueError, match=rf"{name!r} is taken or holds a dot"):
            listed(name, "any")
    assert "constant_0.5" not in METHODS
