from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explanans.objectives.localisation import LOSSES, energy_loss, firm_energy_loss, l1_loss, ppce_loss, rrr_loss
from explanans.objectives.localisation.ppce import SMALLEST

EVIDENCE = torch.tensor([[[4.0, 2.0], [-2.0, 2.0]]])
REGION = torch.tensor([[[1.0, 0.0], [0.0, 0.5]]])
ALL = torch.ones(1, 2, 2)


def values(loss: object, evidence: Tensor = EVIDENCE, region: Tensor = REGION, valid: Tensor = ALL) -> float:
    found = loss(evidence, region, valid)  # type: ignore[operator]
    assert found.shape == (1,)
    return float(found)


def test_energy_by_hand() -> None:
    # Of 4 + 2 + 2 positive units 4 and half of 2 lie inside.
    assert values(energy_loss) == pytest.approx(1 - 5 / 8)


def test_firm_energy_by_hand() -> None:
    # The same 5 of 8 units, beside 3 that have to be there.
    assert values(firm_energy_loss) == pytest.approx(1 - 5 / 11)
    valid = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    assert values(firm_energy_loss, valid=valid) == pytest.approx(1 - 5 / 9)


def test_firm_energy_is_not_mended_by_taking_evidence_away() -> None:
    weak = EVIDENCE / 100
    assert values(energy_loss, weak) == pytest.approx(values(energy_loss))
    assert values(firm_energy_loss, weak) > 0.98
    assert values(firm_energy_loss, torch.zeros(1, 2, 2)) == 1


def test_l1_by_hand() -> None:
    # Shares of the largest: 1, ½, 0, ½ against 1, 0, 0, ½.
    assert values(l1_loss) == pytest.approx(0.5 / 4)


def test_ppce_by_hand() -> None:
    half = -math.log((0.5 + SMALLEST) / (1 + SMALLEST))
    assert values(ppce_loss) == pytest.approx(0.5 * half / 1.5)


def test_rrr_by_hand() -> None:
    # Of the largest absolute value: 1, ½, −½, ½; outside by 0, 1, 1, ½.
    assert values(rrr_loss) == pytest.approx((0.25 + 0.25 + 0.125) / 4)


def test_void_counts_nowhere() -> None:
    valid = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    assert values(energy_loss, valid=valid) == pytest.approx(1 - 5 / 6)
    assert values(l1_loss, valid=valid) == pytest.approx(0)
    assert values(rrr_loss, valid=valid) == pytest.approx((0.25 + 0.125) / 3)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_inside_alone_is_best(name: str) -> None:
    region = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    good, bad = region * 3, (1 - region) * 3
    # Beside the 3 units that firm energy wants, 6 are not all.
    least = 3 / 9 if name == "firm_energy" else 0
    assert values(LOSSES[name], good, region) == pytest.approx(least, abs=1e-6)
    assert values(LOSSES[name], bad, region) > 0.4


@pytest.mark.parametrize("name", LOSSES)
def test_no_evidence_is_no_nan(name: str) -> None:
    for nothing in (torch.zeros(1, 2, 2), -torch.ones(1, 2, 2)):
        evidence = nothing.clone().requires_grad_()
        for region in (REGION, torch.zeros(1, 2, 2)):
            found = LOSSES[name](evidence, region, ALL).sum()
            found.backward()
            assert found.isfinite()
            assert evidence.grad is not None
            assert evidence.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_down_moves_evidence_inside(name: str) -> None:
    evidence = torch.tensor([[[1.0, 2.0], [1.5, 0.5]]], requires_grad=True)
    region = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    loss = LOSSES[name]
    for _ in range(200):
        (gradient,) = torch.autograd.grad(loss(evidence, region, ALL).sum(), evidence)
        with torch.no_grad():
            evidence -= 0.05 * gradient
    assert loss(evidence, region, ALL) < loss(torch.tensor([[[1.0, 2.0], [1.5, 0.5]]]), region, ALL)
    # PPCE asks nothing of what is outside, and RRR* nothing of what is inside.
    if name in ("energy", "firm_energy", "l1"):
        assert evidence[0, 0, 0] > evidence[0, 0, 1].abs()
