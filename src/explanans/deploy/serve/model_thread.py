"""The one thread that computes: it takes what waits, in batches, and answers each asker.

Networks are not safe to be used by several threads at once (methods watch layers by hooks), and one thread that fills
its batches is quicker than many that fight for cores. Nothing is waited for: a batch is what is there.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explanans.deploy.serve.kept_pictures import FoundClass
from explanans.deploy.serve.serving_limits import Refusal, too_busy
from explanans.explanations.batch import Masker, Settings, explain_batch
from explanans.explanations.receipt import Receipt, receipts
from explanans.utils.devices import like
from explanans.utils.threads import Load, free_cores, is_fixed

# Seconds between two looks at what other programs leave of the cores.
LOOK = 2.0
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Ask:
    """A picture whose classes are to be explained.

    Attributes:
        inputs: normalised, (channels, H, W).
        columns: the classes; None for those that the settings choose.
        answer: probabilities of all classes, and what was found, most probable first.
    """

    inputs: Tensor
    columns: Sequence[int] | None = None
    answer: Future[tuple[list[float], list[FoundClass]]] = field(default_factory=Future)

    @property
    def kind(self) -> str:
        return "seen" if self.columns is None else "asked"


@dataclass(eq=False)
class AskReceipt:
    """A receipt of one mask at one cut.

    Attributes:
        mask: uint8 (H, W).
        column: the class.
        cut: in (0, 1]; a pixel is kept where the mask is at least 255 · cut.
    """

    inputs: Tensor
    mask: NDArray[np.uint8]
    column: int
    cut: float
    answer: Future[Receipt] = field(default_factory=Future)
    kind: str = "receipt"


class ModelThread:
    """Computes for all requests.

    Args:
        masker: a trained Explainer, or a method of a classifier.
        settings: what is asked of a picture.
        queue: how many may wait.
        threads: of a processor; None for no more than other programs leave, judged anew as time goes.
    """

    def __init__(self, masker: Masker, settings: Settings, queue: int, threads: int | None = None) -> None:
        self.masker, self.settings, self.queue, self.threads = masker, settings, queue, threads
        # Read here, because a thread that begins later is given the last number that any other has set.
        self._most = torch.get_num_threads()
        self._waiting: deque[Ask | AskReceipt] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._seconds = 1.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="explanans-model", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def submit(self, ask: Ask | AskReceipt) -> Future[Any]:
        """
        Raises:
            Refusal: the queue is full, with the seconds after which it may have room.
        """
        with self._changed:
            if len(self._waiting) >= self.queue:
                # Those whose askers have left make room.
                self._waiting = deque(each for each in self._waiting if not each.answer.cancelled())
            if len(self._waiting) >= self.queue:
                raise too_busy(min(60, max(1, math.ceil(self._seconds * len(self._waiting) / 2))))
            self._waiting.append(ask)
            self._changed.notify()
        return ask.answer

    def _work(self) -> None:
        load = Load()
        torch.set_num_threads(self.threads or self._most)
        while batch := self._next():
            if not self.threads and not is_fixed() and load.age > LOOK:
                torch.set_num_threads(min(self._most, free_cores(load)))
            start = time.monotonic()
            for kind in ("seen", "asked", "receipt"):
                if some := [each for each in batch if each.kind == kind]:
                    self._answer(some)
            self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - start) / len(batch)

    def _next(self) -> list[Ask | AskReceipt]:
        """What waits, at most a batch of it, without those whose askers have left; nothing in the end."""
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                taken = [self._waiting.popleft() for _ in range(min(self.settings.batch_size, len(self._waiting)))]
                if not taken:
                    return []
            if wanted := [each for each in taken if each.answer.set_running_or_notify_cancel()]:
                return wanted

    def _answer(self, batch: Sequence[Any]) -> None:
        compute = self._receipts if batch[0].kind == "receipt" else self._explain
        try:
            answers: Sequence[Any] = compute(batch)
        # Whatever a network raises is the answer to those who asked it, not the end of the server.
        except Exception as error:
            if len(batch) > 1:
                # One picture harms nobody else.
                for each in batch:
                    self._answer([each])
                return
            log.error("a picture could not be explained: %s", type(error).__name__)
            answers = [error]
        for ask, answer in zip(batch, answers, strict=True):
            # Nobody cancels what runs, but a server that is stopped hard may.
            with contextlib.suppress(Exception):
                if isinstance(answer, Exception):
                    ask.answer.set_exception(answer)
                else:
                    ask.answer.set_result(answer)

    def _explain(self, batch: Sequence[Ask]) -> list[Any]:
        explanandum = self.masker.explanandum
        inputs = torch.stack([each.inputs for each in batch]).to(like(self.masker))
        requested = None
        if batch[0].columns is not None:
            requested = torch.zeros(len(batch), explanandum.num_classes, dtype=torch.bool)
            for row, each in enumerate(batch):
                requested[row, list(each.columns or ())] = True
        found = explain_batch(self.masker, inputs, self.settings, requested)
        masks = (found.masks.float() * 255).round().to(torch.uint8).cpu().numpy()
        results: list[Any] = []
        for row, failure in enumerate(found.failures):
            if failure:
                results.append(Refusal(422, f"The picture cannot be explained: {failure}.", "Try another picture."))
                continue
            places = [
                (place, column) for place, (image, column) in enumerate(found.asked.nonzero().tolist()) if image == row
            ]
            places.sort(key=lambda pair: -float(found.probabilities[row, pair[1]]))
            # Copied, so that one picture that is kept does not keep its whole batch.
            classes = [FoundClass(column, masks[place].copy(), found.receipts[place]) for place, column in places]
            results.append((found.probabilities[row].tolist(), classes))
        return results

    def _receipts(self, batch: Sequence[AskReceipt]) -> list[Receipt]:
        explanandum, settings = self.masker.explanandum, self.settings
        inputs = torch.stack([each.inputs for each in batch]).to(like(self.masker))
        # Binarised here, so that every mask may have a cut of its own.
        kept = np.stack([each.mask >= 255 * each.cut for each in batch]).astype(np.float32)
        asked = torch.zeros(len(batch), explanandum.num_classes, dtype=torch.bool, device=inputs.device)
        asked[torch.arange(len(batch)), [each.column for each in batch]] = True
        made = receipts(
            explanandum,
            inputs,
            torch.from_numpy(kept).to(inputs.device),
            asked,
            fills=settings.fills,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
        return [replace(each, mask_threshold=ask.cut) for each, ask in zip(made, batch, strict=True)]
