from __future__ import annotations

import pytest
import torch

from explanans.deploy.serve.kept_pictures import KeptPicture, KeptPictures
from explanans.deploy.serve.serving_limits import Limits, Refusal


def picture() -> KeptPicture:
    return KeptPicture(2, 2, torch.zeros(3, 2, 2))


def test_the_least_used_goes_first_and_time_passes() -> None:
    now = [0.0]
    kept = KeptPictures(Limits(kept=2, kept_minutes=1), clock=lambda: now[0])
    first, second = kept.keep(picture()), kept.keep(picture())
    # It is used, so that the other one has to go.
    assert kept[first] is kept[first]
    third = kept.keep(picture())
    with pytest.raises(Refusal) as refused:
        kept[second]
    assert refused.value.status == 410
    now[0] = 59
    assert kept[third]
    now[0] = 61
    assert kept[third]
    with pytest.raises(Refusal):
        kept[first]
    now[0] = 200
    with pytest.raises(Refusal):
        kept[third]
    assert len(kept) == 0


def test_handles_cannot_be_guessed() -> None:
    kept = KeptPictures(Limits())
    handles = {kept.keep(picture()) for _ in range(20)}
    assert len(handles) == 20
    assert min(map(len, handles)) >= 22
