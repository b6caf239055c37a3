"""What a map costs: time, memory, passes through the classifier."""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explanans.benchmark.calling import Caller, timed
from explanans.classifiers.explanandum import logits_of
from explanans.explainers.explainer import Explainer
from explanans.utils.hooks import watching

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Passes:
    """Images that went through a network, one by one: forward, and backward from its output."""

    forwards: int = 0
    backwards: int = 0


@contextmanager
def counted(*modules: nn.Module) -> Iterator[Passes]:
    """Counts the images that pass through the modules inside the block, whoever calls them."""
    passes = Passes()

    def back(gradient: Tensor) -> None:
        passes.backwards += len(gradient)

    def forth(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        logits = logits_of(output)
        passes.forwards += len(logits)
        if logits.requires_grad:
            logits.register_hook(back)

    with watching((("", module) for module in modules), forth):
        yield passes


def measure(
    caller: Caller,
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    indices: Sequence[int],
    *,
    batch_size: int,
    seconds: float,
) -> dict[str, Any]:
    """Cost of a method's maps, per image: for the labels of each image, and for all classes.

    The first call only warms up. Then the images are taken ``batch_size`` at a time (one where the method draws),
    until all are done or ``seconds`` have passed; times are medians over the calls, synchronised before and after,
    without loading, normalising or scoring. Memory is the highest rise during the calls. Passes are counted in images,
    backward ones once for every time that a gradient comes from the logits; ``network_forwards_per_image`` are those
    of an Explainer's own network.

    Returns:
        the numbers for the cost file; with an ``error`` and without numbers where the method failed.
    """
    facts = {"device": str(images.device), "threads": torch.get_num_threads(), "warm_up": 1}
    try:
        size = 1 if caller.draws(images[:1], labels[:1], indices[0]) else min(batch_size, len(images))
        warm = caller.generator(indices[0], images.device)
        timed(caller.method, images[:size], labels[:size], warm)
        own = _measured(caller, classifier, images, labels, indices, size, seconds)
        every = _measured(caller, classifier, images, torch.ones_like(labels), indices, size, seconds)
    except Exception as error:
        return {**facts, "error": f"{type(error).__name__}: {error}"}
    return {**own, **{f"{name}_all_classes": value for name, value in every.items()}, "batch_size": size, **facts}


def _measured(
    caller: Caller,
    classifier: nn.Module,
    images: Tensor,
    targets: Tensor,
    indices: Sequence[int],
    size: int,
    seconds: float,
) -> dict[str, Any]:
    method = caller.method
    explainers = (
        [part for part in method.modules() if isinstance(part, Explainer)] if isinstance(method, nn.Module) else []
    )
    times, done = [], 0
    begin = time.perf_counter()
    with (
        peak_memory(images.device) as peak,
        counted(classifier) as passes,
        counted(*(each.network for each in explainers)) as own,
    ):
        # The last ones may be fewer than ``size``, and slower each; they are left out unless they are all there is.
        for start in range(0, max(1, len(images) - size + 1), size):
            rows = slice(start, start + size)
            generator = caller.generator(indices[start], images.device)
            _, spent = timed(method, images[rows], targets[rows], generator)
            times.append(spent / len(images[rows]))
            done += len(images[rows])
            if time.perf_counter() - begin > seconds:
                break
    return {
        "ms_per_image": 1000 * statistics.median(times),
        "peak_memory_mb": peak.megabytes,
        "forwards_per_image": passes.forwards / done,
        "backwards_per_image": passes.backwards / done,
        "network_forwards_per_image": own.forwards / done,
        "images": done,
    }


@dataclass
class Peak:
    """Attributes: megabytes: (10⁶ bytes) known after the block; None where the system does not tell."""

    megabytes: float | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """How far memory rises inside the block above what was held before it.

    On a CUDA device the high-water mark of torch's allocator; on a CPU that of the process's resident memory, which
    Linux can set back to the present (other systems do not tell). There memory that the process had freed but not
    handed back may be reused unseen, so it is handed back first where the C library can.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.megabytes = (torch.cuda.max_memory_allocated(device) - before) / 1e6
        return
    start = _reset()
    yield peak
    if start is not None:
        peak.megabytes = max(0.0, _status("VmHWM") - start)


def _reset() -> float | None:
    if not sys.platform.startswith("linux"):
        return None
    gc.collect()
    # Absent in other C libraries than glibc.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        RESET.write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
