"""How an audit is made."""

from __future__ import annotations

from dataclasses import dataclass

from explanans.utils.numbers import check_count


@dataclass(frozen=True)
class Settings:
    """How an audit is made.

    Attributes:
        shard_size: photos per shard; what is in memory at once.
        batch_size: photos, and masked ones, in one forward pass.
        seed: of whatever is drawn.
    """

    shard_size: int = 500
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("shard_size", 1), ("batch_size", 1), ("seed", 0)):
            check_count(name, getattr(self, name), least)
