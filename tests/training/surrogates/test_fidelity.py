from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import spearmanr

from explanans.errors import InputError
from explanans.training.surrogates import Agreement, Fidelity, Limits, agreement_of


def logits(seed: int, count: int = 40) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def test_softmax_against_scipy() -> None:
    box, other = logits(0), logits(0) + 0.5 * logits(1)
    found = agreement_of(box, other, "softmax")
    p, q = box.double().softmax(1).numpy(), other.double().softmax(1).numpy()
    assert found.pictures == 40
    assert found.agreement == pytest.approx((p.argmax(1) == q.argmax(1)).mean())
    assert found.divergence == pytest.approx(rel_entr(p, q).sum(1).mean())
    expected = sum(spearmanr(p[:, c], q[:, c]).statistic for c in range(3)) / 3
    assert found.rank_correlation == pytest.approx(expected)
    assert found.by_class[1] == pytest.approx(spearmanr(p[:, 1], q[:, 1]).statistic)
    assert found.constant == pytest.approx(np.bincount(p.argmax(1)).max() / 40)


def test_sigmoid_against_scipy() -> None:
    box, other = logits(2), logits(2) + 0.5 * logits(3)
    found = agreement_of(box, other, "sigmoid")
    p, q = box.double().sigmoid().numpy(), other.double().sigmoid().numpy()
    assert found.agreement == pytest.approx(((p > 0.5) == (q > 0.5)).all(1).mean())
    assert found.divergence == pytest.approx((rel_entr(p, q) + rel_entr(1 - p, 1 - q)).mean())
    assert found.constant == pytest.approx(max(Counter(map(tuple, p > 0.5)).values()) / 40)


def test_equal_answers_share_a_rank_and_a_constant_class_does_not_count() -> None:
    box = torch.tensor([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    other = torch.tensor([[0.5, 0.0], [0.0, 1.0], [3.0, 2.0], [3.0, 3.0]])
    expected = spearmanr(box[:, 0].sigmoid(), other[:, 0].sigmoid()).statistic
    found = agreement_of(box, other, "sigmoid")
    assert found.rank_correlation == pytest.approx(expected)
    assert found.by_class[1] is None


def test_a_constant_surrogate_is_no_better_than_constant() -> None:
    box = logits(5)
    most = ((box > 0).float() @ torch.tensor([4.0, 2.0, 1.0])).mode().values
    same = torch.tensor([1.0 if int(most) & bit else -1.0 for bit in (4, 2, 1)]).expand_as(box)
    found = agreement_of(box, same, "sigmoid")
    assert found.agreement == found.constant
    assert found.rank_correlation == 0


def test_facts_of_before_there_were_all_figures() -> None:
    facts = {"pictures": 3, "agreement": 0.9, "divergence": 0.1, "rank_correlation": 0.8}
    assert Agreement.from_dict(facts).by_class == ()


def test_the_box_itself_is_perfect() -> None:
    for activation in ("softmax", "sigmoid"):
        found = agreement_of(logits(4), logits(4), activation)
        assert (found.agreement, found.divergence) == (1.0, 0.0)
        assert found.rank_correlation == pytest.approx(1)


def test_no_picture() -> None:
    assert math.isnan(agreement_of(torch.zeros(0, 3), torch.zeros(0, 3), "softmax").agreement)


def test_limits() -> None:
    good = Agreement(10, 0.9, 0.1, 0.9)
    Fidelity(good, good).require(Limits())
    # Only masked pictures decide, and what could not be measured is not good enough.
    Fidelity(Agreement(10, 0.1, 1, 0.1), good).require(Limits())
    numbers = (
        r"agreement 0\.50 \(wanted 0\.7\) with the box.*whole pictures: agreement 0\.900.*masked ones: agreement 0\.5"
    )
    with pytest.raises(InputError, match=rf"{numbers}.*--calls"):
        Fidelity(good, Agreement(10, 0.5, 0.1, 0.9)).require(Limits())
    with pytest.raises(InputError, match="rank correlation nan"):
        Fidelity(good, Agreement(10, 0.9, 0.1, math.nan)).require(Limits())
