"""Where to compute."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from explanans.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device called ``name``; "auto" is the accelerator where there is one, and the processor otherwise.

    Raises:
        InputError: an unknown name, or a device that cannot be used on this machine.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # A backend that is not compiled in is an AssertionError.
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device={name!r} cannot be used here; take auto, cpu, cuda or cuda:1.") from error
    return device


def like(module: nn.Module) -> Tensor:
    """A tensor on the device and of the type that a module computes in: ``images.to(like(module))``."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))
