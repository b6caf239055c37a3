from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import label_mean
from explanans.metrics.shared.asking import answers


def test_every_label_class_counts_once() -> None:
    values = torch.tensor([[0.5, 0.1, 1.0], [0.2, torch.nan, 0.4]])
    assert label_mean(values, torch.tensor([[1, 0, 1], [3, 0, 1]])).tolist() == pytest.approx([0.75, 0.3])
    assert label_mean(values, torch.tensor([[1, 0, 0], [0, 1, 0]])).isnan().tolist() == [False, True]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_one_batch_of_images_at_a_time(batch_size: int) -> None:
    made: list[int] = []

    def make(indices: torch.Tensor) -> torch.Tensor:
        made.append(len(indices))
        return (indices / 10)[:, None, None, None].expand(-1, 3, 2, 2)

    values = answers(lambda images: images[:, :2, 0, 0], 7, make, batch_size, torch.zeros(1))
    assert values[:, 0].tolist() == pytest.approx([k / 10 for k in range(7)])
    assert max(made) == min(batch_size, 7)
    assert sum(made) == 7


def test_bad_input() -> None:
    with pytest.raises(InputError, match="has none"):
        label_mean(torch.rand(1, 2), torch.zeros(1, 2))
    with pytest.raises(InputError, match="do not fit"):
        label_mean(torch.rand(1, 2), torch.ones(1, 3))

    def asked(classify, batch_size: int = 4) -> None:
        answers(classify, 2, lambda indices: torch.zeros(len(indices), 3, 2, 2), batch_size, torch.zeros(1))

    with pytest.raises(InputError, match="not logits"):
        asked(lambda images: torch.full((len(images), 2), 3.0))
    with pytest.raises(InputError, match="give probabilities"):
        asked(lambda images: torch.zeros(len(images)))
    with pytest.raises(InputError, match="batch_size=0"):
        asked(lambda images: torch.zeros(len(images), 2), 0)
