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

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.training.surrogates.queries import DRAWN, Queries
from explanans.utils.devices import like
from explanans.utils.files import atomic_file, hold

DESCRIPTION, ANSWERS, SPENT = "queries.json", "answers.f32", "spent.txt"


class Answers:
    """The answers to the first queries of a list, in a folder: ``answers.f32`` has C float32 logits for each.

    The file only grows. What a kill left of a last, half written answer is cut off before more are asked; whole answers
    stay, and the next query is the one after them. More may be asked later: a query does not depend on how many there
    are. ``spent.txt`` says how many pictures the box was shown so far; a batch is entered there before it is shown.

    Args:
        folder: a new one, or that of an earlier run with the same box, pictures and seed.
        box: who is asked.
        queries: what.

    Attributes:
        count: queries that are answered.
        spent: pictures that the box answered: ``count``, and those of batches whose answers were lost by a kill.

    Raises:
        InputError: the folder's answers are those to other questions.
    """

    def __init__(self, folder: str | Path, box: Explanandum, queries: Queries) -> None:
        self.folder, self.box, self.queries = Path(folder), box, queries
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self.path = self.folder / ANSWERS
        self.count = self.spent = 0
        self._look()

    def ask(self, calls: int, batch_size: int = 32, progress: Callable[[int], None] | None = None) -> None:
        """Ask until ``calls`` queries are answered, or until the box has answered so many pictures.

        The two differ after a kill: nobody knows whether the box had answered the batch that was under way, so it
        counts, although its queries are asked again. A batch on which the box fails does not count.

        Args:
            calls: the budget.
            batch_size: pictures in one call of the box.
            progress: told after every batch how much is spent.

        Raises:
            InputError: the box failed, or answered with NaN or infinity; what it answered before is kept. Or another
                process is asking for the same folder.
        """
        device = like(self.box).device
        with self.path.open("ab") as file, torch.no_grad():
            hold(file, f"another process is asking for {self.folder}; wait until it is done, or name another folder.")
            self._look()
            # The end of half an answer would shift all that follow.
            os.truncate(self.path, self.count * self._width)
            while (size := min(batch_size, calls - max(self.count, self.spent))) > 0:
                images = torch.stack([self.queries[self.count + place] for place in range(size)])
                self._spend(size)
                logits = self._answer(images.to(device))
                good = int(logits.isfinite().all(1).cumprod(0).sum())
                file.write(logits[:good].contiguous().numpy().tobytes())
                file.flush()
                os.fsync(file.fileno())
                self.count += good
                if progress is not None:
                    progress(self.spent)
                if good < size:
                    raise InputError(
                        f"the box answered {self.queries.name_of(self.count)!r} (query {self.count}) with NaN or "
                        f"infinity: {logits[good].tolist()[:5]}. {self._kept()}"
                    )

    def _answer(self, images: Tensor) -> Tensor:
        try:
            return self.box(images).float().cpu()
        # A box is anything: a service's exceptions are its own.
        except Exception as error:
            self._spend(-len(images))
            raise InputError(
                f"the box failed at query {self.count} ({type(error).__name__}: {error}). {self._kept()}"
            ) from error

    def _kept(self) -> str:
        return f"Its {self.count} answers are kept in {self.folder}; the same command goes on from there."

    @property
    def _width(self) -> int:
        """Bytes of an answer."""
        return 4 * self.box.num_classes

    def _look(self) -> None:
        """What the folder holds."""
        self.count = self.path.stat().st_size // self._width if self.path.is_file() else 0
        spent = self.folder / SPENT
        # The last line may be half of one.
        lines = spent.read_text(encoding="ascii").split("\n")[:-1] if spent.is_file() else []
        self.spent = max(self.count, int(lines[-1]) if lines else 0)

    def _spend(self, pictures: int) -> None:
        self.spent += pictures
        with (self.folder / SPENT).open("a", encoding="ascii") as file:
            file.write(f"{self.spent}\n")
            file.flush()
            os.fsync(file.fileno())

    def logits(self, first: int = 0, last: int | None = None) -> Tensor:
        """(answers, C) of queries ``first`` … ``last`` − 1; all by default."""
        if not self.count:
            return torch.zeros(0, self.box.num_classes)
        values = np.fromfile(self.path, np.float32, self.count * self.box.num_classes)
        values = values.reshape(-1, self.box.num_classes)
        return torch.from_numpy(values[first:last].copy())

    def _claim(self) -> None:
        description = _description(self.box, self.queries)
        path = self.folder / DESCRIPTION
        if path.is_file():
            earlier = {"drawn": 1, **json.loads(path.read_text(encoding="utf-8"))}
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
    return {"box": identity, "data": data, "seed": queries.seed, "fill": queries.fill_name, "drawn": DRAWN}
