"""What another command left, read by the next: whole, with regions, or a message that says how to make it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from explanans.deploy.batch.explained import read_index
from explanans.errors import InputError


def index(folder: Path, options: object) -> Path:
    (folder / "index.json").write_text(json.dumps({"settings": {"classifier": {}, "options": options}, "images": []}))
    return folder


def test_an_index_with_regions(tmp_path: Path) -> None:
    options = {"regions": {"mm_per_pixel": 0.2}}
    assert read_index(index(tmp_path, options))["settings"]["options"] == options


@pytest.mark.bad_input
def test_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is no folder of explanations; make some: explanans explain"):
        read_index(tmp_path / "nowhere")
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="holds no explanations; make some: explanans explain WHO PICTURES --regions"):
        read_index(tmp_path)
    with pytest.raises(InputError, match="without regions; make them with explanans explain --regions"):
        read_index(index(tmp_path, {}))
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(InputError, match="put back a copy of it"):
        read_index(tmp_path)
