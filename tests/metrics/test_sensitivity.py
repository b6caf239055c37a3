from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import MaxSensitivity, max_sensitivity


def squared(images: Tensor) -> Tensor:
    return images.square().sum(1)


def test_hand_worked_values() -> None:
    images = torch.ones(1, 3, 2, 2)
    offsets = iter([0.0, 0.5, -1.0])

    def explain(changed: Tensor) -> Tensor:
        return torch.full((1, 2, 2), 2.0) + next(offsets)

    # Maps of 2 in four pixels have norm 4; the largest change, by 1 in each, has norm 2.
    assert max_sensitivity(explain, images, torch.full((1, 2, 2), 2.0), samples=3).item() == pytest.approx(0.5)


def test_draws_stay_within_the_radius_and_are_taken_samples_times() -> None:
    images, seen = torch.rand(2, 3, 5, 5), []

    def explain(changed: Tensor) -> Tensor:
        seen.append(changed - images)
        return changed.sum(1)

    max_sensitivity(explain, images, images.sum(1), radius=0.3, samples=7)
    noise = torch.stack(seen)
    assert len(noise) == 7
    assert 0.28 < noise.abs().max() <= 0.3 + 1e-6
    assert noise.min() < -0.28


def test_agrees_with_captum() -> None:
    captum = pytest.importorskip("captum.metrics")
    images = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    noise = [torch.empty_like(images).uniform_(-0.1, 0.1, generator=generator) for _ in range(4)]

    def perturb(expanded: Tensor) -> Tensor:
        # It repeats each image for all of its draws.
        return expanded + torch.stack(noise, 1).flatten(0, 1)

    def explain(inputs: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        return (squared(inputs[0] if isinstance(inputs, tuple) else inputs),)

    theirs = captum.sensitivity_max(explain, images, perturb_func=perturb, n_perturb_samples=4)
    ours = max_sensitivity(
        squared, images, squared(images), radius=0.1, samples=4, generator=torch.Generator().manual_seed(1)
    )
    torch.testing.assert_close(ours, theirs)


def test_constant_maps_do_not_change() -> None:
    images = torch.rand(2, 3, 4, 4)
    for value in (0.0, 0.7):
        maps = torch.full((2, 1, 4, 4), value)
        assert max_sensitivity(lambda changed, m=maps: m, images, maps).tolist() == [0, 0]
    # An empty map that does not stay empty has no relative change.
    assert max_sensitivity(squared, images, torch.zeros(2, 4, 4)).tolist() == [10, 10]
    state = MaxSensitivity()
    state.update(lambda changed: torch.zeros(2, 4, 4), images, torch.zeros(2, 4, 4))
    assert (state.empty_count, state.nan_count, state.compute()) == (2, 0, 0)


def test_scale_does_not_matter_and_the_limit_holds() -> None:
    images = torch.rand(2, 3, 4, 4)
    values = [
        max_sensitivity(
            lambda changed, k=k: k * squared(changed),
            images,
            k * squared(images),
            generator=torch.Generator().manual_seed(0),
        )
        for k in (1, 1000)
    ]
    torch.testing.assert_close(*values)
    assert max_sensitivity(lambda changed: 99 * squared(changed), images, squared(images)).tolist() == [10, 10]


def test_nan_is_the_worst_score_and_is_counted() -> None:
    images = torch.rand(3, 3, 4, 4)
    maps = squared(images)
    maps[0, 0, 0] = torch.inf
    calls = []

    def explain(changed: Tensor) -> Tensor:
        calls.append(1)
        result = squared(changed)
        if len(calls) == 2:  # once is enough
            result[1, 2, 2] = torch.nan
        return result

    scores = max_sensitivity(explain, images, maps, samples=3)
    assert scores[:2].tolist() == [10, 10]
    assert 0 < scores[2] < 1
    calls.clear()
    state = MaxSensitivity(samples=3)
    state.update(explain, images, maps)
    assert (state.nan_count, state.count, state.higher_is_better) == (2, 3, False)


def test_states_of_two_processes_sum_to_one() -> None:
    images = torch.rand(3, 3, 4, 4)
    first, second = MaxSensitivity(), MaxSensitivity()
    expected = []
    for state, rows in ((first, images[:2]), (second, images[2:])):
        state.update(squared, rows, squared(rows), torch.Generator().manual_seed(0))
        expected.append(max_sensitivity(squared, rows, squared(rows), generator=torch.Generator().manual_seed(0)))
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), torch.cat(expected).mean())
    assert first.count == 3


def test_bad_input() -> None:
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(InputError, match="samples=0"):
        max_sensitivity(squared, images, squared(images), samples=0)
    with pytest.raises(InputError, match=r"radius=-0\.1"):
        max_sensitivity(squared, images, squared(images), radius=-0.1)
    with pytest.raises(InputError, match="explain returned"):
        max_sensitivity(lambda changed: squared(changed)[:, :2], images, squared(images))
    with pytest.raises(InputError, match="maps has shape"):
        max_sensitivity(squared, images, torch.rand(2, 3, 3))
