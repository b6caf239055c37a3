from __future__ import annotations

import torch

from explanans.utils.seeds import mixed_seed


def test_every_number_decides_what_is_drawn() -> None:
    seeds = [mixed_seed(*numbers) for numbers in ((0, 1), (1, 0), (1, 1), (2**40, 1), (0, 1, 0))]
    assert all(0 <= seed < 2**63 for seed in seeds)
    drawn = {float(torch.rand((), generator=torch.Generator().manual_seed(seed))) for seed in seeds}
    assert len(drawn) == len(seeds)
