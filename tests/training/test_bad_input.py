"""What a user may get wrong on the command line of a training: one message, status 2, and no folder is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.cli.main import main

from .conftest import PREPROCESSING

Refused = Callable[..., str]

pytestmark = pytest.mark.bad_input


@pytest.fixture(scope="module")
def classifier(classes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": len(classes), "widths": [4, 8]})
    module = SmallResNet(num_classes=len(classes), widths=(4, 8))
    made = Explanandum(module, classes=classes, activation="sigmoid", preprocessing=PREPROCESSING, source=source)
    folder = tmp_path_factory.mktemp("classifier") / "saved"
    made.save(folder)
    return folder


@pytest.fixture
def refused(classifier: Path, scenes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    commands = {
        "fit": ["fit", str(classifier), scenes, "--network=compact", "--encoder_weights=null"],
        "classifier fit": ["classifier", "fit", "explanans:small_resnet", scenes, "--weights=null", "--size=48"],
        "surrogate fit": ["surrogate", "fit", str(classifier), scenes, "--weights=null", "--calls=80"],
    }

    def refuse(command: str, *options: str) -> str:
        out = tmp_path / "run"
        own = [] if command == "fit" else ["--optimizer.freeze_statistics=false"]
        assert main([*commands[command], *own, "--run.batch_size=8", *options, "--out", str(out)]) == 2
        assert not out.exists()
        message = capsys.readouterr().err
        assert "Traceback" not in message
        return message

    return refuse


@pytest.mark.parametrize("command", ["fit", "classifier fit", "surrogate fit"])
@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--run.seed=-1", "run.seed=-1; give a whole number from 0 to 4294967295"),
        ("--run.seed=1099511627776", "run.seed=1099511627776"),
        ("--run.patience=-1", "run.patience=-1; give a whole number of at least 0"),
        ("--run.min_delta=-0.1", "run.min_delta=-0.1"),
        ("--run.gradient_clip_val=-5", "run.gradient_clip_val=-5"),
        ("--run.max_epochs=0", "run.max_epochs=0"),
        ("--run.batch_size=many", "run.batch_size"),
        ("--optimizer.lr=1e30", "optimizer.lr=1e+30; give a number in (0, 1]"),
        ("--optimizer.lr=.nan", "optimizer.lr="),
        ("--optimizer.weight_decay=-0.05", "optimizer.weight_decay=-0.05"),
        ("--optimizer.ema_decay=1", "optimizer.ema_decay=1"),
        ("--run.batch_size=25", "batch_size=25"),
        ("--validation_split=val[:0%]", "val"),
    ],
)
def test_settings(refused: Refused, command: str, option: str, named: str) -> None:
    assert named in refused(command, option)


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--run.accelerator=abacus", "run: Lightning's Trainer refuses these settings: "),
        ("--run.accelerator=tpu", "run: Lightning's Trainer refuses these settings: "),
        ("--run.devices=many", "run: Lightning's Trainer refuses these settings: "),
        ("--run.devices=0", "run: Lightning's Trainer refuses these settings: "),
        ("--run.strategy=abacus", "run: Lightning's Trainer refuses these settings: "),
        ("--run.strategy=xla", "run: Lightning's Trainer refuses these settings: "),
        ("--run.strategy=ddp_spawn", "run.strategy='ddp_spawn'; take ddp"),
        ("--run.precision=8-true", "run.precision='8-true'; take one of auto, 32-true, bf16-mixed, 16-mixed"),
        ("--run.precision=bf16-true", "run.precision='bf16-true'; take one of"),
        ("--run.precision=transformer-engine", "run.precision='transformer-engine'; take one of"),
        ("--objective_options.area_weight=lots", "area_weight='lots'; give a finite number"),
        ("--objective_options.area_weight=.nan", "area_weight=nan"),
        ("--objective_options.area_weight=-1", "area_weight=-1"),
        ("--objective_options.scales=large", "scales='large'"),
        ("--calibration.sharpness=.nan", "calibration.sharpness="),
        ("--calibration.images=-1", "calibration.images=-1"),
    ],
)
def test_settings_of_an_explainers_training(refused: Refused, option: str, named: str) -> None:
    assert named in refused("fit", option)


@pytest.mark.parametrize(
    ("command", "option", "named"),
    [
        ("classifier fit", "--blanks=-1", "blanks=-1"),
        ("classifier fit", "--hidden=.nan", "hidden="),
        ("classifier fit", "--head_epochs=-1", "head_epochs=-1"),
        ("surrogate fit", "--calls=-1", "calls=-1"),
        ("surrogate fit", "--held_out_calls=0", "held_out_calls=0"),
        ("surrogate fit", "--ask_batch_size=0", "ask_batch_size=0"),
    ],
)
def test_settings_of_the_other_trainings(refused: Refused, command: str, option: str, named: str) -> None:
    assert named in refused(command, option)


@pytest.mark.parametrize("command", ["fit", "classifier fit", "surrogate fit"])
def test_a_validation_list_without_a_picture(refused: Refused, scenes: str, command: str) -> None:
    lists = Path(scenes.removeprefix("scenes:")) / "ImageSets" / "Segmentation"
    empty = lists / "empty.txt"
    empty.write_text("")
    try:
        assert "empty" in refused(command, "--validation_split=empty")
    finally:
        empty.unlink()


def test_a_calibration_without_a_label_is_refused_before_the_training(refused: Refused, tmp_path: Path) -> None:
    from PIL import Image

    table = tmp_path / "val.csv"
    Image.new("RGB", (48, 48)).save(tmp_path / "grey.png")
    table.write_text("image,labels,split\ngrey.png,striped star,train\ngrey.png,,val\n")
    with pytest.warns(UserWarning, match="no row has the classes dotted star, "):
        message = refused("fit", "--calibration.images=2", f"--validation=table:{table}")
    assert "calibration: no image of" in message
