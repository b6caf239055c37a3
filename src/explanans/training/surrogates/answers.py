"""What a box said, kept as soon as it was said: nothing is asked twice, and never more than was allowed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.training.surrogates.queries import DRAWN, Queries
from explanans.utils.devices import like
from explanans.utils.records import Kind, reading, write_json
from explanans.utils.run_folder import as_json, check_same, claimed

RECORD = Kind(
    "list of questions to a box",
    "put back a copy of it, or name a new folder",
    {"box": dict, "data": dict, "seed": int, "fill": str},
)
NUMBERS = Kind("answers of a box", "delete this folder to ask again, or put back a copy of it")
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
        self.path = self.folder / ANSWERS
        self.count = self.spent = 0
        with self._claimed():
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
        with self._claimed(), self.path.open("ab") as file, torch.no_grad():
            self._look()
            # The end of half an answer would shift all that follow, and half an entry would become part of the next.
            os.truncate(self.path, self.count * self._width)
            if (spent := self.folder / SPENT).is_file():
                os.truncate(spent, spent.read_bytes().rfind(b"\n") + 1)
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
        if not spent.is_file():
            self.spent = self.count
            return
        with reading(spent, NUMBERS):
            lines = spent.read_text(encoding="ascii").split("\n")[:-1]
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
        if not np.isfinite(values).all():
            raise NUMBERS.complain(self.path, "is damaged: it holds NaN or infinity, which are never kept")
        return torch.from_numpy(values[first:last].copy())

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        record = self.folder / DESCRIPTION
        description = _description(self.box, self.queries)
        with claimed(record, RECORD, argument="answers") as earlier:
            if earlier is None:
                write_json(record, RECORD, description)
            else:
                check_same(record, RECORD, {"drawn": 1, **earlier}, description, argument="answers")
            yield


def _description(box: Explanandum, queries: Queries) -> dict[str, Any]:
    data = {"name": queries.dataset.name, "images": len(queries.dataset), "hash": queries.dataset.fingerprint()}
    return as_json(
        {"box": box.identity(), "data": data, "seed": queries.seed, "fill": queries.fill_name, "drawn": DRAWN}
    )
