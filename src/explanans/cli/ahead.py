"""What can begin before a command's modules are imported, which takes seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from explanans.utils.network import ask_ahead

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def begin(words: Sequence[str]) -> None:
    """Ask the server of a classifier's published weights whether it is there, so that nobody waits for it twice.

    Nothing is asked where the command brings weights of its own, or where none will be fetched.
    """
    if any(word.partition("=")[0] == "--weights" for word in words):
        return
    for word in words:
        scheme, _, name = word.partition(":")
        if scheme in ("timm", "hf") and not any(os.environ.get(variable) for variable in _OFFLINE):
            ask_ahead(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
        elif scheme == "torchvision" and not _cached(name.partition(".")[0]):
            ask_ahead("https://download.pytorch.org")


def _cached(name: str) -> bool:
    """Whether PyTorch's cache has a file of an architecture; torch, which knows the folder too, is not imported yet."""
    cache = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return any(Path(cache, "hub", "checkpoints").glob(f"{name}-*"))
