from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.backbone import find_head, freeze_before, new_classifier
from explanans.training.classification import classification_scores
from explanans.training.curves import read_curves
from explanans.training.fit_classifier import FROM_SCRATCH, fit_classifier
from explanans.training.optimizer import Optimizer
from explanans.training.run_settings import Run

SMALL = "explanans:small_resnet"
Fit = Callable[..., Path]


@pytest.fixture
def fit(scenes: str, out: Path) -> Fit:
    def run(data: str = scenes, epochs: int = 1, **options: Any) -> Path:
        settings = {"weights": None, "size": 48, "augment": "none", "out": out, **options}
        return fit_classifier(
            SMALL,
            data,
            run=Run(max_epochs=epochs, batch_size=8, patience=0, progress=False, accelerator="cpu"),
            **settings,
        )

    return run


def test_trains_saves_and_loads(fit: Fit, scenes: str, out: Path) -> None:
    folder = fit(epochs=2)
    assert folder == out / "classifier"
    classifier = Explanandum.load(folder)
    facts = json.loads((folder / "explanandum.json").read_text())
    assert classifier.activation == "sigmoid"
    assert classifier.num_classes == 6
    assert facts["source"] == {"spec": SMALL, "arguments": {"num_classes": 6}}
    assert {"f1_micro", "f1_macro", "map", "accuracy", "blank"} <= set(facts["metrics"])
    assert facts["training"]["blanks"] == 0.25
    assert facts["training"]["hidden_largest"] == 0.5
    assert facts["data"]["training"]["images"] == 24
    rows = read_curves(out / "metrics.csv")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"train/loss", "val/loss", "val/f1_micro", "val/map"} <= set(rows[0])
    x = open_dataset(scenes, "val", preprocessing=classifier.preprocessing)[0]["image"][None]
    assert classifier(x).shape == (1, 6)


def test_a_resumed_run_equals_one_that_was_not_stopped(scenes: str, tmp_path: Path) -> None:
    def train(out: str, epochs: int) -> Explanandum:
        run = Run(max_epochs=epochs, batch_size=8, patience=0, progress=False, accelerator="cpu")
        # A constant rate, because a schedule depends on the length.
        steady = Optimizer(1e-3)
        options = {"weights": None, "size": 48, "augment": "turn", "optimizer": steady}
        return Explanandum.load(fit_classifier(SMALL, scenes, run=run, out=tmp_path / out, **options))  # type: ignore[arg-type]

    train("stopped", 1)
    resumed, whole = train("stopped", 2), train("whole", 2)
    assert [row["epoch"] for row in read_curves(tmp_path / "stopped" / "metrics.csv")] == [1, 2]
    assert resumed.weights_hash == whole.weights_hash


def test_the_saved_classifier_is_the_average_of_the_epoch_that_is_kept(fit: Fit, out: Path) -> None:
    folder = fit(epochs=3, optimizer=Optimizer(1e-3, ema_decay=0.9))
    figures = [row["val/f1_micro"] for row in read_curves(out / "metrics.csv")]
    best = torch.load(out / "best.ckpt", weights_only=True)
    assert best["epoch"] == figures.index(max(figures))
    saved = Explanandum.load(folder).module.state_dict()
    assert saved
    for name, tensor in saved.items():
        assert torch.equal(tensor, best["state_dict"][f"average.module.{name}"]), name
    assert not torch.equal(saved["head.weight"], best["state_dict"]["module.head.weight"])


def test_starts_from_weights_with_a_linear_head(fit: Fit, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module, _, _ = new_classifier(SMALL, 3, None)
    state = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    save_file(state, tmp_path / "three_classes.safetensors")
    # The linear layer of this network is used by its weights alone, so there are no features to cache.
    folder = fit(
        weights=tmp_path / "three_classes.safetensors",
        head_epochs=0,
        freeze_backbone=True,
        optimizer=Optimizer(1e-2, freeze_statistics=True),
    )
    trained = Explanandum.load(folder).module.state_dict()
    assert torch.equal(trained["blocks.0.body.0.weight"], module.state_dict()["blocks.0.body.0.weight"])
    assert torch.equal(trained["stem.1.running_mean"], module.state_dict()["stem.1.running_mean"])
    assert trained["head.weight"].shape == (6, 128)


def test_single_label_data_trains_with_softmax(fit: Fit, tmp_path: Path) -> None:
    from PIL import Image

    for split in ("train", "val"):
        for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(8):
                Image.new("RGB", (48, 48), colour).save(folder / f"{index}.png")
    folder = fit(f"folder:{tmp_path / 'data'}", activation="softmax", epochs=3)
    facts = json.loads((folder / "explanandum.json").read_text())
    assert facts["activation"] == "softmax"
    assert facts["training"]["blanks"] == 0
    assert facts["metrics"]["f1_micro"] == pytest.approx(facts["metrics"]["accuracy"])


@pytest.mark.parametrize(("monitor", "mode"), [("f1_micro", "max"), ("loss", "min")])
def test_what_is_monitored_decides_what_is_kept_and_when_it_ends(
    scenes: str, out: Path, monitor: str, mode: str
) -> None:
    # No figure moves by the difference that is asked for, so patience ends the training.
    run = Run(max_epochs=9, batch_size=8, patience=1, min_delta=10.0, progress=False, accelerator="cpu")
    options = {"weights": None, "size": 48, "augment": "none", "monitor": monitor}
    folder = fit_classifier(SMALL, scenes, run=run, out=out, **options)  # type: ignore[arg-type]
    values = [row[f"val/{monitor}"] for row in read_curves(out / "metrics.csv")]
    assert len(values) == 2
    kept = torch.load(out / "best.ckpt", weights_only=True)
    assert kept["epoch"] == values.index(max(values) if mode == "max" else min(values))
    stopping = [key for key in kept["callbacks"] if key.startswith("Patience")]
    assert stopping == [f"Patience{{'monitor': 'val/{monitor}', 'mode': '{mode}'}}"]
    assert json.loads((folder / "explanandum.json").read_text())["training"]["monitor"] == monitor


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"activation": "relu"}, "activation"),
        ({"activation": "softmax", "blanks": 0.5}, "blanks"),
        ({"activation": "softmax"}, "exactly one"),
        ({"activation": "softmax", "classes": ["dotted star"]}, "the only class 'dotted star'"),
        ({"blanks": 2.0}, "blanks"),
        ({"hidden_largest": 0.0}, "hidden_largest=0.0; give a number"),
        ({"freeze_backbone": True}, "weights=None"),
        ({"weights": "published"}, "published"),
        ({"weights": "nowhere.safetensors"}, "nowhere"),
        ({"augment": "wobble"}, "augment"),
        ({"monitor": "luck"}, "monitor='luck'"),
        ({"classes": ["no such thing"]}, "no such thing"),
    ],
)
def test_bad_input_is_named(fit: Fit, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        fit(**options)


def test_freezes_what_comes_before_a_part() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 3))
    freeze_before(module, "1")
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, False, True, True, True, True]
    assert find_head(module, 3)[0] == "2"
    with pytest.raises(InputError, match="trainable_from='9'"):
        freeze_before(module, "9")
    with pytest.raises(InputError, match="head_epochs=0"):
        find_head(module, 5)


def test_scores_by_hand() -> None:
    scores = classification_scores("sigmoid", 2)
    # Class 0: one hit, one false alarm; class 1: one hit, one miss. Micro: 2 TP, 1 FP, 1 FN.
    scores.update(torch.tensor([[0.9, 0.8], [0.7, 0.2]]), torch.tensor([[1, 1], [0, 1]]))
    values = {name: float(value) for name, value in scores.compute().items()}
    assert values["f1_micro"] == pytest.approx(2 / 3)
    assert values["f1_macro"] == pytest.approx(2 / 3)
    assert values["accuracy"] == pytest.approx(1 / 2)


def test_recipes_and_sizes() -> None:
    _, source, preprocessing = new_classifier(SMALL, 4, None)
    assert source.arguments["num_classes"] == 4
    assert preprocessing == Preprocessing(96, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert not FROM_SCRATCH.freeze_statistics
