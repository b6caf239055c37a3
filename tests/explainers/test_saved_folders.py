"""Saved classifiers and Explainers that suffered, or came from elsewhere: refused by name, and nothing in them runs."""

from __future__ import annotations

import json
import math
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.cli.main import main
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

GONE = object()
CONFIG, CLASSIFIER = "config.json", "classifier/explanandum.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 2, "widths": [4, 8]})
    explanandum = Explanandum(
        SmallResNet(2, (4, 8)),
        classes=["cat", "dog"],
        activation="sigmoid",
        preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3),
        source=source,
    )
    folder = tmp_path_factory.mktemp("whole") / "explainer"
    Explainer(explanandum, "compact").save_pretrained(folder)
    return folder


@pytest.fixture
def saved(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to damage; nothing may be written beside it."""
    folder = Path(shutil.copytree(whole, tmp_path / "place" / "explainer"))
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield folder
    assert [each.name for each in (tmp_path / "place").iterdir()] == ["explainer"]
    assert not (tmp_path / "ran").exists()


def put(file: Path, place: str, value: Any) -> None:
    content = json.loads(file.read_text())
    *outer, last = place.split(".")
    inner = content
    for key in outer:
        inner = inner[key]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    file.write_text(json.dumps(content))


ENTRIES: list[tuple[str, str, list[Any]]] = [
    (CONFIG, "format", ["explanans training run 1", 1, None]),
    (CONFIG, "mask_network", [GONE, 1, [], {}, "", "comapct", "trunk", "trunk?width=0", "unet/../x", "light/x?a=b"]),
    (CONFIG, "classifier", [GONE, None, [], "x", {}]),
    (CONFIG, "classifier.weights_hash", [GONE, None, 1, "0" * 64]),
    (CONFIG, "classifier.classes", [GONE, None, "cat", [1], ["cat"], {}]),
    (CONFIG, "classifier.activation", [GONE, None, 1, "softmax"]),
    (CONFIG, "classifier.preprocessing", [GONE, None, [], {}]),
    (CONFIG, "facts", [GONE, None, [], "x"]),
    (CONFIG, "calibration", [None, [], {}, "x", 1]),
    (CONFIG, "calibration.scale", [GONE, None, "x", math.nan, math.inf, [], True]),
    (CONFIG, "calibration.reach", [None, "1", -1, 13, math.nan]),
    (CONFIG, "calibration.refine", [None, "1", -1, 4.1, math.nan]),
    (CONFIG, "calibration.shift", [GONE, None, "1", math.nan, -math.inf]),
    (CONFIG, "layers", [["layer1"], [], "x", 1]),
    (CLASSIFIER, "source", [GONE, None, [], "x", {}, {"spec": 1}, {"spec": "explanans:small_resnet", "more": 1}]),
    (CLASSIFIER, "source.spec", [GONE, None, "", "x", "explanans:large", "timm:", "timm:../x", "torchvision:nothing"]),
    (CLASSIFIER, "source.spec", ["hf:../x", "onnx:../x.onnx", "torchscript:/etc/passwd", "export:x", "sample:nothing"]),
    (CLASSIFIER, "source.arguments", [None, [], "x", {"checkpoint_path": "x"}, {"pretrained": True}, {"widths": "x"}]),
    (CLASSIFIER, "source.arguments.num_classes", [GONE, None, "2", -1, 0, 2.5, True, 10**8, 10**15]),
    (CLASSIFIER, "source.arguments.widths", [[0], [-1], ["4"], [2**62], 4, [4]]),
    (
        CLASSIFIER,
        "classes",
        [GONE, None, "cat", [], [1], ["caf\udce9", "dog"], ["cat", "cat"], ["cat"], ["a", "b", "c"]],
    ),
    (CLASSIFIER, "activation", [GONE, None, 1, "", "tanh"]),
    (CLASSIFIER, "preprocessing", [GONE, None, [], "x", {}, {"size": 16}, 1]),
    (CLASSIFIER, "preprocessing.size", [GONE, None, 0, -1, "16", [16], [16, 16, 16], 10**6, 16.5, True, math.nan]),
    (
        CLASSIFIER,
        "preprocessing.mean",
        [None, "x", [0.5], [0.5, 0.5], [math.nan] * 3, ["a", "b", "c"], [[1], [1], [1]]],
    ),
    (CLASSIFIER, "preprocessing.std", [None, [0, 1, 1], [-1, 1, 1], [math.inf] * 3, []]),
    (CLASSIFIER, "preprocessing.interpolation", [None, 1, "magic", []]),
    (CLASSIFIER, "preprocessing.more", [1]),
    (CLASSIFIER, "weights_hash", [GONE, None, 1, "", "0" * 64]),
]
DAMAGES = [(name, place, value) for name, place, values in ENTRIES for value in values]


# Some build a network of no classes before anybody sees that its weights are others.
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "place", "value"), DAMAGES, ids=[f"{place}={'gone' if v is GONE else v}" for _, place, v in DAMAGES]
)
def test_an_entry_of_another_kind(saved: Path, name: str, place: str, value: Any) -> None:
    put(saved / name, place, value)
    with pytest.raises(InputError) as caught:
        Explainer.from_pretrained(saved)
    assert len(str(caught.value)) < 1_600


BYTES = {
    "empty": b"",
    "cut": b'{"mask_network": "comp',
    "a list": b"[]",
    "a word": b'"x"',
    "a number": b"1e999",
    "zeros": bytes(100),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": '{"ü": 1}'.encode("latin-1"),
    "many levels": b"[" * 200_000,
    "a pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("content", BYTES)
@pytest.mark.parametrize("name", [CONFIG, CLASSIFIER, "model.safetensors", "classifier/model.safetensors"])
def test_a_damaged_file(saved: Path, name: str, content: str) -> None:
    (saved / name).write_bytes(BYTES[content])
    with pytest.raises(InputError, match=Path(name).name):
        Explainer.from_pretrained(saved)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", [CONFIG, CLASSIFIER, "model.safetensors", "classifier/model.safetensors"])
def test_a_file_that_is_not_there(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(InputError, match=Path(name).name):
        Explainer.from_pretrained(saved)


@pytest.mark.bad_input
@pytest.mark.parametrize("change", ["more", "less", "shape", "NaN"])
def test_weights_of_something_else(saved: Path, change: str) -> None:
    file = saved / "classifier" / "model.safetensors"
    weights = load_file(file)
    first = next(name for name in weights if name.endswith("weight"))
    if change == "less":
        del weights[first]
    else:
        weights |= {"more": {"more": torch.zeros(1)}, "shape": {first: torch.zeros(1)}, "NaN": {}}[change]
    if change == "NaN":
        weights = {name: each * math.nan if each.is_floating_point() else each for name, each in weights.items()}
    save_file(weights, file)
    with pytest.raises(InputError):
        Explainer.from_pretrained(saved)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "facts", [{"metrics": 1}, {"data": []}, {"seed": {}}, {"benchmark": {"scores": 1}}, {"receipts": []}]
)
def test_a_card_of_facts_of_another_kind(
    saved: Path, facts: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    put(saved / CONFIG, "facts", facts)
    status = main(["card", str(saved), "--overwrite"])
    captured = capsys.readouterr()
    assert status in (0, 2)
    if status:
        assert "config.json" in captured.err
    assert "Traceback" not in captured.err


# What would leave a file called "ran" two folders up if anything of it ran.
HOSTILE: list[tuple[str, Any]] = [
    ("source.spec", "os:system"),
    ("source.spec", "subprocess:run"),
    ("source.spec", "builtins:exec"),
    ("source.spec", "function:os:system"),
    ("source.spec", "pathlib:Path.touch"),
    ("source.spec", "torchscript:evil.pt"),
    ("source.spec", "export:evil.pt2"),
    ("source.spec", "torchscript:../evil.pt"),
    ("source.spec", "onnx:/etc/passwd"),
    ("source.spec", "timm:resnet10t?checkpoint_path=evil.pth"),
    ("source.spec", "timm:local-dir:../evil"),
    ("source.spec", "timm:hf-hub:evil/evil"),
    ("source.arguments", {"num_classes": 2, "checkpoint_path": "evil.pth"}),
    ("source.arguments", {"num_classes": 2, "pretrained": True}),
    ("source.arguments", {"num_classes": 2, "__class__": "os.system"}),
    ("source.arguments", {"num_classes": "__import__('os').system('touch ../../ran')"}),
]


class Runs:
    """What a pickle does with it is visible."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("../ran"),)


@pytest.mark.bad_input
@pytest.mark.parametrize(("place", "value"), HOSTILE, ids=[f"{place}={value}" for place, value in HOSTILE])
def test_nothing_that_a_folder_names_runs(saved: Path, place: str, value: Any) -> None:
    for name in ("evil.pt", "evil.pt2", "evil.pth", "../evil.pt"):
        (saved / "classifier" / name).write_bytes(pickle.dumps(Runs()))
    put(saved / CLASSIFIER, place, value)
    with pytest.raises(InputError):
        Explainer.from_pretrained(saved)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["model.safetensors", "classifier/model.safetensors", CONFIG, CLASSIFIER])
def test_no_pickle_runs(saved: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (saved / name).write_bytes(pickle.dumps(Runs()))
    with pytest.raises(InputError, match=Path(name).name):
        Explainer.from_pretrained(saved)
    evil = saved / "evil.pth"
    torch.save(Runs(), evil)
    with pytest.raises(InputError, match=r"evil\.pth cannot be read as plain weights"):
        Explanandum.load("timm:resnet10t", weights=evil)


@pytest.mark.bad_input
@pytest.mark.parametrize("label", ["../../up", "/etc/x", "<script>alert(1)</script>", "=1+1", "\x1b[31m", "a\nb", "‮"])
@pytest.mark.parametrize("form", ["folders", "parquet", "coco", "png"])
def test_results_of_hostile_class_names_stay_in_their_folder(
    saved: Path, label: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    explainer = Explainer.from_pretrained(saved)
    explainer.explanandum.classes = (label, "dog")
    other = tmp_path / "hostile"
    explainer.save_pretrained(other / "saved")
    Image.new("RGB", (20, 20)).save(other / "1.png")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(other)}
    words = ["explain", str(other / "saved"), str(other / "1.png"), "--out", str(other / "out"), "--top_k=2"]
    assert main([*words, "--format", form, "--workers=0"]) == 0
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(other)} == before
    for page in (other / "out").rglob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8")
    # In a code span of Markdown it is text.
    assert "<script>alert" not in re.sub("`[^`]*`", "", (other / "saved" / "README.md").read_text(encoding="utf-8"))
