"""One seed out of several numbers."""

from __future__ import annotations


def mixed_seed(*numbers: int) -> int:
    """A seed in [0, 2^63) that depends on every one of the numbers, the same in every process.

    Sums of shifted numbers do not do: PyTorch's generator on the CPU looks at the lowest 32 bits of its seed alone.
    """
    # A tuple of integers hashes alike in every process, unlike one with strings.
    return hash(numbers) & (2**63 - 1)
