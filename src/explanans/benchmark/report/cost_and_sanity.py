"""The tables beside the scores: what each method costs, and how like its maps stay while weights are randomised."""

from __future__ import annotations

import math
from collections.abc import Iterable

from explanans.benchmark.report.paper_tables import written_csv
from explanans.benchmark.results import Results

COSTS = {
    "ms_per_image": "ms per image ↓",
    "ms_per_image_all_classes": "ms, all classes ↓",
    "peak_memory_mb": "memory, MB ↓",
    "forwards_per_image": "forwards ↓",
    "backwards_per_image": "backwards ↓",
    "network_forwards_per_image": "own network ↓",
    "batch_size": "batch",
    "threads": "threads",
    "device": "device",
}
"""Columns of the cost table, and what each is called."""


def cost_rows(results: Results, classifier: str) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the cost table, cheapest first; none for a method not measured yet."""
    measured = {method: results.costs(classifier, method) for method in results.methods}
    found = {method: cost for method, cost in measured.items() if cost is not None}
    columns = [name for name in COSTS if any(name in cost for cost in found.values())]
    lines = []
    for method, cost in sorted(found.items(), key=lambda each: each[1].get("ms_per_image", math.inf)):
        cells = [significant(cost[name]) if cost.get(name) is not None else "–" for name in columns]
        lines.append([results.title(method) + (" (failed)" if cost.get("error") else ""), *cells])
    return ["method", *(COSTS[name] for name in columns)], lines


def cost_csv(results: Results, classifier: str) -> str:
    names = [*COSTS, "error"]
    measured = {method: results.costs(classifier, method) for method in results.methods}
    lines = [
        [classifier, method, results.title(method), *("" if cost.get(name) is None else cost[name] for name in names)]
        for method, cost in measured.items()
        if cost is not None
    ]
    return written_csv(["classifier", "method", "title", *names], lines)


def sanity_rows(results: Results, classifier: str, methods: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Header and a line for each method that was measured: Spearman / SSIM after each stage, and maps that failed."""
    found = {method: results.sanity(classifier, method) for method in methods}
    measured = {method: each for method, each in found.items() if each and each.get("stages")}
    most = max((len(each["stages"]) for each in measured.values()), default=0)
    lines = []
    for method, each in measured.items():
        cells = [f"{stage['spearman']:.2f} / {stage['ssim']:.2f}" for stage in each["stages"]]
        failed = sum(stage.get("failed", 0) for stage in each["stages"])
        first = [results.title(method), str(each.get("randomised", ""))]
        lines.append([*first, *cells, *["–"] * (most - len(cells)), str(failed)])
    return ["method", "randomised", *(f"stage {stage + 1}" for stage in range(most)), "no map"], lines


def significant(value: float | str) -> str:
    """Three significant digits with commas between thousands, never an exponent; whole numbers and text as they are."""
    if isinstance(value, str) or float(value).is_integer():
        return value if isinstance(value, str) else f"{int(value):,}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
