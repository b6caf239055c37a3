from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from explanans.cli.commands import COMMANDS
from explanans.cli.main import main
from explanans.cli.options import Given, options_of
from explanans.data.scenes import write_scenes
from explanans.version import __version__

from ..programs import Programs  # noqa: TID252 - tests are no package with a name


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("cli") / "scenes", train=16, val=8, test=0, size=48, quiet=True)


@pytest.fixture(scope="module")
def explainer(place: Path) -> Path:
    """A saved Explainer that has learned nothing, over a classifier that has learned nothing."""
    return place / "explainer"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(6):
        Image.new("RGB", (40, 30), (40 * index, 100, 50)).save(folder / f"{index}.png")
    return folder


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "explanans.cli.main", *map(str, words)]


def test_help_and_import_do_not_wait_for_torch() -> None:
    heavy = "{'torch', 'numpy', 'yaml', 'lightning'}"
    loaded = f"import explanans.cli.main as cli, sys; cli.main(['--help']); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], check=True)


def test_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert main(["classifier", "--help"]) == 0
    assert "classifier fit" in capsys.readouterr().out
    assert main([]) == 2
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_each_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: explanans {name}")
    command = importlib.import_module(COMMANDS[name].module)
    options = options_of(getattr(command, "PARTS", ()), command.run)
    for option in [*options, *(part for each in options if each.is_group for part in each.parts())]:
        assert option.name in text or option.name.upper() in text
        assert option.help, f"--{option.name} has no description; its function's docstring has none of it"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["dance"], "no command"),
        (["classifier"], ""),
        (["explain", "nowhere", "nothing.jpg", "--out", "x"], "nowhere"),
        (["fit", "timm:no_such_net", "data"], "no_such_net"),
        (["data", "scenes", "x", "--size", "3"], "size"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(words) == 2
    captured = capsys.readouterr()
    assert named in captured.err
    assert "Traceback" not in captured.err


def test_an_unknown_option_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "scenes", "x", "--sise", "64"]) == 2
    assert "did you mean --size?" in capsys.readouterr().err


def test_a_printed_configuration_can_be_read_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, scenes: Path
) -> None:
    words = ["classifier", "fit", "explanans:small_resnet", f"scenes:{scenes}", "--weights=null", "--size=48"]
    words += ["--run.max_epochs=1", "--run.batch_size=8", "--optimizer.lr=0.01", "--augment=none"]
    words += ["--optimizer.freeze_statistics=false", f"--out={tmp_path / 'run'}"]
    assert main([*words, "--print_config"]) == 0
    config = tmp_path / "config.yaml"
    config.write_text(capsys.readouterr().out)
    assert main(["classifier", "fit", "--config", str(config)]) == 0
    printed = capsys.readouterr().out
    assert "epoch 1/1" in printed
    assert "f1_micro" in printed
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert recorded["training"]["optimizer"]["lr"] == 0.01
    assert recorded["run"]["batch_size"] == 8


def test_the_same_seed_trains_the_same_explainer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, scenes: Path, explainer: Path
) -> None:
    words = ["fit", f"{explainer}/classifier", f"scenes:{scenes}", "--network=compact", "--encoder_weights=null"]
    words += ["--classes", "striped star,dotted star", "--objective=stalder2022", "--quiet"]
    words += [
        "--run.max_epochs=1",
        "--run.batch_size=8",
        "--run.threads=1",
        "--run.accelerator=cpu",
        "--verdict.images=0",
    ]
    trained = {}
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        # Whatever was drawn before.
        torch.rand(len(trained) + 1)
        assert main([*words, f"--run.seed={seed}", "--out", str(tmp_path / name)]) == 0
        trained[name] = torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, trained["two"][key]) for key, tensor in trained["one"].items())
    assert not all(torch.equal(tensor, trained["other"][key]) for key, tensor in trained["one"].items())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_fit_then_explain(capsys: pytest.CaptureFixture[str], tmp_path: Path, scenes: Path, explainer: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("striped star\ndotted star\n")
    words = ["fit", explainer / "classifier", f"scenes:{scenes}", "--network=compact", "--classes", classes]
    words += ["--encoder_weights=null", "--objective=stalder2022", "--objective_options.tv_weight=0.1"]
    words += ["--run.max_epochs=1", "--run.batch_size=8", "--out", tmp_path / "run"]
    assert main(list(map(str, words))) == 0
    assert "epoch 1/1" in capsys.readouterr().out
    out = tmp_path / "explanations"
    pictures = [str(path) for path in sorted((scenes / "JPEGImages").glob("*.jpg"))[:2]]
    named = ["--classes", "striped star, dotted star"]
    status = main(["explain", str(tmp_path / "run" / "explainer"), *pictures, "--out", str(out), *named])
    assert status == 0
    assert "striped star" in capsys.readouterr().out
    assert len(list(out.glob("*/figure.png"))) == 2


def test_one_corrupt_picture_is_reported_and_the_rest_done(
    capsys: pytest.CaptureFixture[str], explainer: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.jpg").write_bytes(b"\xff\xd8 not really")
    words = ["explain", str(explainer), str(photos), "--out", str(tmp_path / "out"), "--top_k=1"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "bad.jpg" in captured.err
    assert "6 of 7 explained (0 earlier)" in captured.out
    assert main(words) == 1
    assert "6 of 7 explained (6 earlier)" in capsys.readouterr().out
    assert main([*words, "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bad.jpg" in captured.err


def test_a_classifier_is_explained_without_training(
    capsys: pytest.CaptureFixture[str], explainer: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["explain", str(explainer / "classifier"), str(photos / "1.png"), str(photos / "2.png"), "--top_k=1"]
    assert main([*words, "--out", str(tmp_path / "best")]) == 0
    printed = capsys.readouterr().out
    assert "method: spread_cam (the best without training" in printed
    assert "2 of 2 explained" in printed
    named = ["--method=grad_cam", "--method_options.layer=stem", "--no_receipts"]
    assert main([*words, *named, "--out", str(tmp_path / "named")]) == 0
    assert "method: grad_cam (asked for)" in capsys.readouterr().out
    settings = json.loads((tmp_path / "named" / "index.json").read_text())["settings"]
    assert settings["method"]["settings"] == {"layer": "stem"}
    assert len(list((tmp_path / "named").glob("*/figure.png"))) == 2
    # As a job of shards; then the same folder with another method is refused.
    shards = ["--format=parquet", "--no_receipts", "--out", str(tmp_path / "shards")]
    assert main([*words, *shards, "--method=grad_cam"]) == 0
    assert "2 of 2 explained (0 earlier)" in capsys.readouterr().out
    assert main([*words, *shards, "--method=grad_cam"]) == 0
    assert "2 of 2 explained (2 earlier)" in capsys.readouterr().out
    assert main([*words, *shards, "--method=layer_cam"]) == 2
    assert "other settings: method.name" in capsys.readouterr().err


def test_an_unknown_class_fails_once_and_before_any_work(
    capsys: pytest.CaptureFixture[str], explainer: Path, photos: Path, tmp_path: Path
) -> None:
    for kind in ("folders", "parquet"):
        out = tmp_path / kind
        words = ["explain", str(explainer), str(photos), "--classes=Sheep", f"--format={kind}", "--out", str(out)]
        assert main(words) == 2
        assert capsys.readouterr().err.count("Sheep") == 1
        assert not list(out.glob("*/explanation.json"))


KILLED = """
import os, signal
from explanans.cli.main import main
from explanans.explanations.explanation import Explanation
save, saved = Explanation.save, []

def killed(*arguments):
    if len(saved) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    saved.append(save(*arguments))

Explanation.save = killed
main({words!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_run_is_finished_by_the_next(
    explainer: Path, photos: Path, programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["explain", str(explainer), str(photos), "--out", str(out), "--top_k=1", "--batch_size=2"]
    # Within the second batch of two.
    ended = programs.run(KILLED.format(words=words))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(list(out.glob("[!.]*/explanation.json"))) == 3
    assert main(words) == 0
    assert "6 of 6 explained (3 earlier)" in capsys.readouterr().out
    assert len(json.loads((out / "index.json").read_text())["images"]) == 6


def test_ctrl_c_is_status_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(given: Given) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("explanans.cli.commands.data_scenes.run", interrupted)
    assert main(["data", "scenes", str(tmp_path / "x")]) == 130
    assert "repeat the command to go on" in capsys.readouterr().err


def test_a_closed_pipe_is_no_traceback() -> None:
    process = subprocess.Popen(command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
