"""What a folder of shards says of its job, readable without what reads shards."""

from __future__ import annotations

from pathlib import Path

from explanans.utils.paths import local_path
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


def format_of(out: str | Path) -> str | None:
    """That of the job in a place; None where there is none."""
    folder = local_path(str(out))
    if folder is not None:
        return _format(folder)
    # It brings what reads object storage.
    from explanans.deploy.batch.places import place_of

    with place_of(out).opened(JOB) as home:
        return _format(home)


def _format(home: Path) -> str | None:
    path = home / JOB
    return read_json(path, RECORD)["settings"]["options"]["format"] if path.is_file() else None
