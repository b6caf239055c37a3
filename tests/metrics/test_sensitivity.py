from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import MaxSensitivity, max_sensitivity


def grey(images: Tensor) -> Tensor:
    return images.mean(1)


def test_equals_captum_on_the_same_perturbations() -> None:
    captum = pytest.importorskip("captum.metrics")
    images = torch.rand(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    generator, same = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)

    def explain(tensor: Tensor) -> Tensor:
        return tensor.square().sum(1)

    def as_captum(inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        # captum takes a tuple; a tensor's batch would be read as one.
        return (explain(inputs[0] if isinstance(inputs, tuple) else inputs),)

    def perturb(inputs: Tensor | tuple[Tensor, ...], radius: float = 0.02) -> Tensor:
        tensor = inputs[0] if isinstance(inputs, tuple) else inputs
        return tensor + torch.empty_like(tensor).uniform_(-radius, radius, generator=same)

    got = max_sensitivity(explain, images, explain(images), radius=0.1, samples=4, generator=generator)
    # One sample per call, so that both draw in the same order.
    theirs = captum.sensitivity_max(
        as_captum,
        images,
        perturb_func=lambda inputs: perturb(inputs, 0.1),
        n_perturb_samples=4,
        max_examples_per_batch=3,
    )
    torch.testing.assert_close(got, theirs)


def test_a_constant_method_is_insensitive_and_scale_means_nothing() -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    constant = torch.ones(2, 4, 4)
    assert max_sensitivity(lambda _: constant, images, constant).tolist() == [0, 0]
    first, scaled = (
        max_sensitivity(
            lambda x, k=k: k * grey(x), images, k * grey(images), generator=torch.Generator().manual_seed(3)
        )
        for k in (1.0, 50.0)
    )
    torch.testing.assert_close(first, scaled)


def test_an_empty_map_is_0_if_it_stays_empty_and_10_if_it_does_not() -> None:
    images, empty = torch.rand(1, 3, 4, 4), torch.zeros(1, 4, 4)
    assert max_sensitivity(lambda _: empty, images, empty).item() == 0
    assert max_sensitivity(grey, images, empty).item() == 10


def test_nan_gets_the_worst_value_and_is_counted() -> None:
    images, metric = torch.rand(2, 3, 4, 4), MaxSensitivity(samples=1)
    broken = grey(images)
    broken[0, 0, 0] = torch.nan
    metric.update(lambda _: grey(images), images, broken)
    assert metric.compute().item() == 5
    assert int(metric.nan_count) == 1


@pytest.mark.parametrize("settings", [{"samples": 0}, {"radius": -0.1}])
def test_bad_settings_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        max_sensitivity(grey, torch.ones(1, 3, 4, 4), torch.ones(1, 4, 4), **settings)
