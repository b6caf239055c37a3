from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import timm
import torch

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks import TrunkHead, build_network
from explanans.explainers.saving import CONFIG
from explanans.images.preprocessing import Preprocessing

MODELS = ["mobilenetv2_035", "resnet14t", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]


def classifier(name: str = "mobilenetv2_035", size: int = 64) -> Explanandum:
    torch.manual_seed(0)
    arguments: dict[str, int] = {}
    if name.startswith("vit"):
        arguments = {"img_size": size, "embed_dim": 48}
    if name.startswith("swin"):
        arguments = {"img_size": size, "window_size": 2, "embed_dim": 24}
    module = timm.create_model(name, num_classes=3, **arguments)
    preprocessing = Preprocessing(size, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=("a", "b", "c"), activation="softmax", preprocessing=preprocessing)


@pytest.mark.parametrize("name", MODELS)
def test_one_pass_answers_and_explains(name: str) -> None:
    given = classifier(name)
    explainer = Explainer(given, "trunk?width=8&depth=1").eval()
    images = torch.randn(2, 3, 64, 64)
    passes = []
    handle = given.module.register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():
        probabilities, masks = explainer.predict_and_explain(images)
    handle.remove()
    assert len(passes) == 1
    assert torch.equal(probabilities, given.probabilities(images))
    assert masks.shape == (2, 3, 64, 64)
    assert torch.equal(masks, explainer(images))
    assert masks.min() > 0
    assert masks.max() < 1


def test_another_network_answers_in_two_passes() -> None:
    given = classifier()
    explainer = Explainer(given, "compact", encoder_weights=None).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        probabilities, masks = explainer.predict_and_explain(images)
        assert torch.equal(probabilities, given.probabilities(images))
        assert torch.equal(masks, explainer(images))


@pytest.mark.parametrize("name", ["mobilenetv2_035", "vit_tiny_patch16_224"])
def test_a_step_moves_the_head_and_nothing_else(name: str) -> None:
    given = classifier(name)
    explainer = Explainer(given, "trunk?width=8")
    explainer.train()
    before = copy.deepcopy(given.module.state_dict())
    head = copy.deepcopy(explainer.network.state_dict())
    optimiser = torch.optim.SGD(explainer.network.parameters(), 0.1)
    explainer.network(torch.randn(4, 3, 64, 64)).square().mean().backward()
    optimiser.step()
    for key, value in given.module.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in given.module.parameters())
    assert all(parameter.grad is not None for parameter in explainer.network.parameters())
    assert any(not torch.equal(value, head[key]) for key, value in explainer.network.state_dict().items())


def test_the_head_holds_no_weight_of_the_classifier() -> None:
    given = classifier()
    network = build_network("trunk?width=8", 3, explanandum=given)
    own = {id(parameter) for parameter in given.module.parameters()}
    assert not own & {id(parameter) for parameter in network.parameters()}
    assert isinstance(network, TrunkHead)
    assert not any("module" in name for name in network.state_dict())
    # A copy, such as the running average of a training, reads the same classifier.
    copied = copy.deepcopy(network).eval()
    assert copied._shared.explanandum is given
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(copied(images), network.eval()(images))


def test_a_copied_explainer_reads_its_own_classifier() -> None:
    explainer = Explainer(classifier(), "trunk?width=8").eval()
    copied = copy.deepcopy(explainer)
    assert copied.network._shared.explanandum is copied.explanandum
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = explainer(images)
        for parameter in copied.explanandum.module.parameters():
            parameter.zero_()
        assert torch.equal(explainer(images), before)
        assert not torch.equal(copied(images), before)


def test_a_head_that_would_read_other_layers_is_refused(tmp_path: Path) -> None:
    given = classifier()
    explainer = Explainer(given, "trunk?width=8")
    explainer.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / CONFIG).read_text())
    assert config["layers"] == ["blocks.1", "blocks.2", "blocks.4", "bn2"]
    config["layers"][1] = "blocks.2.0"
    (tmp_path / "saved" / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"trained on the layers .*blocks\.2\.0.*would read"):
        Explainer.from_pretrained(tmp_path / "saved", explanandum=given)
    # Saved by a version that did not write them down.
    del config["layers"]
    (tmp_path / "saved" / CONFIG).write_text(json.dumps(config))
    assert Explainer.from_pretrained(tmp_path / "saved", explanandum=given).network.layers == explainer.network.layers


def test_saved_loaded_and_folded(tmp_path: Path) -> None:
    given = classifier()
    explainer = Explainer(given, "trunk?width=8").eval()
    for part in explainer.network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = explainer(images)
        explainer.save_pretrained(tmp_path / "saved")
        loaded = Explainer.from_pretrained(tmp_path / "saved", explanandum=given)
        assert torch.equal(loaded(images), expected)
        folded = explainer.folded()
        assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.network.modules())
        probabilities, masks = folded.predict_and_explain(images)
    assert torch.allclose(masks, expected, atol=1e-4)
    assert torch.equal(probabilities, given.probabilities(images))


def test_other_sizes_where_the_classifier_takes_them() -> None:
    explainer = Explainer(classifier(), "trunk?width=8").eval()
    with torch.no_grad():
        assert explainer(torch.randn(1, 3, 96, 128)).shape == (1, 3, 96, 128)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trunk?width=0", "width='0'; give a whole number of at least 1"),
        ("trunk?wide=3", "'wide' is no option of it .did you mean 'width'?"),
        ("trunk?depth=x", "depth='x'; give a whole number"),
    ],
)
def test_settings_that_it_does_not_have(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Explainer(classifier(), name)


def test_a_trunk_needs_a_classifier() -> None:
    with pytest.raises(InputError, match="Explainer"):
        build_network("trunk", 3)
