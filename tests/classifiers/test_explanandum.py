from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum, logits_of
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLASSES = ("cat", "dog", "bird")


class Living(nn.Module):
    """Everything that changes in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(4, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


class Shaped(nn.Module):
    """Logits in some wrapping."""

    def __init__(self, wrap: object) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, images: Tensor) -> object:
        return self.wrap(images.mean((2, 3)))


def explain(module: nn.Module, **changes: object) -> Explanandum:
    settings = {"classes": CLASSES, "activation": "sigmoid", "preprocessing": PREPROCESSING, **changes}
    return Explanandum(module, **settings)


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


WRAPPINGS = {
    "tensor": lambda z: z,
    "attribute": lambda z: SimpleNamespace(logits=z, hidden=None),
    "dict": lambda z: {"features": z + 1, "logits": z},
    "dict of one tensor": lambda z: {"out": z, "note": "text"},
    "tuple": lambda z: (z, z + 1),
    "list": lambda z: [z],
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_logits_are_found_in(name: str) -> None:
    expected = images().mean((2, 3))
    torch.testing.assert_close(explain(Shaped(WRAPPINGS[name]))(images()), expected)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("text", "returned a str"),
        ((), "returned a tuple"),
        (("text",), "returned a tuple"),
        ({"a": torch.zeros(1), "b": torch.zeros(1)}, r"keys \['a', 'b'\]"),
        (None, "returned a NoneType"),
    ],
)
def test_logits_are_not_guessed(output: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        logits_of(output)


def test_probabilities_by_hand() -> None:
    module = Shaped(lambda z: torch.tensor([[1.0, 2, 5]]).log().expand(len(z), 3))
    softmax, sigmoid = explain(module, activation="softmax"), explain(module)
    torch.testing.assert_close(softmax.probabilities(images(1)), torch.tensor([[1 / 8, 2 / 8, 5 / 8]]))
    torch.testing.assert_close(sigmoid.probabilities(images(1)), torch.tensor([[1 / 2, 2 / 3, 5 / 6]]))


def frozen_in_every_way(explained: Explanandum, parent: nn.Module) -> None:
    explained.train()
    parent.train()
    parent.train(True)
    explained.module.train()
    explained.module.body[3].train()


def test_nothing_thaws_it() -> None:
    module = Living()
    before_state = copy.deepcopy(module.state_dict())
    before = copy.deepcopy(module).eval()(images())
    explained = explain(module)
    parent = nn.Sequential(explained)
    frozen_in_every_way(explained, parent)
    assert not explained.training
    for _ in range(3):
        assert torch.equal(parent(images()), before)
        frozen_in_every_way(explained, parent)
        assert torch.equal(explained.probabilities(images()), before.sigmoid())
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before_state[name]), name
    assert not any(parameter.requires_grad for parameter in explained.parameters())
    with pytest.raises(InputError, match="frozen"):
        explained.requires_grad_(True)


def test_steps_over_an_explainer_leave_it_bit_identical() -> None:
    module = Living()
    explained = explain(module)
    before_state, before = copy.deepcopy(module.state_dict()), explained(images())
    explainer = Explainer(explained, "compact").train()
    optimiser = torch.optim.SGD(explainer.parameters(), lr=1.0, weight_decay=0.1, momentum=0.9)
    for _ in range(3):
        optimiser.zero_grad()
        masks = explainer.train()(images())
        explained((images()[:, None] * masks[:, :, None]).flatten(0, 1)).square().mean().backward()
        optimiser.step()
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before_state[name]), name
    assert torch.equal(explained(images()), before)


def test_gradients_reach_the_images() -> None:
    picture = images().requires_grad_()
    explain(Living())(picture).sum().backward()
    assert picture.grad.abs().sum() > 0


def test_outputs_and_classes_must_agree() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 3\).*4 classes.*expected \(1, 4\)"):
        explain(Living(), classes=["a", "b", "c", "d"])
    with pytest.raises(InputError, match=r"shape \(1, 3, 16, 16\)"):
        explain(nn.Identity())


def test_a_classifier_that_returns_nan_is_refused() -> None:
    module = Living()
    nn.init.constant_(module.head.bias, float("nan"))
    with pytest.raises(InputError, match="NaN"):
        explain(module)


def test_arguments_are_checked() -> None:
    with pytest.raises(InputError, match=r"the only class 'a'.*Take 'sigmoid'"):
        Explanandum(nn.Identity(), classes=["a"], activation="softmax", preprocessing=PREPROCESSING)
    with pytest.raises(InputError, match=r"activation='relu'.*'sigmoid'.*'softmax'"):
        explain(Living(), activation="relu")
    with pytest.raises(InputError, match="module is a str"):
        explain("resnet50")
    with pytest.raises(InputError, match=r"\['cat'\] occur twice"):
        explain(Living(), classes=["cat", "dog", "cat"])


def test_class_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n\n dog \nbird\n")
    assert explain(Living(), classes=tmp_path / "classes.txt").classes == CLASSES


def test_the_hash_knows_every_weight() -> None:
    module = Living()
    first = explain(copy.deepcopy(module)).weights_hash
    assert explain(copy.deepcopy(module)).weights_hash == first
    module.body[1].running_mean[2] += 1e-6
    assert explain(module).weights_hash != first


def test_it_can_be_copied() -> None:
    explained = explain(Living())
    twin = copy.deepcopy(explained)
    assert twin.weights_hash == explained.weights_hash
    assert torch.equal(twin(images()), explained(images()))


def test_identity_tells_classifiers_apart() -> None:
    module = Living()
    identity = explain(module).identity()
    assert identity["classes"] == list(CLASSES)
    assert explain(module).identity() == identity
    assert explain(module, activation="softmax").identity() != identity


def test_pictures_are_laid_out_for_networks_of_convolutions_alone() -> None:
    preprocessing = Preprocessing(16, (0.5,) * 3, (0.5,) * 3)
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    patches = [nn.Conv2d(3, 4, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    images = torch.randn(2, 3, 16, 16)
    for parts, quick in ((layers, True), (patches, False)):
        explained = Explanandum(
            nn.Sequential(*parts), classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing
        )
        laid_out = explained.laid_out(images)
        assert torch.equal(laid_out, images)
        assert laid_out.is_contiguous(memory_format=torch.channels_last) == quick
        torch.testing.assert_close(explained.probabilities(laid_out), explained.probabilities(images))
