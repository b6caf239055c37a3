"""Pictures that a server keeps in memory for some minutes, so that a receipt need not send one again."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from explanans.deploy.serve.serving_limits import Limits, Refusal
from explanans.explanations.receipt import Receipt


@dataclass(frozen=True)
class FoundClass:
    """One class in one picture.

    Attributes:
        index: of the class.
        mask: uint8 (H, W) at the classifier's input size, 255 · mask rounded.
        receipt: of the mask where it is binarised by default.
    """

    index: int
    mask: NDArray[np.uint8]
    receipt: Receipt | None


@dataclass
class KeptPicture:
    """What is known of a picture; of its file nothing is left.

    Attributes:
        width, height: of the upright picture.
        inputs: normalised, (channels, H, W).
        probabilities: of every class; None before the model has seen it.
        found: by the class's index.
    """

    width: int
    height: int
    inputs: Tensor
    probabilities: list[float] | None = None
    found: dict[int, FoundClass] = field(default_factory=dict)


class KeptPictures:
    """The last pictures by handles that nobody can guess.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self.clock = limits, clock
        self._held: OrderedDict[str, tuple[float, KeptPicture]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, picture: KeptPicture) -> str:
        """The new handle of a picture."""
        handle = secrets.token_urlsafe(16)
        self._held[handle] = (self.clock(), picture)
        self._forget()
        return handle

    def __getitem__(self, handle: str) -> KeptPicture:
        """
        Raises:
            Refusal: it is not kept any more, or never was.
        """
        self._forget()
        if handle not in self._held:
            raise Refusal(410, "The picture is not kept any more.", "Send the picture itself again.")
        _, picture = self._held[handle]
        # What is used is kept on.
        self._held[handle] = (self.clock(), picture)
        self._held.move_to_end(handle)
        return picture

    def _forget(self) -> None:
        oldest = self.clock() - 60 * self.limits.kept_minutes
        while self._held and (len(self._held) > self.limits.kept or next(iter(self._held.values()))[0] < oldest):
            self._held.popitem(last=False)
