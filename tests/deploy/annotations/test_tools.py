from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from explanans.cli.main import main
from explanans.deploy.annotations.drawn import Drawn, write_drawn
from explanans.deploy.annotations.label_studio import read_label_studio
from explanans.deploy.annotations.tools import write_annotations
from explanans.errors import InputError


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "voc"], "labelstudio"),
        (["--root", "/nowhere"], "is not in it"),
        (["--classes", "a,b"], "with --back"),
        (["--format", "yolo", "--back"], "read back from labelstudio and coco"),
        (["--format", "coco", "--back"], "give the folder, --root photos"),
    ],
)
def test_wrong_commands(
    explained: Path, tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(explained / "out"), "--out", str(tmp_path / "x"), *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.bad_input
def test_wrong_exports(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(InputError, match="no list of tasks"):
        list(read_label_studio(tmp_path / "export.json"))
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="nothing was drawn"):
        write_drawn([], tmp_path / "out", root=tmp_path)
    with pytest.raises(InputError, match="'x' was drawn and is not among"):
        write_drawn([Drawn("a", "x", np.ones((2, 2), bool))], tmp_path / "out", ["y"], root=tmp_path)
    several = [Drawn("a", "x", np.ones((2, 2), bool)), Drawn("a", "y", np.ones((2, 3), bool))]
    with pytest.raises(InputError, match="several sizes"):
        write_drawn(several, tmp_path / "out", root=tmp_path)
    index = {"settings": {"classifier": {}, "options": {}}, "images": []}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="without regions"):
        write_annotations(tmp_path, tmp_path / "out", "coco")
