"""The precision to train in, where the machine is to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

AUTO = "auto"
PRECISIONS = (AUTO, "32-true", "bf16-mixed", "16-mixed")
"""Weights are always float32: what is "true" in another type would not take the images."""
_NATIVE = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def choose_precision(precision: str, accelerator: str = "auto") -> str:
    """``precision`` as Lightning names it; "auto" is "bf16-mixed" where bfloat16 is quick, "32-true" elsewhere.

    A processor without instructions for bfloat16 imitates them, many times slower than float32. Where PyTorch cannot
    tell (before 2.10), float32 is taken.

    Args:
        precision: "auto", or what Lightning's Trainer takes.
        accelerator: Lightning's, "auto" or "cpu" or a device's.
    """
    if precision != AUTO:
        return precision
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator != "cpu" and torch.accelerator.is_available():
        return "32-true"
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16-mixed" if any(capabilities.get(name) for name in _NATIVE) else "32-true"
