from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.errors import InputError
from explanans.training.run_settings import Run
from explanans.training.runs import AtomicCheckpoints


@pytest.mark.parametrize("name", ["max_epochs", "batch_size", "accumulate_grad_batches", "num_nodes"])
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
