"""How like a method's maps stay to themselves while weights are randomised."""

from __future__ import annotations

from collections.abc import Iterable

from explanans.benchmark.report.tables import method_title
from explanans.benchmark.results import Results


def sanity_rows(results: Results, classifier: str, methods: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Header and a line for each method that was measured: Spearman / SSIM after each stage, and maps that failed."""
    found = {method: results.sanity(classifier, method) for method in methods}
    measured = {method: each for method, each in found.items() if each and each.get("stages")}
    most = max((len(each["stages"]) for each in measured.values()), default=0)
    lines = []
    for method, each in measured.items():
        cells = [f"{stage['spearman']:.2f} / {stage['ssim']:.2f}" for stage in each["stages"]]
        failed = sum(stage.get("failed", 0) for stage in each["stages"])
        first = [method_title(results, method), str(each.get("randomised", ""))]
        lines.append([*first, *cells, *["–"] * (most - len(cells)), str(failed)])
    return ["method", "randomised", *(f"stage {stage + 1}" for stage in range(most)), "no map"], lines
