"""``explanans audit``, as commands/audit.py has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.cli.main import main
from explanans.data.scenes import CLASSES, write_scenes
from explanans.images.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": len(CLASSES), "widths": [4, 8]})
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)
    module = build(source)
    # It sees one class everywhere, and none of the others.
    module.head.bias.data = torch.tensor([9.0, *[-9.0] * 5])  # type: ignore[union-attr]
    folder = tmp_path_factory.mktemp("classifier")
    explanandum = Explanandum(
        module, classes=tuple(CLASSES), activation="sigmoid", preprocessing=preprocessing, source=source
    )
    explanandum.save(folder)
    return folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", train=0, val=5, test=0, size=48, quiet=True)


def test_a_table_and_what_failed(saved: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", str(saved), f"scenes:{scenes}", f"--out={tmp_path / 'out'}", "--device=cpu", "--workers=0"]
    words += ["--method=grad_cam", "--shard_size=3"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "method: grad_cam (asked for)"
    assert lines[1].split() == [
        *("class", "labelled", "seen", "right", "wrong", "missed", "area", "kept", "removed", "hold", "inside"),
        "outside",
    ]
    row = next(line for line in lines if line.startswith("striped star"))
    assert row.split()[3] == "5"
    broken = next((scenes / "JPEGImages").iterdir())
    whole = broken.read_bytes()
    try:
        broken.write_bytes(b"no picture")
        assert main([*words[:3], f"--out={tmp_path / 'other'}", *words[4:]]) == 1
        assert f"failed: {broken}" in capsys.readouterr().err
    finally:
        broken.write_bytes(whole)
