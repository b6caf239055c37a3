"""Each tutorial runs in its short form, and its page shows the script as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

import run_tutorials
from run_tutorials import SCRIPTS, Cell, cells_of, page, run, without_output

SHARED = ("magnetic_tiles",)


def test_pages_are_of_the_scripts() -> None:
    assert run_tutorials.problems() == []


@pytest.mark.parametrize(
    "script", [each for each in sorted(SCRIPTS.glob("*.py")) if each.stem not in SHARED], ids=lambda it: it.stem
)
def test_the_short_form_runs(script: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cells = run(script, short=True, folder=tmp_path)
    assert any(cell.printed for cell in cells)


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED)
def test_the_short_form_runs_on_real_data(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHARED", str(shared))
    assert any(cell.printed for cell in run(SCRIPTS / f"{name}.py", short=True, folder=tmp_path))


def test_cells_become_a_page(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "small.py"
    script.write_text(
        "ignored\n# %% [markdown]\n# # Title\n#\n# Words\n\n"
        "# %%\nimport os\nprint(os.environ['TUTORIALS'])\n40 + 2\n\n# %%\nx = 1\n",
        encoding="utf-8",
    )
    cells = run(script, short=True, folder=tmp_path)
    assert cells == [
        Cell(True, "# Title\n\nWords"),
        Cell(False, "import os\nprint(os.environ['TUTORIALS'])\n40 + 2", "short\n42\n"),
        Cell(False, "x = 1"),
    ]
    text = page("small", cells, [])
    assert "<!-- output -->\n\n```text\nshort\n42\n```\n\n<!-- end of output -->" in text
    assert without_output(text) == page("small", cells_of(script), [])
