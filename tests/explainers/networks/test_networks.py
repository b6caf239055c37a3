from __future__ import annotations

import copy

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.errors import InputError
from explanans.explainers.networks import NETWORKS, build_network
from explanans.explainers.networks.encoders import copy_weights, require_multiple, timm_encoder
from explanans.explainers.networks.smp import DECODERS

# Each name: by how much its logits are coarser than the images.
SMALL = {
    "compact": 2,
    "compact/small_resnet": 2,
    "light/resnet10t": 4,
    "light/mobilenetv3_small_050": 4,
    "unet/mobilenetv3_small_050": 1,
    "fpn/resnet10t": 1,
    "deeplabv3plus/resnet10t": 1,
}


def images(height: int = 64, width: int = 96) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SMALL)
def test_shapes_are_as_promised_and_everything_is_trained(name: str) -> None:
    network = build_network(name, 5, None)
    logits = network(images())
    assert logits.shape == (2, 5, 64 // SMALL[name], 96 // SMALL[name])
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_builds(decoder: str) -> None:
    network = build_network(f"{decoder}/resnet10t", 3, None).eval()
    with torch.no_grad():
        assert network(images(128, 160)).shape == (2, 3, 128, 160)


def test_the_papers_network_takes_any_size() -> None:
    network = build_network("deeplabv3_resnet50", 3, None).eval()
    with torch.no_grad():
        assert network(images(33, 47)).shape == (2, 3, 33, 47)


@pytest.mark.parametrize(
    ("name", "multiple"), [("compact", 16), ("light/resnet10t", 32), ("unet/resnet10t", 32), ("pspnet/resnet10t", 8)]
)
def test_other_sizes_get_the_size_to_take(name: str, multiple: int) -> None:
    network = build_network(name, 2, None)
    height, width = 3 * multiple - 1, 2 * multiple
    with pytest.raises(InputError, match=rf"{height}x{width} pixels.*{multiple}; take {3 * multiple}x{width}"):
        network(images(height, width))
    require_multiple(3 * multiple, width, multiple)


@pytest.mark.parametrize("name", ["light/resnet10t", "compact"])
def test_masks_start_flat_near_the_prior(name: str) -> None:
    torch.manual_seed(0)
    masks = build_network(name, 4, None).eval()(images()).sigmoid()
    torch.testing.assert_close(masks, torch.full_like(masks, 0.25), atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("vit", "network='vit'; take one of"),
        ("compact/resnet18", "network='compact/resnet18'"),
        ("deeplabv3_resnet50/resnet18", "drop '/resnet18'"),
        ("unet", "network='unet' needs an encoder"),
        ("light", "timm has no encoder ''.*resnet50"),
        ("light/resnet19", "timm has no encoder 'resnet19'.*resnet"),
        ("unet/resnet19", "unet/resnet19' cannot be built"),
    ],
)
def test_unknown_names_are_explained(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build_network(name, 2, None)


def test_families_have_no_slash() -> None:
    assert not any("/" in name for name in NETWORKS)


@pytest.mark.parametrize("name", ["light/resnet10t", "unet/resnet10t"])
def test_the_trunk_of_a_classifier_is_taken_over(name: str) -> None:
    classifier = timm.create_model("resnet10t", pretrained=False, num_classes=7)
    network = build_network(name, 3, classifier.state_dict())
    encoder = network.encoder if name.startswith("light") else network.model.encoder.model
    own = encoder.state_dict()
    shared = classifier.state_dict()
    for key in ("conv1.0.weight", "bn1.running_mean", "layer4.0.conv2.weight"):
        assert torch.equal(own[key], shared[key])


def test_the_trunk_of_the_small_classifier_is_taken_over() -> None:
    classifier = SmallResNet(6)
    network = build_network("compact/small_resnet", 6, classifier.state_dict())
    assert torch.equal(network.encoder.stem[0].weight, classifier.stem[0].weight)
    with pytest.raises(InputError, match="small_resnet has none"):
        build_network("compact/small_resnet", 6, "published")


def test_the_trunk_of_a_torchvision_resnet_fits_the_papers_network() -> None:
    classifier = torchvision.models.resnet50(weights=None)
    network = build_network("deeplabv3_resnet50", 3, classifier.state_dict())
    assert torch.equal(network.model.backbone.layer3[2].conv1.weight, classifier.layer3[2].conv1.weight)


def test_another_architecture_is_refused_and_changes_nothing() -> None:
    encoder = timm_encoder("resnet10t", None)
    before = copy.deepcopy(encoder.state_dict())
    with pytest.raises(InputError, match=r"only 0% of the encoder's parameters"):
        copy_weights(encoder, nn.Linear(3, 3).state_dict())
    with pytest.raises(InputError, match=r"same architecture|must be the architecture"):
        copy_weights(encoder, timm.create_model("mobilenetv3_small_050").state_dict())
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_weights_take_the_encoders_precision() -> None:
    encoder = nn.Linear(2, 2)
    copy_weights(encoder, {name: tensor.half() for name, tensor in nn.Linear(2, 2).state_dict().items()})
    assert encoder.weight.dtype == torch.float32


def test_settings_of_the_encoder_follow_its_name() -> None:
    encoder = timm_encoder("mobilenetv2_100?pad_type=same", None)
    assert type(encoder.conv_stem).__name__ == "Conv2dSame"


def test_published_weights_out_of_reach_are_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("explanans.utils.network.unreachable", lambda url, seconds=None: "")
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(InputError, match=r"resnet10t could not be loaded.*no route.*encoder_weights"):
        build_network("light/resnet10t", 2)
