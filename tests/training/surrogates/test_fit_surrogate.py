"""A box without gradients, from its first answer to an Explainer with receipts of the box itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.main import main
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.training import Calibration, Run, Verdict, fit, fit_surrogate
from explanans.training.surrogates import Fidelity, load_surrogate
from explanans.utils.progress import Progress

RUN = Run(max_epochs=2, batch_size=8, patience=0, accelerator="cpu", progress=False)


class Hidden(nn.Module):
    """A classifier whose gradients nobody gets, and that counts what it is asked."""

    differentiable = False

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.asked = 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        return self.inner(images).detach()


@pytest.fixture
def box(explainer: Any) -> Explanandum:
    given = explainer().explanandum
    made = Explanandum(
        Hidden(given.module), classes=given.classes, activation=given.activation, preprocessing=given.preprocessing
    )
    made.module.asked = 0
    return made


def surrogate_of(box: Explanandum, scenes: str, out: Path, **changes: Any) -> tuple[Path, Fidelity]:
    small = {"architecture": "explanans:small_resnet", "weights": None, "arguments": {"widths": [8, 16]}}
    return fit_surrogate(box, scenes, **{"calls": 60, "held_out_calls": 20, "run": RUN, "out": out, **small, **changes})


def test_from_the_first_answer_to_receipts(box: Explanandum, scenes: str, out: Path) -> None:
    folder, fidelity = surrogate_of(box, scenes, out)
    assert box.module.asked == 60
    assert fidelity.whole.pictures + fidelity.masked.pictures == 20
    facts = json.loads((folder / "explanandum.json").read_text())
    assert Fidelity.from_dict(facts["fidelity"]) == fidelity
    assert facts["calls"] == {"training": 40, "held-out": 20}

    explainer = Explainer(box, "compact", encoder_weights=None)
    with pytest.raises(InputError, match="fit needs gradients"):
        fit(explainer, scenes, run=RUN, out=out / "direct")
    fit(
        explainer,
        scenes,
        objective="stalder2022",
        surrogate=folder,
        allow_poor_surrogate=True,
        calibration=Calibration(images=2),
        verdict=Verdict(images=2),
        run=RUN,
        out=out / "explainer",
    )
    assert explainer.facts["surrogate"]["calls"] == facts["calls"]
    others = [name for name in explainer.facts["verdict"]["rows"] if name != "Explainer"]
    assert others
    assert all(name.endswith(" of the surrogate") for name in others)
    # The Explainer belongs to the box: that is who answers for its receipts.
    loaded = Explainer.from_pretrained(out / "explainer" / "explainer", explanandum=box)
    before = box.module.asked
    image = torch.zeros(3, 40, 40)
    (found,) = loaded.explain(image, top_k=1)
    assert found.receipt is not None
    assert box.module.asked > before


def test_asked_nothing_twice(box: Explanandum, scenes: str, out: Path) -> None:
    surrogate_of(box, scenes, out)
    (out / "last.ckpt").unlink()
    surrogate_of(box, scenes, out)
    assert box.module.asked == 60


def test_a_poor_one_and_that_of_another_are_refused(box: Explanandum, scenes: str, out: Path) -> None:
    folder, _ = surrogate_of(box, scenes, out)
    path = folder / "explanandum.json"
    facts = json.loads(path.read_text())
    facts["fidelity"]["masked"]["agreement"] = 0.3
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"agreement 0\.30 .*allow_poor_surrogate"):
        load_surrogate(folder, box)
    assert load_surrogate(folder, box, allow_poor=True)[0].differentiable
    facts["box"]["weights_hash"] = "0" * 64
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="stands in for another classifier: weights_hash"):
        load_surrogate(folder, box, allow_poor=True)


def test_more_calls_go_on_from_the_answers_of_an_earlier_run(box: Explanandum, scenes: str, out: Path) -> None:
    surrogate_of(box, scenes, out)
    with pytest.raises(InputError, match="holds a training run with other settings"):
        surrogate_of(box, scenes, out, calls=80)
    assert box.module.asked == 60, "nothing is asked for a run that is refused"
    surrogate_of(box, scenes, out / "more", calls=80, answers=out / "answers")
    assert box.module.asked == 80


def test_the_budget_holds_however_it_is_divided(box: Explanandum, scenes: str, out: Path) -> None:
    surrogate_of(box, scenes, out)
    # 40 of the 60 went to training, so that 20 are left for what is held out, not 30.
    folder, fidelity = surrogate_of(box, scenes, out / "other", held_out_calls=30, answers=out / "answers")
    assert box.module.asked == 60
    facts = json.loads((folder / "explanandum.json").read_text())
    assert facts["calls"] == {"training": 30, "held-out": 20}
    assert fidelity.whole.pictures + fidelity.masked.pictures == 20


def test_a_run_that_may_not_resume_can_start(box: Explanandum, scenes: str, out: Path) -> None:
    fresh = replace(RUN, resume=False)
    surrogate_of(box, scenes, out, run=fresh)
    with pytest.raises(InputError, match="holds a training run already"):
        surrogate_of(box, scenes, out, run=fresh)


def test_held_out_pictures_that_are_trained_on_are_refused(box: Explanandum, scenes: str, out: Path) -> None:
    with pytest.raises(InputError, match=r"validation: 12 of its 12 pictures are in scenes/train too"):
        surrogate_of(box, scenes, out, validation_split="train[:50%]")
    assert box.module.asked == 0
    surrogate_of(box, scenes, out, train_split="train[:50%]", validation_split="train[50%:]")


def test_what_is_spent_is_told_batch_by_batch(
    box: Explanandum, scenes: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    change = Progress.set

    def kept(self: Progress, **changes: Any) -> None:
        if self.what == "asking the box":
            told.append((changes["done"], self.total))
        change(self, **changes)

    monkeypatch.setattr(Progress, "set", kept)
    surrogate_of(box, scenes, out, ask_batch_size=10)
    assert told == [(count, 60) for count in (10, 20, 30, 40, 50, 60)]


def test_what_was_found_and_measured_is_said(
    box: Explanandum, scenes: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    surrogate_of(box, scenes, out, run=replace(RUN, progress=True))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("training: 24 pictures of scenes")
    assert lines[1].startswith("held out: 8 pictures of scenes")
    network = r"network: explanans:small_resnet, 0\.\d\d M parameters"
    assert re.fullmatch(rf"{network}; the box answers 60 calls, 20 of them held out", lines[2])
    assert lines[3].endswith("5 steps in an epoch, at most 2 epochs")
    assert lines[-1].startswith("kept epoch ")


def test_a_surrogate_from_a_factory_needs_trust(
    box: Explanandum, scenes: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(out.parent))
    (out.parent / "own_net.py").write_text("from explanans.classifiers.small_resnet import SmallResNet\n")
    folder, _ = surrogate_of(box, scenes, out, architecture="own_net:SmallResNet")
    explainer = Explainer(box, "compact", encoder_weights=None)
    options: dict[str, Any] = {"objective": "stalder2022", "surrogate": folder, "allow_poor_surrogate": True}
    with pytest.raises(InputError, match="trust_factory=True"):
        fit(explainer, scenes, run=RUN, out=out / "explainer", **options)
    fit(explainer, scenes, run=RUN, out=out / "explainer", trust_factory=True, **options)
    assert explainer.facts["surrogate"]["weights_hash"]


def test_too_few_calls(box: Explanandum, scenes: str, out: Path) -> None:
    with pytest.raises(InputError, match="calls=20, of which 20"):
        surrogate_of(box, scenes, out, calls=20)
    assert box.module.asked == 0


def test_the_command(scenes: str, explainer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    given = explainer().explanandum
    size = given.preprocessing.height
    program = torch.onnx.export(
        given.module, (torch.zeros(1, 3, size, size),), dynamo=True, verbose=False, opset_version=18
    )
    program.save(str(tmp_path / "box.onnx"))
    assert onnx.load(tmp_path / "box.onnx").graph.node
    facts = given.preprocessing.to_dict().items()
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts}
    preprocessing = [f"--preprocessing.{key}={word}" for key, word in words.items()]
    arguments = ["surrogate", "fit", f"onnx:{tmp_path / 'box.onnx'}", scenes, "--classes", ",".join(given.classes)]
    arguments += ["--activation", "sigmoid", *preprocessing, "--calls", "40", "--held_out_calls", "16"]
    arguments += ["--architecture", "explanans:small_resnet", "--weights", "null", "--out", str(tmp_path / "run")]
    arguments += ["--run.max_epochs", "1", "--run.batch_size", "8", "--run.accelerator", "cpu"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "rank correlation" in printed
    assert "masked" in printed
    assert (tmp_path / "run" / "surrogate" / "explanandum.json").is_file()
