from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.saving import CLASSIFIER, CONFIG, WEIGHTS
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLASSES = ("cat", "dog", "bird")


def classifier(seed: int = 0, *, from_source: bool = True) -> Explanandum:
    torch.manual_seed(seed)
    source = Source("explanans:small_resnet", {"num_classes": 3}) if from_source else None
    return Explanandum(
        SmallResNet(3), classes=CLASSES, activation="sigmoid", preprocessing=PREPROCESSING, source=source
    )


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def explainer() -> Explainer:
    made = Explainer(classifier(), "compact")
    # The masks of a new network are all but flat, so that nothing could be told apart.
    nn.init.normal_(made.network.head.weight, std=2.0, generator=torch.Generator().manual_seed(1))
    return made.eval()


def test_masks_have_the_images_size_and_lie_in_the_unit_interval(explainer: Explainer) -> None:
    masks = explainer(images())
    assert masks.shape == (2, 3, 32, 32)
    assert 0 <= masks.min() < masks.max() <= 1
    torch.testing.assert_close(explainer.logits(images()).sigmoid(), masks)
    assert explainer.head_logits(images()).shape == (2, 3, 16, 16)
    assert explainer.classes == CLASSES


def test_a_network_of_ones_own() -> None:
    explainer = Explainer(classifier(), nn.Conv2d(3, 3, 1))
    assert explainer(images()).shape == (2, 3, 32, 32)
    with pytest.raises(InputError, match=r"returned \(2, 4, 32, 32\) for 2 images and 3 classes"):
        Explainer(classifier(), nn.Conv2d(3, 4, 1))(images())


def test_only_the_network_is_trained(explainer: Explainer) -> None:
    explainer.train()
    assert explainer.network.training
    assert not explainer.explanandum.training
    explainer(images()).mean().backward()
    assert all(parameter.grad is None for parameter in explainer.explanandum.parameters())
    assert explainer.network.head.weight.grad is not None


def test_attribute_follows_captums_convention(explainer: Explainer) -> None:
    masks = explainer(images())
    attributions = explainer.attribute(images(), target=torch.tensor([2, 0]))
    assert attributions.shape == images().shape
    assert not attributions.requires_grad
    for channel in range(3):
        torch.testing.assert_close(attributions[:, channel], torch.stack([masks[0, 2], masks[1, 0]]))


def test_attribute_takes_every_form_of_a_target(explainer: Explainer) -> None:
    masks = explainer(images())
    torch.testing.assert_close(explainer.attribute(images(), "dog")[:, 0], masks[:, 1])
    torch.testing.assert_close(explainer.attribute(images(), ["cat", 2])[:, 0], masks[:, [0, 2]].amax(1))
    multi_hot = torch.tensor([[1, 1, 0], [0, 0, 0]])
    expected = torch.stack([masks[0, :2].amax(0), torch.zeros(32, 32)])
    torch.testing.assert_close(explainer.attribute(images(), multi_hot)[:, 0], expected)
    best = explainer.explanandum(images()).argmax(1)
    torch.testing.assert_close(explainer.attribute(images()), explainer.attribute(images(), best))
    with pytest.raises(InputError, match="'fish' is not a class"):
        explainer.attribute(images(), "fish")


def test_attribute_evaluates_and_restores_every_mode(explainer: Explainer) -> None:
    expected = explainer.attribute(images(), "dog")
    explainer.train()
    explainer.network.head.eval()
    modes = [part.training for part in explainer.modules()]
    norm = next(part for part in explainer.network.modules() if isinstance(part, nn.BatchNorm2d))
    statistics = norm.running_mean.clone()
    assert torch.equal(explainer.attribute(images(), "dog"), expected)
    assert [part.training for part in explainer.modules()] == modes
    assert torch.equal(norm.running_mean, statistics)


def test_round_trip_with_the_classifier(explainer: Explainer, tmp_path: Path) -> None:
    explainer.facts = {"data": "scenes", "seed": 3}
    explainer.save_pretrained(tmp_path / "explainer")
    again = Explainer.from_pretrained(tmp_path / "explainer")
    assert not again.training
    assert torch.equal(again(images()), explainer(images()))
    assert torch.equal(again.explanandum(images()), explainer.explanandum(images()))
    assert again.facts == {"data": "scenes", "seed": 3}
    assert again.network_name == "compact"
    saved = {path.relative_to(tmp_path / "explainer").as_posix() for path in (tmp_path / "explainer").rglob("*.*")}
    assert saved == {CONFIG, WEIGHTS, "README.md", f"{CLASSIFIER}/explanandum.json", f"{CLASSIFIER}/{WEIGHTS}"}


def test_saving_again_replaces_everything(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    other = Explainer(classifier(seed=5), "compact").eval()
    other.save_pretrained(tmp_path / "explainer")
    again = Explainer.from_pretrained(tmp_path / "explainer")
    assert torch.equal(again(images()), other(images()))
    assert again.explanandum.weights_hash == other.explanandum.weights_hash


def test_the_configuration_names_the_classifier(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    config = json.loads((tmp_path / "explainer" / CONFIG).read_text())
    assert config["classifier"] == json.loads(json.dumps(explainer.explanandum.identity()))


def test_another_classifier_is_refused_unless_asked_for(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    other = classifier(seed=1)
    with pytest.raises(InputError, match=r"another classifier: weights_hash differ.*allow_other_classifier=True"):
        Explainer.from_pretrained(tmp_path / "explainer", explanandum=other)
    again = Explainer.from_pretrained(tmp_path / "explainer", explanandum=other, allow_other_classifier=True)
    assert again.explanandum is other
    renamed = Explanandum(
        explainer.explanandum.module,
        classes=("cat", "dog", "fish"),
        activation="softmax",
        preprocessing=Preprocessing(64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    )
    with pytest.raises(InputError, match="classes, activation, preprocessing differ"):
        Explainer.from_pretrained(tmp_path / "explainer", explanandum=renamed)


def test_a_classifier_in_hand_must_be_given_again(tmp_path: Path) -> None:
    explained = classifier(from_source=False)
    Explainer(explained, "compact").save_pretrained(tmp_path / "explainer")
    with pytest.raises(InputError, match=r"was not saved with it.*pass explanandum="):
        Explainer.from_pretrained(tmp_path / "explainer")
    assert Explainer.from_pretrained(tmp_path / "explainer", explanandum=explained).explanandum is explained


def test_a_network_in_hand_must_be_given_again(tmp_path: Path) -> None:
    own = nn.Conv2d(3, 3, 1)
    # The name that a head on the classifier's trunk has for the layers it reads; here it means something else.
    own.layers = [torch.nn.Identity()]  # type: ignore[assignment]
    made = Explainer(classifier(), own)
    made.save_pretrained(tmp_path / "explainer")
    with pytest.raises(InputError, match="pass network=MODULE"):
        Explainer.from_pretrained(tmp_path / "explainer")
    again = Explainer.from_pretrained(tmp_path / "explainer", network=nn.Conv2d(3, 3, 1))
    assert torch.equal(again(images()), made(images()))


def test_a_truncated_file_is_named(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    path = tmp_path / "explainer" / WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model.safetensors.*damaged or truncated"):
        Explainer.from_pretrained(tmp_path / "explainer")


def test_a_folder_without_weights_is_not_random(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    (tmp_path / "explainer" / WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"model.safetensors.*is no file"):
        Explainer.from_pretrained(tmp_path / "explainer")


def test_weights_of_another_network_are_refused(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    path = tmp_path / "explainer" / WEIGHTS
    save_file({name: tensor for name, tensor in load_file(path).items() if "head" not in name}, path)
    with pytest.raises(InputError, match=r"does not fit the Compact: missing \['head"):
        Explainer.from_pretrained(tmp_path / "explainer")


@pytest.mark.parametrize(("text", "complaint"), [("{", "not valid JSON"), ("{}", "lacks mask_network, classifier")])
def test_a_damaged_description_is_named(explainer: Explainer, tmp_path: Path, text: str, complaint: str) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    (tmp_path / "explainer" / CONFIG).write_text(text)
    with pytest.raises(InputError, match=complaint):
        Explainer.from_pretrained(tmp_path / "explainer")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no saved Explainer: it holds no config.json"):
        Explainer.from_pretrained(tmp_path)


def test_arguments_are_checked(explainer: Explainer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"explanandum is a Linear; wrap it"):
        Explainer(nn.Linear(1, 1))
    explainer.save_pretrained(tmp_path / "explainer")
    with pytest.raises(InputError, match=r"unknown arguments \['colour'\]"):
        Explainer.from_pretrained(tmp_path / "explainer", colour="red")


@pytest.mark.parametrize("as_file", [False, True])
def test_the_network_can_start_from_the_classifiers_trunk(tmp_path: Path, as_file: bool) -> None:
    explained = classifier()
    weights: str | Path = "explanandum"
    if as_file:
        weights = tmp_path / "trunk.safetensors"
        save_file(explained.module.state_dict(), weights)
    made = Explainer(explained, "compact/small_resnet", encoder_weights=weights)
    mine, theirs = made.network.encoder.stem[0].weight, explained.module.stem[0].weight
    assert torch.equal(mine, theirs)
    assert mine.data_ptr() != theirs.data_ptr()
    assert mine.requires_grad
    assert not theirs.requires_grad


def test_folded_has_the_same_masks_and_its_own_network(explainer: Explainer) -> None:
    folded = explainer.folded()
    torch.testing.assert_close(folded(images()), explainer(images()), rtol=1e-4, atol=1e-5)
    assert folded.explanandum is explainer.explanandum
    assert folded.network is not explainer.network
    assert not any(part.training for part in folded.modules())


def test_the_card_is_written_anew_until_somebody_edits_it(explainer: Explainer, tmp_path: Path) -> None:
    card = tmp_path / "explainer" / "README.md"
    explainer.save_pretrained(tmp_path / "explainer")
    card.write_text(card.read_text().replace("---\n", "---\nlicense: mit\n", 1))
    explainer.facts = {"seed": 77}
    explainer.save_pretrained(tmp_path / "explainer")
    assert "license: mit" in card.read_text()
    assert "seed: 77" in card.read_text()
    card.write_text(card.read_text() + "\nOf my own.\n")
    edited = card.read_text()
    explainer.save_pretrained(tmp_path / "explainer")
    assert card.read_text() == edited
    # It goes along when the Explainer is loaded and saved elsewhere.
    Explainer.from_pretrained(tmp_path / "explainer").save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "README.md").read_text() == edited
    explainer.save_pretrained(tmp_path / "explainer", overwrite_card=True)
    assert "Of my own" not in card.read_text()
    assert "license: mit" in card.read_text()


def test_a_picture_or_a_single_image_says_what_is_wanted(explainer: Explainer) -> None:
    model = explainer
    for call in (model, model.attribute, model.predict_and_explain, model.explanandum):
        for wrong in (Image.new("RGB", (32, 32)), None):
            with pytest.raises(InputError, match=r"give a tensor of normalised images \(N, 3, H, W\)"):
                call(wrong)
    for call in (model.eval(), model.attribute, model.predict_and_explain):
        with pytest.raises(InputError, match=r"got \(3, 32, 32\)"):
            call(torch.zeros(3, 32, 32))
        with pytest.raises(InputError, match="values from 0 to 255"):
            call(torch.arange(3 * 32 * 32.0).remainder(256).view(1, 3, 32, 32))
