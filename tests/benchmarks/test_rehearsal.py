"""The rehearsal's own code on small networks; benchmarks/rehearsal.py runs it on the real ones."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
import torch

PATH = Path(__file__).parents[2] / "benchmarks" / "rehearsal.py"


@pytest.fixture(scope="module")
def rehearsal() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rehearsal", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where the module's dataclass looks for its annotations.
    sys.modules["rehearsal"] = module
    spec.loader.exec_module(module)
    return module


def small(rehearsal: ModuleType, **changes: object) -> object:
    stand_ins = {"size": 48, "batch": 4, "architecture": "torchvision:shufflenet_v2_x0_5", "network": "compact"}
    return rehearsal.Plan("voc2007-vgg16", **{**stand_ins, **changes})


def test_both_commands_run_stop_resume_and_answer(rehearsal: ModuleType, tmp_path: Path) -> None:
    plan = small(rehearsal)
    results = {stage: rehearsal.rehearse(plan, stage, tmp_path) for stage in ("classifier", "explainer")}
    assert results["classifier"]["answer"] == [2, 20]
    assert results["explainer"]["answer"] == [2, 20, 48, 48]
    for result in results.values():
        assert result["seconds"] > 0
        assert result["gigabytes"] > 0.1
        assert result["checkpoint_gigabytes"] > 0
    runs = tmp_path / "runs" / "voc2007-vgg16"
    assert {path.name for path in runs.iterdir()} == {"classifier", "explainer"}


def test_operations_of_a_frozen_backbone_by_hand(rehearsal: ModuleType) -> None:
    """Only the head goes backwards: its forward pass once more for the weights, none for the input."""
    plan = small(rehearsal, size=32)
    with torch.no_grad():
        module, *_ = rehearsal.new_classifier("torchvision:shufflenet_v2_x0_5", 20, None, 32)
        with rehearsal.FlopCounterMode(display=False) as forward:
            module.eval()(torch.zeros(2, 3, 32, 32))
    head = 2 * 1024 * 20
    assert rehearsal.operations(plan, "classifier") == forward.get_total_flops() / 2 + head
    assert rehearsal.operations(plan, "explainer") > 3 * forward.get_total_flops() / 2


def test_speed_and_peak_are_measured(rehearsal: ModuleType) -> None:
    plan = small(rehearsal, size=32, batch=2)
    for precision in (torch.float32, torch.bfloat16):
        speed = rehearsal.throughput(plan, "explainer", 2, precision, warm_up=0)
        assert speed["batch"] == 2
        assert speed["images_per_second"] > 0
    assert rehearsal.matrix_peak("cpu", torch.float32, 64, repeats=1) > 0


@pytest.mark.parametrize(("room", "expected"), [(0, 0), (15, 0), (16, 16), (100, 96), (128, 128), (10**6, 4096)])
def test_the_largest_batch(rehearsal: ModuleType, room: int, expected: int) -> None:
    tried: list[int] = []

    def fits(batch: int) -> bool:
        tried.append(batch)
        return batch <= room

    assert rehearsal.largest_batch(fits, 16, limit=4096) == expected
    assert len(set(tried)) == len(tried) < 16


def test_a_part_prints_its_result_for_the_process_that_asked(
    rehearsal: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = json.dumps(["peak", asdict(small(rehearsal)), {"precision": "float32", "side": 32}])  # type: ignore[call-overload]
    monkeypatch.setattr(sys, "argv", ["rehearsal.py", "--part", given])
    rehearsal.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) > 0
