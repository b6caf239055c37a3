from __future__ import annotations

import gc
import weakref

import pytest
from torch import Tensor, nn

from explanans.classifiers import layers
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import last_spatial_layer, layer_of_stride
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing


class Net(nn.Module):
    """A grid of ``stride`` pixels per position, called ``name``."""

    def __init__(self, name: str = "features", stride: int = 16) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(3, 4, stride, stride=stride))
        self.name, self.head = name, nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.get_submodule(self.name)(images).mean((2, 3)))


def classifier(module: nn.Module) -> Explanandum:
    preprocessing = Preprocessing(64, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=["a", "b"], activation="softmax", preprocessing=preprocessing)


@pytest.fixture
def surveys(monkeypatch: pytest.MonkeyPatch) -> list[Explanandum]:
    """The classifiers that were looked through, in order."""
    made: list[Explanandum] = []
    survey = layers.survey
    monkeypatch.setattr(layers, "survey", lambda explanandum: made.append(explanandum) or survey(explanandum))
    return made


def test_a_classifier_is_looked_through_once_for_each_question(surveys: list[Explanandum]) -> None:
    first, second = classifier(Net()), classifier(Net("body"))
    for _ in range(2):
        assert (layer_of_stride(first), layer_of_stride(second)) == ("features", "body")
    assert surveys == [first, second]
    # Moved, and with other weights, its layers are where they were.
    first.double().load_state_dict(classifier(Net()).double().state_dict())
    assert layer_of_stride(first) == "features"
    assert len(surveys) == 2
    assert layer_of_stride(first, 8 * 4) == last_spatial_layer(first) == "features"
    assert len(surveys) == 4


def test_other_parts_are_looked_through_anew(surveys: list[Explanandum]) -> None:
    given = classifier(Net())
    assert layer_of_stride(given) == "features"
    given.module = Net("body")
    assert layer_of_stride(given) == "body"
    # Of the same name, but another layer, which is too coarse.
    given.module.body = nn.Conv2d(3, 4, 32, stride=32)
    with pytest.raises(InputError, match="stride 16 or finer"):
        layer_of_stride(given)
    given.module.body = nn.Conv2d(3, 4, 16, stride=16)
    assert layer_of_stride(given) == "body"
    given.preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3)
    assert layer_of_stride(given) == "body"
    assert len(surveys) == 5


def test_no_classifier_is_kept_alive() -> None:
    given = classifier(Net())
    layer_of_stride(given)
    last_spatial_layer(given)
    gone, module = weakref.ref(given), weakref.ref(given.module)
    del given
    gc.collect()
    assert gone() is module() is None
