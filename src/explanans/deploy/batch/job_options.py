"""What is asked of a job and what is written of each picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from explanans.errors import InputError
from explanans.explanations.batch import Settings
from explanans.explanations.receipt import FILLS
from explanans.explanations.selection import Selection
from explanans.utils.threads import check_threads, exactly

Format = Literal["parquet", "coco", "png"]
FORMATS: tuple[Format, ...] = ("parquet", "coco", "png")


@dataclass(frozen=True)
class Options:
    """What is written for each picture.

    Args:
        format: "parquet" (run lengths in a table), "coco" (COCO's JSON), "png" (8-bit soft masks).
        classes, top_k, threshold: which classes, see :class:`explanans.explanations.selection.Selection`.
        mask_threshold: in (0, 1]; where a mask is binarised.
        size: of the masks: "input", the classifier's input, or "photo", the photo's own.
        receipts: make them; 2 · 2 + 2 more forwards of the classifier for each mask.
        batch_size: pictures per forward pass. Results depend on it in their last bits, so a job keeps it.
        threads: of a processor for a forward pass; None for PyTorch's own number in a new job, and the job's in one
            that goes on. Results depend on them in their last bits too.
    """

    format: Format = "parquet"
    classes: Sequence[str] | None = None
    top_k: int | None = None
    threshold: float | None = None
    mask_threshold: float = 0.5
    size: Literal["input", "photo"] = "input"
    receipts: bool = False
    batch_size: int = 16
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"format={self.format!r}; take one of {', '.join(FORMATS)}.")
        if self.size not in ("input", "photo"):
            raise InputError(f"size={self.size!r}; take 'input' or 'photo'.")
        _ = self.settings
        if self.threads is not None:
            check_threads("threads", self.threads)

    @property
    def settings(self) -> Settings:
        selection = Selection(self.classes, self.top_k, self.threshold)
        return Settings(selection, self.mask_threshold, self.receipts, FILLS, self.batch_size)

    @contextmanager
    def on_threads(self) -> Iterator[None]:
        """PyTorch computes with ``threads`` in the block."""
        with exactly(self.threads or torch.get_num_threads()):
            yield
