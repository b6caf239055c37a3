"""A small job into a folder of this machine, and every file in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explanans.deploy.batch import Options, explain_shards
from explanans.explainers.explainer import Explainer


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(explainer: Explainer, photos: Path, out: Path, **changes: Any) -> Any:
    options = Options(**{"batch_size": 2, "top_k": 2, **changes})
    return explain_shards(explainer, [photos], out, options, shard_size=4, workers=0)
