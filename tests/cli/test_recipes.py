from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml

from explanans.cli.commands import COMMANDS
from explanans.cli.main import main
from explanans.cli.recipes import recipes, resolve, summary
from explanans.errors import InputError
from explanans.explainers.networks.deeplab import DeepLab
from explanans.objectives import make_objective
from explanans.training import Optimizer, Run
from explanans.training.backbone import find_head, freeze_before
from explanans.training.fit_classifier import fit_classifier

# The table of the paper, transposed: a row for each pair of data and classifier.
TABLE = """
                   rate   λ_e  λ_tv  λ_b   λ_m   λ_n   patience
voc2007-vgg16      1e-5   1.0  1.0   1.0   0.1   0.3   5
voc2007-resnet50   1e-4   3.0  1.0   0.8   0.01  0.3   5
coco2014-vgg16     1e-5   1.0  0.3   0.3   0.03  0.1   2
coco2014-resnet50  1e-5   3.0  0.05  0.1   0.01  0.03  2
"""
ROWS = {name: [float(value) for value in values] for name, *values in map(str.split, TABLE.split("\n")[2:-1])}
CLASSIFIER_RATES = {"vgg16": 1e-5, "resnet50": 1e-4}
DATA = {"voc2007": "voc:2007", "coco2014": "coco:2014"}


def resolved(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Every option of a command as it is after its recipe, defaults included."""
    assert main([*command.split(), "--config", name, "--print_config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)


def assert_as_in_the_paper(options: dict[str, Any], rate: float, patience: float) -> None:
    assert options["augment"] == "none"
    assert Optimizer(**{**options["optimizer"], "freeze_statistics": False}) == Optimizer(
        lr=rate,
        pretrained_factor=1.0,
        weight_decay=0.0,
        schedule="constant",
        ema_decay=0.0,
        freeze_statistics=False,
    )
    wanted = {"batch_size": 16, "patience": patience, "min_delta": 1e-3, "seed": 42, "precision": "32-true"}
    wanted |= {"accumulate_grad_batches": 1, "gradient_clip_val": 0.0, "devices": 1, "num_nodes": 1}
    wanted |= {"keep": "best", "max_epochs": 1000}
    run = Run(**options["run"])
    assert {key: getattr(run, key) for key in wanted} == wanted


@pytest.mark.parametrize("name", ROWS)
def test_explainer_recipes_are_the_papers_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rate, entropy, tv, bound, target, non_target, patience = ROWS[name]
    options = resolved("fit", name, capsys)
    assert_as_in_the_paper(options, rate, patience)
    assert options["optimizer"]["freeze_statistics"] is False
    assert options["network"] == "deeplabv3_resnet50"
    assert options["encoder_weights"] == "published"
    assert options["objective"] == "stalder2022"
    # Every setting, so that a default that changes one day changes no recipe.
    assert options["objective_options"] == {
        "entropy_weight": entropy,
        "tv_weight": tv,
        "bound_weight": bound,
        "target_weight": target,
        "non_target_weight": non_target,
        "minimum_area": 0.05,
        "maximum_area": 0.3,
        "ignorance": "softmax",
        "fill": "mean",
    }
    make_objective(options["objective"], **options["objective_options"])
    assert options["data"] == DATA[name.split("-")[0]]
    assert (options["train_split"], options["validation_split"], options["validation"]) == ("train", "val", None)
    assert options["preprocessing"] is None
    assert options["activation"] is None


@pytest.mark.parametrize("name", ROWS)
def test_classifier_recipes_are_as_in_the_paper(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, network = name.split("-")
    options = resolved("classifier fit", name, capsys)
    assert_as_in_the_paper(options, CLASSIFIER_RATES[network], ROWS[name][-1])
    assert options["optimizer"]["freeze_statistics"] is True
    assert options["architecture"] == f"torchvision:{network}.IMAGENET1K_V1"
    assert options["weights"] == "published"
    assert options["freeze_backbone"] is True
    assert options["trainable_from"] is None
    assert options["activation"] == "sigmoid"
    assert options["size"] == 224
    assert options["monitor"] == "loss"
    assert (options["head_epochs"], options["blanks"], options["hidden"]) == (0, 0.0, 0.0)
    assert (options["data"], options["train_split"], options["validation_split"]) == (DATA[data], "train", "val")


def test_the_single_label_recipe_differs_in_data_and_activation_alone(capsys: pytest.CaptureFixture[str]) -> None:
    place = {"data", "train_split", "validation_split", "out", "classifier"}
    for command, more in (("classifier fit", {"activation": "softmax"}), ("fit", {})):
        voc, cub = (resolved(command, f"{data}-resnet50", capsys) for data in ("voc2007", "cub200"))
        assert {key: value for key, value in cub.items() if voc[key] != value and key not in place} == more


@pytest.mark.parametrize("name", recipes("fit"))
def test_an_explainers_recipe_takes_the_classifier_that_its_namesake_saves(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier, explainer = resolved("classifier fit", name, capsys), resolved("fit", name, capsys)
    assert explainer["classifier"] == f"{classifier['out']}/classifier"
    for option in ("data", "train_split", "validation_split"):
        assert explainer[option] == classifier[option]
    assert explainer["out"] != classifier["out"]


def test_options_after_a_recipe_win(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "--config", "voc2007-vgg16", "--run.batch_size=4", "--data", "voc:here", "--print_config"]
    assert main(words) == 0
    options = yaml.safe_load(capsys.readouterr().out)
    assert (options["run"]["batch_size"], options["run"]["patience"], options["data"]) == (4, 5, "voc:here")


def test_a_file_comes_before_a_recipe_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("voc2007-vgg16", "fit") == str(recipes("fit")["voc2007-vgg16"])
    Path("voc2007-vgg16").write_text("network: compact\n")
    assert resolve("voc2007-vgg16", "fit") == "voc2007-vgg16"


def test_an_unknown_name_lists_the_recipes_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", "voc2007-vgg19"]) == 2
    message = capsys.readouterr().err
    assert "'voc2007-vgg19' is neither a file nor a recipe" in message
    assert all(name in message for name in recipes("fit"))
    with pytest.raises(InputError, match="explain has no recipes"):
        resolve("voc2007-vgg16", "explain")


def test_the_list_has_every_recipe_and_what_it_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    found = [(command, name, path) for command in COMMANDS for name, path in recipes(command).items()]
    assert len(found) == 2 * (len(ROWS) + 1)
    for command, name, path in found:
        assert f"explanans {command} --config {name}\n    {summary(path)}" in text
        assert path.read_text().startswith(f"# {summary(path)}\n")


@pytest.mark.parametrize(("network", "head"), [("vgg16", "classifier.6"), ("resnet50", "fc")])
def test_the_real_classifiers_train_nothing_but_a_linear_head(network: str, head: str) -> None:
    with torch.device("meta"):
        module = torchvision.models.get_model(network, weights=None, num_classes=20)
        logits = module(torch.empty(16, 3, 224, 224))
    name, linear = find_head(module, 20)
    freeze_before(module, name)
    moving = [each for each, parameter in module.named_parameters() if parameter.requires_grad]
    assert moving == [f"{head}.weight", f"{head}.bias"]
    assert linear.in_features == {"vgg16": 4096, "resnet50": 2048}[network]
    assert logits.shape == (16, 20)


def test_the_real_mask_network_has_a_map_of_the_input_size_for_every_class() -> None:
    with torch.device("meta"):
        assert DeepLab(80, None)(torch.empty(16, 3, 224, 224)).shape == (16, 80, 224, 224)


def test_without_a_network_the_message_says_which_file_belongs_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision._internally_replaced_utils.load_state_dict_from_url", fail)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    wanted = r"resnet50-0676ba61\.pth elsewhere and put it into .*checkpoints, or pass "
    with torch.device("meta"):
        with pytest.raises(InputError, match=f"{wanted}weights=FILE"):
            fit_classifier("torchvision:resnet50.IMAGENET1K_V1", "folder:x", classes=["a", "b"])
        with pytest.raises(InputError, match=f"{wanted}encoder_weights=FILE"):
            DeepLab(3, "published")
