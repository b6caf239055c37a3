from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.errors import InputError
from explanans.training.runs import AtomicCheckpoints, Run, TrainingDiverged, check_finite


def test_terms_are_added() -> None:
    terms = {"one": torch.tensor(1.0, requires_grad=True), "two": torch.tensor(2.5)}
    loss = check_finite(terms, 0)
    assert loss.item() == 3.5
    assert loss.requires_grad


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"good": 1.0, "bad": float("nan")}, r"step 7: \{'bad': nan\}"),
        ({"up": float("inf"), "down": -float("inf")}, r"'up': inf, 'down': -inf"),
        ({"large": 3e38, "larger": 3e38}, "the sum of its terms overflows"),
    ],
)
def test_what_is_not_finite_is_named(terms: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingDiverged, match=message):
        check_finite({name: torch.tensor(value) for name, value in terms.items()}, 7)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate", "nodes"])
def test_lengths_are_at_least_one(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}=0"):
        Run(**{name: 0})


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"epoch": 1}, path)
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        AtomicCheckpoints().save_checkpoint({"epoch": 2, "lambda": (generator for generator in ())}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
