"""What classifiers that are no modules of ours have in common: files, fixed batches, probabilities for logits."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.utils.paths import near_path, user_path

Outputs = Literal["logits", "softmax", "sigmoid"]
OUTPUTS: tuple[Outputs, ...] = ("logits", "softmax", "sigmoid")

# Where float32 still tells a probability from 0 and 1.
SMALLEST = 1e-7


class FileBox(nn.Module):
    """A classifier that is a file; saving it copies the file.

    Attributes:
        file: where it is.
        companions: further files that it reads, named relative to its folder.
        differentiable: whether gradients pass through it.
        outputs: what it returns.
    """

    differentiable = True

    def __init__(self, file: Path, outputs: Outputs = "logits", companions: Sequence[str] = ()) -> None:
        super().__init__()
        self.file = file
        self.outputs = outputs
        self.companions = tuple(companions)

    def content_hash(self) -> str:
        """SHA-256 of the file; of the list of all files and their hashes where it has companions."""
        own = _digest(self.file)
        if not self.companions:
            return own
        lines = [own, *(f"{name}|{_digest(self.file.parent / name)}" for name in self.companions)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def copy_to(self, folder: Path) -> None:
        """Copy the file and its companions."""
        for name in (self.file.name, *self.companions):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.file.parent / name, folder / name)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def refuse_weights(spec: str, weights: str | Path | None) -> None:
    """A file that is the whole classifier takes no weights from elsewhere."""
    if weights is not None:
        raise InputError(f"classifier {spec!r} holds its weights; leave weights={str(weights)!r} out.")


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def existing(spec: str, name: str) -> Path:
    """The file that a spec names."""
    path = user_path(name, f"classifier {spec!r}: file")
    if not path.is_file():
        raise InputError(
            f"classifier {spec!r}: {name or 'nothing'} is no file{near_path(name)}; give the file after the colon."
        )
    return path


def as_logits(values: Tensor, outputs: Outputs) -> Tensor:
    """What a box returned, as logits: log p for softmax, log p − log(1 − p) for sigmoid, clipped where p is 0 or 1.

    Raises:
        InputError: probabilities that are none.
    """
    if outputs == "logits" or not len(values):
        return values
    if values.isnan().any() or values.min() < -1e-4 or values.max() > 1 + 1e-4:
        low, high = float(values.min()), float(values.max())
        raise InputError(
            f"the classifier returned values from {low:g} to {high:g} where outputs={outputs!r} promises "
            "probabilities; say outputs=logits if they are logits."
        )
    if outputs == "softmax":
        if (values.sum(1) - 1).abs().max() > 1e-2:
            raise InputError(
                f"the classifier's probabilities sum to {float(values.sum(1)[0]):g} where outputs='softmax' promises "
                "1; say outputs=sigmoid if the classes are independent."
            )
        return values.clamp(min=SMALLEST).log()
    return values.clamp(SMALLEST, 1 - SMALLEST).logit()


def in_batches(
    call: Callable[[Tensor], Tensor], images: Tensor, *, smallest: int = 1, largest: int | None = None
) -> Tensor:
    """Answers to any number of images from something that takes ``smallest`` to ``largest`` (None: any) at once.

    Too few are followed by zeros, whose answers are dropped.
    """
    if smallest <= len(images) and (largest is None or len(images) <= largest):
        return call(images)
    answers = []
    for part in images.split(largest or smallest):
        missing = max(0, smallest - len(part))
        whole = torch.cat([part, part.new_zeros(missing, *part.shape[1:])]) if missing else part
        answers.append(call(whole)[: len(part)])
    return torch.cat(answers)
