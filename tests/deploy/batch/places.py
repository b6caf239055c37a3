"""A job that goes into object storage or into a folder, and what lies there afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explanans.cli.main import main
from explanans.deploy.batch import Options, explain_shards
from explanans.explainers.explainer import Explainer

OPTIONS = ["--top_k=2", "--batch_size=2", "--shard_size=4", "--threads=1", "--device=cpu", "--quiet"]


def there(client: Any, place: str) -> dict[str, bytes]:
    """What lies below; the empty objects that mark a folder, as pyarrow leaves them, say nothing."""
    start = f"{place.partition('/')[2]}/"
    found = client.list_objects_v2(Bucket="results", Prefix=start).get("Contents", [])
    names = [each["Key"] for each in found if not each["Key"].endswith("/")]
    return {name[len(start) :]: client.get_object(Bucket="results", Key=name)["Body"].read() for name in names}


def here(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def run(explainer: Explainer, photos: Path, out: str | Path, **more: Any) -> Any:
    options = Options(batch_size=2, top_k=2, threads=1)
    return explain_shards(explainer, [photos], out, options, shard_size=4, workers=0, **more)


def explain(saved: Path, photos: Path, out: str | Path, form: str = "parquet", workers: int = 0) -> int:
    """1, since a picture cannot be read."""
    words = ["explain", str(saved), str(photos), "--out", str(out), f"--format={form}", f"--workers={workers}"]
    return main([*words, "--no_receipts", *OPTIONS])
