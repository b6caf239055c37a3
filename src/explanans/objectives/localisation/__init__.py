"""What a classifier's evidence is asked for where regions are known; a new loss is a file and a line in ``LOSSES``.

Each is ``loss(evidence, region, valid)`` → (P,), one value for each pair of a picture and a class:

- evidence: (P, h, w), positive where the classifier sees the class and negative where it sees something against it.
- region: (P, h, w) in [0, 1], the share of a position that lies where the evidence should be.
- valid: (P, h, w) in [0, 1], the share of it that counts; void pixels do not.

S. Rao, M. Böhle, A. Parchami-Araghi, B. Schiele, "Studying How to Efficiently and Effectively Guide Models with
Explanations" (ICCV 2023) compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from explanans.objectives.localisation.energy import energy_loss
from explanans.objectives.localisation.firm_energy import firm_energy_loss
from explanans.objectives.localisation.l1 import l1_loss
from explanans.objectives.localisation.ppce import ppce_loss
from explanans.objectives.localisation.rrr import rrr_loss

LocalisationLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
Localisation = Literal["energy", "firm_energy", "l1", "ppce", "rrr"]

LOSSES: dict[str, LocalisationLoss] = {
    "energy": energy_loss,
    "firm_energy": firm_energy_loss,
    "l1": l1_loss,
    "ppce": ppce_loss,
    "rrr": rrr_loss,
}

__all__ = [
    "LOSSES",
    "Localisation",
    "LocalisationLoss",
    "energy_loss",
    "firm_energy_loss",
    "l1_loss",
    "ppce_loss",
    "rrr_loss",
]
