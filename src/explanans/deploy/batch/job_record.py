"""What a folder of shards says of its job, readable without what reads shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explanans.utils.records import Kind, read_json

JOB = "job.json"
RECORD = Kind(
    "batch job",
    "put back a copy of it, or name a new folder",
    {
        "settings": {"classifier": dict, "images": [str], "shard_size": int, "options": {"format": str}},
        "classes": [str],
    },
)


def settings_of(out: str | Path) -> dict[str, Any]:
    """The settings in ``job.json``."""
    return read_json(Path(out) / JOB, RECORD)["settings"]
