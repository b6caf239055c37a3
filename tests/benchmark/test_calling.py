from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.benchmark.calling import HELD_OUT, Caller, seed_of, timed
from explanans.errors import InputError

IMAGES = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 5, 6).contiguous()
TARGETS = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0]], dtype=torch.bool)


class Method:
    """The image itself for every class that is asked for; ``fails`` where an image's value is among those given."""

    def __init__(self, fails: tuple[float, ...] = (), draws: bool = False) -> None:
        self.fails, self.draws, self.calls = fails, draws, []

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.calls.append(images[:, 0, 0, 0].tolist())
        if set(self.calls[-1]) & set(self.fails):
            raise ValueError(f"not {self.calls[-1]}")
        maps = images[:, :1] * targets[:, :, None, None]
        return maps + torch.rand(maps.shape, generator=generator) if self.draws else maps


def test_one_call_for_a_method_that_draws_nothing() -> None:
    method = Method()
    called = Caller("m", method, seed=0)(IMAGES, TARGETS, [7, 8, 9, 10])
    assert called.errors == [""] * 4
    assert torch.equal(called.maps, IMAGES[:, :1] * TARGETS[:, :, None, None])
    # The first call finds out whether it draws.
    assert method.calls == [[0.0], [0.0, 1.0, 2.0, 3.0]]


def test_draws_belong_to_seed_name_and_image() -> None:
    caller = Caller("m", Method(draws=True), seed=3)
    together = caller(IMAGES, TARGETS, [7, 8, 9, 10]).maps
    order = torch.tensor([2, 0, 3, 1])
    shuffled = caller(IMAGES[order], TARGETS[order], [9, 7, 10, 8]).maps
    assert torch.equal(shuffled, together[order])
    alone = Caller("m", Method(draws=True), seed=3)(IMAGES[1:2], TARGETS[1:2], [8]).maps
    assert torch.equal(alone[0], together[1])
    generator = torch.Generator().manual_seed(seed_of(3, "m", 8))
    assert torch.equal(
        alone, IMAGES[1:2, :1] * TARGETS[1:2, :, None, None] + torch.rand(1, 2, 5, 6, generator=generator)
    )
    for name, seed, index in (("n", 3, 8), ("m", 4, 8), ("m", 3, 9)):
        other = Caller(name, Method(draws=True), seed)(IMAGES[1:2], TARGETS[1:2], [index]).maps
        assert not torch.equal(other, alone)
    held_out = caller(IMAGES[1:2], TARGETS[1:2], [8], HELD_OUT).maps
    assert not torch.equal(held_out, alone)
    assert torch.equal(held_out, caller(IMAGES[1:2], TARGETS[1:2], [8], HELD_OUT).maps)


@pytest.mark.parametrize("bad", [(2.0,), (0.0,), (0.0, 3.0), (0.0, 1.0, 2.0, 3.0)])
@pytest.mark.parametrize("draws", [False, True])
def test_one_image_costs_no_other_its_map(bad: tuple[float, ...], draws: bool) -> None:
    called = Caller("m", Method(bad, draws), seed=0)(IMAGES, TARGETS, range(4))
    whole = Caller("m", Method((), draws), seed=0)(IMAGES, TARGETS, range(4)).maps
    for n in range(4):
        if n in bad:
            assert called.errors[n] == f"ValueError: not [{n}.0]"
            assert called.maps[n].isnan().all()
        else:
            assert called.errors[n] == ""
            assert torch.equal(called.maps[n], whole[n])


def test_maps_of_a_wrong_shape_are_a_failure() -> None:
    def small(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return images.new_zeros(len(images), 2, 2, 2)

    with pytest.raises(InputError, match=r"\(4, 2, 2, 2\); expected \(4, 2, 5, 6\)"):
        timed(small, IMAGES, TARGETS)
    called = Caller("m", small, seed=0)(IMAGES, TARGETS, range(4))
    assert all("InputError: returned maps of shape (1, 2, 2, 2)" in error for error in called.errors)


def test_ctrl_c_is_no_failure_of_the_method() -> None:
    def interrupted(*arguments: object) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Caller("m", interrupted, seed=0)(IMAGES, TARGETS, range(4))


def test_seeds_do_not_depend_on_the_process() -> None:
    # sha256sum of "(0, 'm', 1)": its first eight bytes, halved.
    assert seed_of(0, "m", 1) == 5814032540129364236
    assert len({seed_of(0, "m", 1), seed_of(0, "m", 2), seed_of(1, "m", 1), seed_of(0, "n", 1), seed_of(0, "m1")}) == 5


def test_what_a_method_writes_into_the_images_reaches_nobody() -> None:
    def careless(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = images[:, :1] * targets[:, :, None, None]
        images.zero_()
        targets.fill_(True)
        return maps

    images, targets = IMAGES.clone(), TARGETS.clone()
    called = Caller("m", careless, seed=0)(images, targets, range(4))
    assert torch.equal(called.maps, IMAGES[:, :1] * TARGETS[:, :, None, None])
    assert torch.equal(images, IMAGES)
    assert torch.equal(targets, TARGETS)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_maps_that_are_no_numbers_between_are_a_failure(dtype: torch.dtype) -> None:
    def whole(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.ones(*targets.shape, 5, 6, dtype=dtype)

    called = Caller("m", whole, seed=0)(IMAGES, TARGETS, range(4))
    assert all(f"returned maps of type {dtype}" in error for error in called.errors)
    assert called.maps.isnan().all()


def test_maps_take_the_images_type_in_any_batch() -> None:
    def precise(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return (images[:, :1] * targets[:, :, None, None]).double() / 3

    together = Caller("m", precise, seed=0)(IMAGES, TARGETS, range(4)).maps
    alone = Caller("m", precise, seed=0)(IMAGES[1:2], TARGETS[1:2], [1]).maps
    assert together.dtype == alone.dtype == torch.float32
    assert torch.equal(together[1:2], alone)
