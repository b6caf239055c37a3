from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from explanans.cli.commands.explain import PARTS, run
from explanans.cli.options import Given, options_of
from explanans.cli.parse import Parser
from explanans.deploy.serve.repeat_lines import Who, repeat_lines
from explanans.explainers.explainer import Explainer
from explanans.explainers.named import Named
from explanans.explanations.choice import CALLS
from explanans.images.preprocessing import Preprocessing


def parsed(command: str) -> Given:
    words = shlex.split(command)
    assert words[:2] == ["explanans", "explain"]
    parser = Parser("explanans explain", options_of(PARTS, run), str)
    return Given(parser.parse([*words[2:], "photo.jpg"]).values.build(), PARTS)


def test_every_setting_is_understood_by_the_command() -> None:
    preprocessing = Preprocessing((32, 48), (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    load = {
        "classes": "a b,c",
        "activation": "softmax",
        "preprocessing": preprocessing,
        "weights": "my weights.pt",
        "trust_factory": True,
    }
    lines = repeat_lines(Who("timm:resnet18", False, "grad_cam", {"layer": "layer3"}, load))
    assert lines.name == "timm:resnet18"
    named = parsed(lines.command).call(Named)
    assert named == Named(
        "timm:resnet18",
        "grad_cam",
        {"layer": "layer3"},
        CALLS,
        "a b,c",
        "softmax",
        preprocessing,
        "my weights.pt",
        True,
        8,
    )
    assert lines.options == ", method='grad_cam', method_options={'layer': 'layer3'}"


def test_what_is_not_given_stays_away() -> None:
    lines = repeat_lines(Who("/models/it's mine", True, load_options={"weights": None, "trust_factory": False}))
    assert parsed(lines.command)["who"] == "/models/it's mine"
    assert lines.command.count("--") == 0
    assert (lines.name, lines.options) == ("it's mine", "")
    assert 'Explainer.from_pretrained("/models/it\'s mine")' in lines.load


def test_the_python_lines_load_who_explains(tmp_path: Path) -> None:
    import torch

    from explanans.classifiers import SmallResNet
    from explanans.classifiers.explanandum import Explanandum
    from explanans.classifiers.sources import Source

    torch.manual_seed(0)
    arguments = {"num_classes": 2, "widths": [8]}
    classifier = Explanandum(
        SmallResNet(**arguments),
        classes=("cat", "dog"),
        activation="softmax",
        preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3),
        source=Source("explanans:small_resnet", arguments),
    )
    Explainer(classifier, "compact", encoder_weights=None).save_pretrained(tmp_path / "explainer")
    held: dict[str, Any] = {}
    exec(repeat_lines(Who(str(tmp_path / "explainer"), True)).load, held)
    assert held["who"].classes == ("cat", "dog")
    assert callable(held["explanans"].explain)


@pytest.mark.parametrize("name", ["sample:efficientnet_lite0", "hf:owner/name"])
def test_the_title_is_short(name: str) -> None:
    assert repeat_lines(Who(name, False)).name in (name, "name")
