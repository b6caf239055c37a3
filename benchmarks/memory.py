"""A training step with and without ``keep_freed_memory``: seconds, share of the system's, and peak memory.

    python benchmarks/memory.py

MobileNetV2 forward and backward, 32 images of 224 × 224, one thread; each variant in a process of its own, in turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

STEPS, TURNS = 6, 3


def measure(keep: bool) -> dict[str, float]:
    import timm
    import torch

    from explanans.utils.memory import keep_freed_memory

    if keep and not keep_freed_memory():
        raise SystemExit("this system's allocator has no such setting")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = timm.create_model("mobilenetv2_100", num_classes=6).eval().to(memory_format=torch.channels_last)
    images = torch.randn(32, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    for step in range(STEPS + 1):
        if step == 1:
            start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        module(images).sum().backward()
        module.zero_grad()
    end = resource.getrusage(resource.RUSAGE_SELF)
    user, system = end.ru_utime - used.ru_utime, end.ru_stime - used.ru_stime
    return {
        "seconds": (time.perf_counter() - start) / STEPS,
        "processor seconds": (user + system) / STEPS,
        "of them the system's": system / STEPS,
        "peak GiB": end.ru_maxrss / 2**20,
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1] == "keep")))
        return
    runs: dict[str, list[dict[str, float]]] = {"default": [], "keep": []}
    for _ in range(TURNS):
        for name, measured in runs.items():
            result = subprocess.run([sys.executable, __file__, name], capture_output=True, check=True, text=True)
            measured.append(json.loads(result.stdout))
    for name, measured in runs.items():
        medians = {key: statistics.median(each[key] for each in measured) for key in measured[0]}
        print(f"{name:8}", "  ".join(f"{key} {value:.2f}" for key, value in medians.items()))


if __name__ == "__main__":
    main()
