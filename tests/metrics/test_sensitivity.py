from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import MaxSensitivity, max_sensitivity


def smooth(images: Tensor) -> Tensor:
    """A map that bends with the image."""
    return (images[:, 0] * images[:, 1]).sin() + images[:, 2] ** 2


def example(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 6, 5, generator=torch.Generator().manual_seed(2))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def perturbations(images: Tensor, radius: float, samples: int) -> list[Tensor]:
    generator = seeded()
    return [torch.empty_like(images).uniform_(-radius, radius, generator=generator) for _ in range(samples)]


class Script:
    """An explanation that returns prepared maps, one after the other."""

    def __init__(self, *maps: Tensor) -> None:
        self.maps = list(maps)

    def __call__(self, images: Tensor) -> Tensor:
        return self.maps.pop(0)


def test_hand_worked_values() -> None:
    maps = torch.tensor([[[3.0, 4.0]], [[0.0, 2.0]]])
    first = maps + torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
    second = maps + torch.tensor([[[0.3, 0.4]], [[-3.0, -4.0]]])
    # The largest change counts, relative to the map's norm: 1 of (1, 0.5) over 5, and 5 of (0, 5) over 2.
    values = max_sensitivity(Script(first, second), torch.zeros(2, 3, 1, 2), maps, samples=2)
    assert values.tolist() == pytest.approx([0.2, 2.5])


def test_a_map_that_ignores_the_image_scores_zero() -> None:
    images = example()
    maps = torch.rand(4, 6, 5, generator=seeded())
    assert max_sensitivity(lambda _: maps, images, maps).tolist() == [0] * 4
    empty = torch.zeros_like(maps)
    assert max_sensitivity(lambda _: empty, images, empty).tolist() == [0] * 4
    assert max_sensitivity(smooth, images, smooth(images), radius=0).tolist() == [0] * 4


def test_the_images_move_within_the_radius_and_differ() -> None:
    images, seen = example(), []

    def explain(batch: Tensor) -> Tensor:
        seen.append(batch)
        return smooth(batch)

    max_sensitivity(explain, images, smooth(images), radius=0.1, samples=7, generator=seeded())
    assert len(seen) == 7
    changes = torch.stack(seen) - images
    assert changes.abs().max().item() == pytest.approx(0.1, rel=0.01)
    assert changes.mean().abs().item() < 0.01
    assert len({change.numpy().tobytes() for change in changes}) == 7


def test_the_generator_decides_and_scale_does_not() -> None:
    images = example()
    value = max_sensitivity(smooth, images, smooth(images), generator=seeded())
    assert torch.equal(value, max_sensitivity(smooth, images, smooth(images), generator=seeded()))
    assert not torch.equal(value, max_sensitivity(smooth, images, smooth(images), generator=seeded(1)))
    scaled = max_sensitivity(lambda x: smooth(x) * 64, images, smooth(images) * 64, generator=seeded())
    torch.testing.assert_close(scaled, value)


@pytest.mark.parametrize("scale", [2.0**-85, 2.0**85])
def test_the_norm_neither_overflows_nor_vanishes(scale: float) -> None:
    # Gradients of a saturated classifier are this small; their squares leave float32.
    images = example()
    expected = max_sensitivity(smooth, images, smooth(images), generator=seeded())
    values = max_sensitivity(lambda x: smooth(x) * scale, images, smooth(images) * scale, generator=seeded())
    torch.testing.assert_close(values, expected)


def test_agrees_with_a_loop() -> None:
    images = example()
    values = max_sensitivity(smooth, images, smooth(images), radius=0.3, samples=5, generator=seeded())
    deltas = perturbations(images, 0.3, 5)
    for n, image in enumerate(images):
        original = smooth(image[None]).double().numpy()
        changes = [np.linalg.norm(smooth((image + d[n])[None]).double().numpy() - original) for d in deltas]
        assert values[n].item() == pytest.approx(max(changes) / np.linalg.norm(original), rel=1e-5)


def test_agrees_with_captum() -> None:
    captum = pytest.importorskip("captum.metrics")
    images, radius, samples = example(), 0.2, 6
    deltas = torch.stack(perturbations(images, radius, samples), 1).flatten(0, 1)

    def explain(inputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        return (smooth(inputs[0]),) if isinstance(inputs, tuple) else smooth(inputs)

    def perturb(inputs: Tensor) -> Tensor:
        # Captum repeats each image for its samples.
        return inputs + deltas

    theirs = captum.sensitivity_max(explain, images, perturb_func=perturb, n_perturb_samples=samples)
    ours = max_sensitivity(smooth, images, smooth(images), radius=radius, samples=samples, generator=seeded())
    torch.testing.assert_close(ours, theirs)


def test_values_are_cut_at_ten() -> None:
    maps = torch.ones(2, 1, 2)
    maps[1] = 0
    changed = torch.tensor([[[1000.0, 1.0]], [[0.0, 1e-3]]])
    # The second was empty and did not stay so.
    assert max_sensitivity(Script(changed), torch.zeros(2, 3, 1, 2), maps, samples=1).tolist() == [10, 10]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_is_the_worst_value_and_is_counted(value: float) -> None:
    images = example()
    maps = smooth(images)
    maps[1, 0, 0] = value

    def explain(batch: Tensor) -> Tensor:
        changed = smooth(batch)
        changed[3, 2, 2] = value
        return changed

    values = max_sensitivity(explain, images, maps, generator=seeded())
    assert values[[1, 3]].tolist() == [10, 10]
    torch.testing.assert_close(
        values[[0, 2]], max_sensitivity(smooth, images, smooth(images), generator=seeded())[[0, 2]]
    )
    state = MaxSensitivity()
    state.update(explain, images, maps, seeded())
    assert state.compute().item() == pytest.approx(values.mean().item())
    assert (state.nan_count.item(), state.count.item()) == (2, 4)


def test_empty_maps_are_counted() -> None:
    images = example(2)
    state = MaxSensitivity(samples=2)
    state.update(lambda batch: torch.zeros(len(batch), 6, 5), images, torch.zeros(2, 6, 5))
    assert (state.compute().item(), state.empty_count.item(), state.nan_count.item()) == (0, 2, 0)


def test_the_mean_does_not_depend_on_how_images_are_spread() -> None:
    maps = torch.rand(5, 6, 5, generator=seeded()) + 0.5
    maps[4] = torch.nan

    def explain(batch: Tensor) -> Tensor:
        # Blind to the noise, so that the draws do not matter: images hold their number.
        return maps[batch[:, 0, 0, 0].round().long()].nan_to_num() * 1.5

    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 6, 5)
    whole, first, second = MaxSensitivity(samples=3), MaxSensitivity(samples=3), MaxSensitivity(samples=3)
    whole.update(explain, images, maps)
    first.update(explain, images[:2], maps[:2])
    second.update(explain, images[2:], maps[2:])
    first.merge_state(second)
    # Four change by half of themselves, the broken one has ten.
    assert first.compute().item() == pytest.approx((4 * 0.5 + 10) / 5)
    torch.testing.assert_close(first.compute(), whole.compute())
    assert first.nan_count == whole.nan_count == 1
    assert whole.higher_is_better is False


def test_bad_input() -> None:
    images = example()
    maps = smooth(images)
    for message, call in {
        "samples=0": lambda: max_sensitivity(smooth, images, maps, samples=0),
        "radius=-1": lambda: max_sensitivity(smooth, images, maps, radius=-1),
        "maps has shape": lambda: max_sensitivity(smooth, images, maps[:, 1:]),
        "explain returned": lambda: max_sensitivity(lambda x: smooth(x)[:, 1:], images, maps),
        "maps that explain returned": lambda: max_sensitivity(lambda x: smooth(x).long(), images, maps),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
