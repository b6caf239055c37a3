from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explanans.deploy.onnx import export_onnx
from explanans.deploy.onnx.check import _Differences, open_session
from explanans.deploy.onnx.finish import Finish
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer

pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

Made = Callable[..., Explainer]


def blobs(count: int, size: int = 32) -> torch.Tensor:
    """Smooth pictures with noise."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 4, 4, generator=random)
    fine = nn.functional.interpolate(coarse, size, mode="bilinear")
    return fine + 0.1 * torch.randn(count, 3, size, size, generator=random)


def calibrated(explainer: Explainer, reach: float, refine: float, compete: bool = False) -> Explainer:
    """Half of all masks' pixels are inside, and logits are as far from each other as those of trained networks."""
    explainer.calibrate(1.0, 0.0)
    with torch.no_grad():
        factor = 1.5 / explainer.head_logits(blobs(4)).std()
        for part in explainer.network.modules():
            if isinstance(part, nn.Conv2d) and part.out_channels == 3:
                part.weight *= factor
                part.bias *= factor
        middle = float(explainer.head_logits(blobs(4)).median())
    explainer.calibrate(2.0, -middle, reach, refine, compete)
    return explainer


@pytest.mark.parametrize(
    ("reach", "refine", "compete"),
    [(1.5, 1.43, False), (1.5, 0.0, False), (0.0, 1.0, False), (1.5, 1.43, True), (0.0, 0.0, True)],
)
def test_all_masks_at_once_are_those_that_are_asked_for(
    explainer_of: Made, reach: float, refine: float, compete: bool
) -> None:
    # The masks of the compact network are full, empty and half: of these none has to yield.
    explainer = calibrated(
        explainer_of("trunk?width=8" if compete else "compact", sees_all=compete), reach, refine, compete
    )
    images, asked = blobs(4), torch.ones(4, 3, dtype=torch.bool)
    assert Finish.changes(explainer)
    finish = Finish(explainer)
    with torch.no_grad():
        found = finish(images, *explainer.answers(images)[::-1])
        raw = explainer(images)
    torch.testing.assert_close(found.flatten(0, 1), explainer.masks_of(images, asked), atol=1e-4, rtol=0)
    assert (found - raw).abs().max() > 0.1


def test_masks_that_are_empty_or_full_stay_and_the_others_are_finished(explainer_of: Made) -> None:
    explainer = calibrated(explainer_of("compact"), 1.5, 1.43)
    images = blobs(1)
    head = torch.linspace(-3, 3, 64).view(1, 1, 8, 8) + torch.tensor([-9.0, 0.0, 9.0]).view(1, 3, 1, 1)
    with torch.no_grad():
        found = Finish(explainer)(images, head)[0]
    enlarged = nn.functional.interpolate(head, (32, 32), mode="bilinear")[0].sigmoid()
    assert not (found[0] >= 0.5).any()
    assert (found[2] >= 0.5).float().mean() > 0.9
    assert (found[1] - enlarged[1]).abs().max() > 0.1


def test_a_finished_graph(explainer_of: Made, tmp_path: Path) -> None:
    explainer = calibrated(explainer_of("trunk?width=8"), 1.5, 1.43)
    done = export_onnx(explainer, tmp_path / "model.onnx", classes=["cow", "cat"], finish=True)
    assert done.check.difference < 1e-3
    assert done.check.cut_elsewhere <= 1
    assert done.check.masks == 2 * 2 * done.check.images
    session = open_session(done.path)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["finished"]) == {"refine": 1.43, "reach": 1.5, "compete": False}
    images = blobs(5)
    probabilities, masks = session.run(None, {"images": images.numpy()})
    asked = torch.tensor([True, False, True]).expand(5, 3)
    expected = explainer.masks_of(images, asked).view(5, 2, 32, 32).flip(1)
    assert np.abs(masks - expected.numpy()).max((2, 3)).max() < 1e-3
    with torch.no_grad():
        assert np.abs(probabilities - explainer.explanandum.probabilities(images).numpy()).max() < 1e-4


@pytest.mark.parametrize("what", ["both", "masks"])
def test_a_graph_of_masks_that_compete_knows_the_rivals_that_it_does_not_draw(
    explainer_of: Made, tmp_path: Path, what: str
) -> None:
    explainer = calibrated(explainer_of("trunk?width=8", sees_all=True), 0.0, 0.0, compete=True)
    done = export_onnx(explainer, tmp_path / "model.onnx", what=what, classes=["cow"], finish=True)
    session = open_session(done.path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["finished"])["compete"]
    images = blobs(3)
    *_, masks = session.run(None, {"images": images.numpy()})
    asked = torch.tensor([False, False, True]).expand(3, 3)
    expected = explainer.masks_of(images, asked)
    assert np.abs(masks[:, 0] - expected.numpy()).max() < 1e-4
    assert (expected - explainer.whole_evidence().masks_of(images, asked)).abs().max() > 0.1
    assert len(session.get_outputs()) == (2 if what == "both" else 1)


@pytest.mark.bad_input
def test_what_cannot_be_finished_is_refused_before_anything_is_traced(
    explainer_of: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer, path = explainer_of("compact"), tmp_path / "model.onnx"
    with pytest.raises(InputError, match="not calibrated to finish"):
        export_onnx(explainer, path, finish=True)
    calibrated(explainer, 0.0, 1.43)
    with pytest.raises(InputError, match="leave one of finish and dynamic_size out"):
        export_onnx(explainer, path, finish=True, dynamic_size=True)
    monkeypatch.setattr("explanans.deploy.onnx.graph.TOGETHER", 2)
    with pytest.raises(InputError, match=r"3 masks .* name up to 2 with classes"):
        export_onnx(explainer, path, finish=True)
    assert not list(tmp_path.iterdir())


def test_a_mask_that_is_cut_elsewhere_is_counted_and_another_one_is_not() -> None:
    logits = torch.linspace(-6, 6, 48).view(1, 3, 4, 4)
    counted = _Differences(Answer(logits), 1e-3, [-2.0, 2.0])
    moved = logits.clone()
    moved[:, 1] += 2
    counted.add([moved.sigmoid().numpy()], torch.zeros(1))
    assert (counted.masks, counted.cut_elsewhere) == (3, 1)
    assert counted.worst < 1e-3
    moved[:, 2] += 1
    counted.add([moved.sigmoid().numpy()], torch.zeros(1))
    assert counted.cut_elsewhere == 2
    assert counted.worst > 0.01


class Answer(nn.Module):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, given: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.logits.sigmoid(),)
