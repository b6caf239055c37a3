from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from explanans.ops import class_maps
from explanans.ops.class_maps import ClassMaps, FactoredMaps, WholeMaps, softplus_and_slope

COUNT, CLASSES, HEIGHT, WIDTH = 3, 7, 4, 5
COUNTED = torch.arange(COUNT * CLASSES).view(COUNT, CLASSES) % 3 > 0


def leaves() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(COUNT, CLASSES, 6, generator=generator, dtype=torch.float64)
    right = torch.randn(COUNT, 4, HEIGHT * WIDTH, generator=generator, dtype=torch.float64)
    fixed = torch.randn(2, HEIGHT * WIDTH, generator=generator, dtype=torch.float64)
    return left.requires_grad_(), right.requires_grad_(), fixed


def product(left: Tensor, right: Tensor, fixed: Tensor) -> Tensor:
    rows = torch.cat([right, fixed.expand(COUNT, -1, -1)], 1)
    return torch.einsum("nck,nkp->ncp", left, rows).unflatten(2, (HEIGHT, WIDTH))


def both() -> list[tuple[ClassMaps, Tensor, tuple[Tensor, ...]]]:
    """The two kinds of maps, the logits that they stand for, and what these are made of."""
    left, right, fixed = leaves()
    logits = product(left, right, fixed).detach().requires_grad_()
    factored = FactoredMaps(left, right, fixed, (HEIGHT, WIDTH))
    return [(WholeMaps(logits), logits, (logits,)), (factored, product(left, right, fixed), (left, right))]


@pytest.fixture(params=[1 << 18, 45, 1], ids=["one block", "two classes in a block", "one class in a block"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_maps, "ON_PROCESSOR", request.param)


@pytest.mark.usefixtures("blocks")
def test_the_sum_and_its_gradient_are_those_of_all_maps_at_once() -> None:
    for maps, logits, parts in both():
        assert maps.shape == logits.shape
        expected = (functional.softplus(logits) * COUNTED[:, :, None, None]).sum()
        made = maps.softplus_sum(COUNTED)
        torch.testing.assert_close(made, expected, atol=1e-10, rtol=0)
        wanted = torch.autograd.grad(3 * expected, parts, retain_graph=True)
        for _ in range(2):
            found = torch.autograd.grad(3 * made, parts, retain_graph=True)
            torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


@pytest.mark.usefixtures("blocks")
def test_blocks_have_every_class_that_is_asked_for_once_and_in_order() -> None:
    columns = torch.tensor([6, 0, 3, 2])
    for maps, logits, _ in both():
        had = list(maps.blocks(1, columns))
        assert torch.equal(torch.cat([some for some, _ in had]), columns)
        torch.testing.assert_close(torch.cat([values for _, values in had]), logits[1, columns].detach())
        assert not any(values.requires_grad for _, values in had)
        assert list(maps.blocks(1, columns[:0])) == []


@pytest.mark.usefixtures("blocks")
def test_rows_of_an_enlargement_that_are_0_in_some_places_are_left_out_there_alone() -> None:
    """The second row of a coarser grid reaches the lower half, the first one all but the last row."""
    left, right, fixed = leaves()
    fixed = fixed.clone()
    fixed[0, 3 * WIDTH :], fixed[1, : 2 * WIDTH] = 0, 0
    maps, logits = FactoredMaps(left, right, fixed, (HEIGHT, WIDTH)), product(left, right, fixed)
    expected = (functional.softplus(logits) * COUNTED[:, :, None, None]).sum()
    made = maps.softplus_sum(COUNTED)
    torch.testing.assert_close(made, expected, atol=1e-10, rtol=0)
    found, wanted = (torch.autograd.grad(each, (left, right)) for each in (made, expected))
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)
    had = torch.cat([values for _, values in maps.blocks(2, torch.arange(CLASSES))])
    torch.testing.assert_close(had, logits[2].detach())


def test_maps_of_pairs_and_their_gradient() -> None:
    image, column = torch.tensor([0, 2, 2]), torch.tensor([5, 1, 1])
    weights = torch.randn(3, HEIGHT, WIDTH, dtype=torch.float64)
    for maps, logits, parts in both():
        made, expected = maps.of(image, column), logits[image, column]
        torch.testing.assert_close(made, expected, atol=1e-12, rtol=0)
        found, wanted = (torch.autograd.grad((each * weights).sum(), parts) for each in (made, expected))
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)
        assert maps.of(image[:0], column[:0]).shape == (0, HEIGHT, WIDTH)


def test_nothing_counted_is_nothing() -> None:
    for maps, _, parts in both():
        made = maps.softplus_sum(torch.zeros_like(COUNTED))
        assert made.item() == 0
        assert not any(gradient.any() for gradient in torch.autograd.grad(made, parts))


def test_without_gradients_there_is_the_value_alone() -> None:
    for maps, logits, _ in both():
        with torch.no_grad():
            made = maps.softplus_sum(COUNTED)
        assert not made.requires_grad
        expected = functional.softplus(logits)[COUNTED].sum()
        torch.testing.assert_close(made, expected.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_and_small_logits(dtype: torch.dtype) -> None:
    """More rows than factors of one product, and logits at which e^x is no number."""
    values = torch.tensor([-1e4, -200.0, -30.0, -1e-3, 0.0, 1e-3, 30.0, 200.0, 1e4], dtype=dtype)
    maps = values[torch.arange(300 * 4).view(300, 4) % 9]
    total, slope = softplus_and_slope(maps)
    torch.testing.assert_close(total, functional.softplus(maps).sum(), rtol=1e-6, atol=0)
    torch.testing.assert_close(slope, maps.sigmoid(), rtol=0, atol=0)


@pytest.mark.parametrize("highest", [-30.0, 0.0, 1.0, 1.001, 20.0, 90.0])
def test_both_sides_of_where_products_may_vanish(highest: float) -> None:
    """A product of 1 − σ alone would be 0 in single precision for large logits, in a column that is all alike too."""
    maps = torch.linspace(highest - 2, highest, 40)[:, None].expand(40, 300).T.contiguous()
    maps[:, -1] = highest
    total, _ = softplus_and_slope(maps)
    torch.testing.assert_close(total.double(), functional.softplus(maps.double()).sum(), rtol=2e-6, atol=2e-3)


def test_what_is_not_finite_is_not_hidden() -> None:
    for value in (torch.inf, torch.nan):
        total, _ = softplus_and_slope(torch.full((2, 2), value))
        assert not total.isfinite()


def test_autocast_multiplies_in_its_own_precision() -> None:
    left, right, fixed = (each.detach().float() for each in leaves())
    exact = FactoredMaps(left, right, fixed, (HEIGHT, WIDTH)).softplus_sum(COUNTED)
    with torch.autocast("cpu", torch.bfloat16):
        maps = FactoredMaps(left.requires_grad_(), right, fixed, (HEIGHT, WIDTH))
        made = maps.softplus_sum(COUNTED)
    assert maps.left.dtype == torch.bfloat16
    assert maps.of(torch.tensor([0]), torch.tensor([1])).dtype == made.dtype == torch.float32
    torch.testing.assert_close(made, exact, rtol=1e-2, atol=0)
    (gradient,) = torch.autograd.grad(made, left)
    assert gradient.dtype == torch.float32


def test_sixty_four_classes_are_few() -> None:
    assert [class_maps.are_few(classes) for classes in (1, 64, 65)] == [True, True, False]


def test_no_image_has_no_sum() -> None:
    left, right, fixed = leaves()
    none = FactoredMaps(left[:0], right[:0], fixed, (HEIGHT, WIDTH))
    for maps in (none, WholeMaps(torch.zeros(0, CLASSES, HEIGHT, WIDTH))):
        assert maps.softplus_sum(COUNTED[:0]).item() == 0


def test_half_precision_is_added_up_in_single() -> None:
    """300 · log 2 in bfloat16 would be 208; the gradient is what the logits are."""
    logits = torch.zeros(1, 3, 10, 10, dtype=torch.bfloat16, requires_grad=True)
    total = WholeMaps(logits).softplus_sum(torch.ones(1, 3, dtype=torch.bool))
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(300 * math.log(2))
    (gradient,) = torch.autograd.grad(total, logits)
    assert gradient.dtype == torch.bfloat16
    assert (gradient == 0.5).all()


def test_slopes_are_made_where_they_are_wanted() -> None:
    maps = torch.tensor([[0.0, 2.0]])
    total, slope = softplus_and_slope(maps)
    assert slope is not None
    torch.testing.assert_close(slope, torch.tensor([[0.5, 1 / (1 + math.exp(-2))]]))
    alone, nothing = softplus_and_slope(maps, with_slope=False)
    assert nothing is None
    assert total.item() == alone.item() == pytest.approx(math.log(2) + math.log(1 + math.exp(2)))
    assert maps.tolist() == [[0, 2]]


@pytest.mark.parametrize("alone", [0, 1])
def test_one_of_the_matrices_may_be_all_that_is_trained(alone: int) -> None:
    parts = list(leaves())
    parts[1 - alone] = parts[1 - alone].detach()
    maps = FactoredMaps(*parts, (HEIGHT, WIDTH))
    expected = (functional.softplus(product(*parts)) * COUNTED[:, :, None, None]).sum()
    (found,) = torch.autograd.grad(maps.softplus_sum(COUNTED), parts[alone])
    (wanted,) = torch.autograd.grad(expected, parts[alone])
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_precisions() -> None:
    """The wider of the two matrices, single at least; half precision is too small for a sum over positions."""
    left, right, fixed = (each.detach() for each in leaves())
    mixed = FactoredMaps(left.bfloat16(), right.half(), fixed, (HEIGHT, WIDTH))
    assert {mixed.left.dtype, mixed.right.dtype, mixed.fixed.dtype} == {torch.float32}
    assert FactoredMaps(left, right.float(), fixed, (HEIGHT, WIDTH)).right.dtype == torch.float64
    assert FactoredMaps(left.float(), right, fixed, (HEIGHT, WIDTH)).left.dtype == torch.float64
    with torch.autocast("cpu", torch.float16):
        assert FactoredMaps(left.float(), right.float(), fixed, (HEIGHT, WIDTH)).left.dtype == torch.float32


def test_how_many_classes_a_block_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_maps, "ON_PROCESSOR", 45)
    maps = WholeMaps(torch.zeros(1, CLASSES, HEIGHT, WIDTH))
    assert [len(some) for some, _ in maps.blocks(0, torch.arange(CLASSES))] == [2, 2, 2, 1]
