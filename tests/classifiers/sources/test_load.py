from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from explanans.classifiers import sources
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SETTINGS = {"classes": ("cat", "dog"), "activation": "sigmoid", "preprocessing": PREPROCESSING}
FACTORY = """
import torch
from torch import nn

calls = []

def build(width=4):
    calls.append(width)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))

def not_a_module():
    return 3
"""


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_models.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield "their_models:build"
    sys.modules.pop("their_models", None)


@pytest.fixture
def saved(factory: str, tmp_path: Path) -> Path:
    """A folder with a classifier that names the factory."""
    folder = tmp_path / "classifier"
    Explanandum.load(factory, **SETTINGS).save(folder, accuracy=0.9)
    return folder


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / sources.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_factory_is_called_and_asked_nothing_it_cannot_know(factory: str) -> None:
    with pytest.raises(InputError, match="classes and activation and preprocessing cannot be known"):
        Explanandum.load(factory)
    with pytest.raises(InputError, match=r"preprocessing cannot be known.*pass preprocessing=…"):
        Explanandum.load(factory, classes=["cat", "dog"], activation="softmax")
    assert Explanandum.load(factory, **SETTINGS)(images()).shape == (2, 2)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("their_models:absent", "has no 'absent'"),
        ("no_such_package.models:build", "No module named"),
        ("their_models:not_a_module", "returned a int"),
        ("resnet50", "neither an existing folder nor a known name.*timm:NAME.*torchvision:NAME"),
        ("hub:org/model", "neither an existing folder nor a known name"),
        ("os.system('ls'):x", "neither an existing folder nor a known name"),
        ("timm:resnet51", "timm has no model 'resnet51'.*resnet"),
        ("torchvision:resnet51", "torchvision has no classifier 'resnet51'.*resnet50"),
        ("torchvision:r3d_18", "torchvision has no classifier"),
        ("explanans:small_resnet", "can only be trained or loaded"),
        ("explanans:large_resnet", "small_resnet"),
    ],
)
def test_unknown_names_are_explained(factory: str, spec: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Explanandum.load(spec, **SETTINGS)


def test_round_trip(saved: Path, factory: str) -> None:
    loaded = Explanandum.load(saved, trust_factory=True)
    assert (loaded.classes, loaded.activation) == (SETTINGS["classes"], SETTINGS["activation"])
    assert loaded.preprocessing == PREPROCESSING
    config = json.loads((saved / sources.CONFIG).read_text())
    assert config["weights_hash"] == loaded.weights_hash
    assert config["accuracy"] == 0.9
    assert config["source"] == {"spec": factory, "arguments": {}}


def test_outputs_survive_a_round_trip(factory: str, tmp_path: Path) -> None:
    explained = Explanandum.load(factory, **SETTINGS)
    folder = explained.save(tmp_path / "again")
    assert torch.equal(Explanandum.load(folder, trust_factory=True)(images()), explained(images()))


def test_a_folder_that_names_a_factory_runs_nothing_unless_trusted(saved: Path) -> None:
    sys.modules.pop("their_models")
    with pytest.raises(InputError, match=r"names the factory 'their_models:build'.*trust_factory=True"):
        Explanandum.load(saved)
    assert "their_models" not in sys.modules


def test_a_module_in_hand_says_how_to_load_it_again(tmp_path: Path) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    folder = Explanandum(module, **SETTINGS).save(tmp_path / "classifier")
    with pytest.raises(InputError, match=r"saved from a module in hand.*load_weights"):
        Explanandum.load(folder)
    twin = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    sources.load_weights(twin, folder / sources.WEIGHTS)
    assert torch.equal(twin(images()), module(images()))


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    module[3].weight = module[2].weight
    folder = Explanandum(module, **SETTINGS).save(tmp_path / "classifier")
    assert torch.equal(load_file(folder / sources.WEIGHTS)["3.weight"], module[2].weight)


def test_changed_weights_are_noticed(saved: Path) -> None:
    tensors = load_file(saved / sources.WEIGHTS)
    tensors["3.bias"] += 1
    save_file(tensors, saved / sources.WEIGHTS)
    with pytest.raises(InputError, match=r"weights' hash.*changed or damaged"):
        Explanandum.load(saved, trust_factory=True)


def test_a_truncated_file_is_named(saved: Path) -> None:
    path = saved / sources.WEIGHTS
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"model.safetensors.*damaged or truncated"):
        Explanandum.load(saved, trust_factory=True)


def test_a_folder_without_weights_never_gives_a_random_classifier(saved: Path) -> None:
    (saved / sources.WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"model.safetensors.*is no file"):
        Explanandum.load(saved, trust_factory=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "not valid JSON"), ("[]", "holds a list"), ('{"classes": ["a"]}', "lacks source, activation")],
)
def test_a_damaged_description_is_named(saved: Path, text: str, complaint: str) -> None:
    (saved / sources.CONFIG).write_text(text)
    with pytest.raises(InputError, match=complaint):
        Explanandum.load(saved, trust_factory=True)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no saved classifier: it holds no explanandum.json"):
        Explanandum.load(tmp_path)
    with pytest.raises(InputError, match=r"holds no explanandum.json"):
        Explanandum.load(tmp_path / "absent")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)  # type: ignore[attr-defined]


@pytest.mark.parametrize("plain_pickle", [True, False])
def test_a_pickle_with_code_is_refused_without_running_it(tmp_path: Path, factory: str, plain_pickle: bool) -> None:
    bomb, path = Bomb(), tmp_path / "weights.pt"
    bomb.path = str(tmp_path / "exploded")
    if plain_pickle:
        path.write_bytes(pickle.dumps({"weight": bomb}, protocol=2))
    else:
        torch.save({"weight": bomb}, path)
    with pytest.raises(InputError, match=r"cannot be read as plain weights.*never executed"):
        Explanandum.load(factory, weights=path, **SETTINGS)
    assert not (tmp_path / "exploded").exists()


def test_a_state_dict_is_read_whatever_its_precision(tmp_path: Path, factory: str) -> None:
    module = Explanandum.load(factory, **SETTINGS).module
    torch.save({name: tensor.half() for name, tensor in module.state_dict().items()}, tmp_path / "weights.pt")
    loaded = Explanandum.load(factory, weights=tmp_path / "weights.pt", **SETTINGS)
    assert loaded(images()).dtype == torch.float32
    torch.testing.assert_close(loaded(images()), module(images()), atol=1e-2, rtol=0)


def test_weights_of_another_architecture_are_named(tmp_path: Path, factory: str) -> None:
    save_file({"0.weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"does not fit the Sequential: missing .*other shape \['0.weight'\]"):
        Explanandum.load(factory, weights=tmp_path / "weights.safetensors", **SETTINGS)


def test_a_file_without_a_state_dict_in_it_is_named(tmp_path: Path, factory: str) -> None:
    torch.save([1, 2, 3], tmp_path / "weights.pt")
    with pytest.raises(InputError, match="holds no state dict"):
        Explanandum.load(factory, weights=tmp_path / "weights.pt", **SETTINGS)


def test_without_exact_a_head_of_another_shape_stays_as_it_is(tmp_path: Path) -> None:
    trunk, wide, narrow = nn.Linear(3, 3), nn.Linear(3, 5), nn.Linear(3, 2)
    save_file(nn.Sequential(trunk, wide).state_dict(), tmp_path / "weights.safetensors")
    module = nn.Sequential(nn.Linear(3, 3), narrow)
    head = narrow.weight.clone()
    sources.load_weights(module, tmp_path / "weights.safetensors", exact=False)
    assert torch.equal(module[0].weight, trunk.weight)
    assert torch.equal(module[1].weight, head)


def test_without_exact_a_file_of_the_trunk_alone_leaves_the_head(tmp_path: Path) -> None:
    trunk = nn.Linear(3, 3)
    save_file({f"0.{name}": tensor for name, tensor in trunk.state_dict().items()}, tmp_path / "weights.safetensors")
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4))
    head = module[1].weight.clone()
    sources.load_weights(module, tmp_path / "weights.safetensors", exact=False)
    assert torch.equal(module[0].weight, trunk.weight)
    assert torch.equal(module[1].weight, head)
    with pytest.raises(InputError, match=r"missing \['1.bias', '1.weight'\]"):
        sources.load_weights(module, tmp_path / "weights.safetensors")
    longer = nn.Sequential(*module, nn.Linear(4, 2))
    with pytest.raises(InputError, match=r"missing \['1.bias', '1.weight'\]"):
        sources.load_weights(longer, tmp_path / "weights.safetensors", exact=False)


def test_without_exact_the_trunk_must_still_fit(tmp_path: Path) -> None:
    save_file(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)).state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"missing \['bias', 'weight'\]"):
        sources.load_weights(nn.Linear(3, 4), tmp_path / "weights.safetensors", exact=False)
    module = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 5))
    with pytest.raises(InputError, match=r"other shape \['1.weight'\]"):
        sources.load_weights(module, tmp_path / "weights.safetensors", exact=False)


def test_timm_with_a_file_knows_classes_activation_and_preprocessing(tmp_path: Path) -> None:
    module = timm.create_model("mobilenetv3_small_050", pretrained=False).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    loaded = Explanandum.load("timm:mobilenetv3_small_050", weights=tmp_path / "weights.safetensors")
    assert loaded.num_classes == 1000
    assert loaded.activation == "softmax"
    assert loaded.preprocessing.size == (224, 224)
    assert torch.equal(loaded(images()), module(images()))
    cranes = [name for name in loaded.classes if name.startswith("crane")]
    assert cranes == ["crane (n02012849)", "crane (n03126707)"]
    assert loaded.classes.index("goldfish") == 1
    assert "maillot, tank suit" in loaded.classes
    again = Explanandum.load(loaded.save(tmp_path / "classifier"))
    assert again.weights_hash == loaded.weights_hash


def test_torchvision_with_a_file_knows_classes_activation_and_preprocessing(tmp_path: Path) -> None:
    module = torchvision.models.squeezenet1_1(weights=None).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    loaded = Explanandum.load("torchvision:squeezenet1_1", weights=tmp_path / "weights.safetensors")
    assert loaded.classes[1] == "goldfish"
    assert loaded.preprocessing == Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(loaded(images()), module(images()))


def test_inception_reads_its_inputs_as_its_published_weights_expect(tmp_path: Path) -> None:
    module = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    loaded = Explanandum.load("torchvision:googlenet", weights=tmp_path / "weights.safetensors")
    assert torch.equal(loaded(images()), module(images()))
    again = Explanandum.load(loaded.save(tmp_path / "classifier"))
    assert torch.equal(again(images()), module(images()))


@pytest.mark.parametrize("failure", [OSError("no route to host"), RuntimeError("offline")])
def test_published_weights_out_of_reach_are_an_error_and_not_a_random_classifier(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise failure

    monkeypatch.setattr(timm, "create_model", fail)
    monkeypatch.setattr(torchvision.models, "get_model", fail)
    for spec in ("timm:resnet18", "torchvision:resnet18"):
        with pytest.raises(InputError, match=r"published weights could not be loaded.*weights=FILE"):
            Explanandum.load(spec)


def test_torchvision_weights_may_be_named(tmp_path: Path) -> None:
    module = torchvision.models.squeezenet1_1(weights=None).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    spec = "torchvision:squeezenet1_1.IMAGENET1K_V1"
    loaded = Explanandum.load(spec, weights=tmp_path / "weights.safetensors")
    assert loaded.source == sources.Source(spec)
    again = Explanandum.load(loaded.save(tmp_path / "classifier"))
    assert again.source == sources.Source(spec)
    assert torch.equal(again(images()), module(images()))
    with pytest.raises(InputError, match=r"no weights 'resnet50.V3'; it has resnet50.IMAGENET1K_V1, resnet50.IMAGENET"):
        Explanandum.load("torchvision:resnet50.V3")


def test_named_torchvision_weights_are_those_that_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def note(name: str, weights: object, **options: object) -> None:
        asked.append((name, str(weights)))
        raise OSError("no route to host")

    monkeypatch.setattr("explanans.classifiers.sources.shared.published_weights.unreachable", lambda url: "")
    monkeypatch.setattr(torchvision.models, "get_model", note)
    for spec in ("torchvision:resnet50", "torchvision:resnet50.IMAGENET1K_V1"):
        with pytest.raises(InputError):
            Explanandum.load(spec)
    assert asked == [("resnet50", f"ResNet50_Weights.IMAGENET1K_V{version}") for version in (2, 1)]
