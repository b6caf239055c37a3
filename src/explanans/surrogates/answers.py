"""What a box said, kept as soon as it was said: nothing is asked twice, and never more than was allowed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.files import atomic_file
from explanans.surrogates.queries import Queries, batches

DESCRIPTION, ANSWERS = "queries.json", "answers.f32"


class Answers:
    """The answers to the first queries of a list, in a folder: ``answers.f32`` has C float32 logits for each.

    The file only grows. What a kill left of a last, half written answer is cut off when it is opened again; whole
    answers stay, and the next query is the one after them. More may be asked later: a query does not depend on how many
    there are.

    Args:
        folder: a new one, or that of an earlier run with the same box, pictures and seed.
        box: who is asked.
        queries: what.

    Raises:
        InputError: the folder's answers are those to other questions.
    """

    def __init__(self, folder: str | Path, box: Explanandum, queries: Queries) -> None:
        self.folder, self.box, self.queries = Path(folder), box, queries
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self.path = self.folder / ANSWERS
        width = 4 * box.num_classes
        whole = self.path.stat().st_size // width if self.path.is_file() else 0
        if self.path.is_file() and self.path.stat().st_size % width:
            os.truncate(self.path, whole * width)
        self.count = whole

    def ask(self, calls: int, batch_size: int = 32, progress: Callable[[int], None] | None = None) -> None:
        """Ask until ``calls`` queries are answered; ``progress`` is told the number that are.

        Raises:
            InputError: the box failed. What it answered before is kept.
        """
        device = next((tensor.device for tensor in self.box.state_dict().values()), torch.device("cpu"))
        with self.path.open("ab") as file, torch.no_grad():
            for images in batches(self.queries, self.count, calls, batch_size):
                logits = self.box(images.to(device)).float().cpu()
                file.write(logits.contiguous().numpy().tobytes())
                file.flush()
                os.fsync(file.fileno())
                self.count += len(logits)
                if progress is not None:
                    progress(self.count)

    def logits(self, first: int = 0, last: int | None = None) -> Tensor:
        """(answers, C) of queries ``first`` … ``last`` − 1; all by default."""
        if not self.count:
            return torch.zeros(0, self.box.num_classes)
        values = np.fromfile(self.path, np.float32).reshape(-1, self.box.num_classes)
        return torch.from_numpy(values[first:last].copy())

    def _claim(self) -> None:
        description = _description(self.box, self.queries)
        path = self.folder / DESCRIPTION
        if path.is_file():
            earlier = json.loads(path.read_text(encoding="utf-8"))
            changed = sorted(key for key in description if earlier.get(key) != description[key])
            if changed:
                raise InputError(
                    f"{self.folder} holds answers to other questions ({', '.join(changed)} differ); name a new folder."
                )
            return
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _description(box: Explanandum, queries: Queries) -> Mapping[str, Any]:
    identity = json.loads(json.dumps(box.identity()))
    data = {"name": queries.dataset.name, "images": len(queries.dataset), "hash": queries.dataset.fingerprint()}
    return {"box": identity, "data": data, "seed": queries.seed, "fill": queries.fill_name}
