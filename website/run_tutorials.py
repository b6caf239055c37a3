"""Scripts of examples/tutorials become pages with what they print and show: ``make tutorials``.

A script is in cells, ``# %%`` for code and ``# %% [markdown]`` for words, as editors and Jupytext know them. Each runs
in an empty folder; what a cell prints, and the value of its last line (a picture, an explanation, anything else), is
written below it. With ``TUTORIALS=short`` in the environment it does the same on less, in seconds: for the tests.

    python website/run_tutorials.py [NAME ...]
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from check_pages import DOCS, ROOT

SCRIPTS = ROOT / "examples" / "tutorials"
PAGES = DOCS / "tutorials"
BEGIN, END = "<!-- output -->", "<!-- end of output -->"
WIDTH = 1200
_CELL = re.compile(r"^# %%( \[markdown\])?.*\n", re.MULTILINE)


@dataclass
class Cell:
    """A cell of a script, and what came of it.

    Attributes:
        markdown: whether it holds words.
        text: its source; words without their comment signs.
        printed: what it printed, and its last value.
        pictures: what it showed.
    """

    markdown: bool
    text: str
    printed: str = ""
    pictures: list[Image.Image] = field(default_factory=list)


def cells_of(script: Path) -> list[Cell]:
    """The cells of a script; what stands above the first is left out."""
    _, *parts = _CELL.split(script.read_text(encoding="utf-8"))
    found = []
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        words = re.sub(r"^# ?", "", text, flags=re.MULTILINE) if kind else text
        found.append(Cell(bool(kind), words.strip("\n")))
    return found


def run(script: Path, *, short: bool, folder: Path) -> list[Cell]:
    """Run a script cell by cell in a folder; the environment's TUTORIALS says how much."""
    cells = cells_of(script)
    names: dict[str, Any] = {"__name__": "__main__"}
    with _within(folder, "short" if short else "full"):
        for cell in cells:
            if not cell.markdown:
                _run(cell, names, script)
    return cells


def page(name: str, cells: Sequence[Cell], images: Sequence[str]) -> str:
    """The page of a script; ``images`` are the pictures' files in their order."""
    left = list(images)
    parts = []
    for cell in cells:
        if cell.markdown:
            parts.append(cell.text)
            continue
        parts.append(f"<!-- run -->\n```python\n{cell.text}\n```")
        shown = [f"```text\n{cell.printed.rstrip()}\n```"] if cell.printed.strip() else []
        shown += [f"![What the cell above shows](images/{left.pop(0)})" for _ in cell.pictures]
        if shown:
            parts.append("\n\n".join([BEGIN, *shown, END]))
    parts.append(f"*Made by `python website/run_tutorials.py {name}` from `examples/tutorials/{name}.py`.*")
    return "\n\n".join(parts) + "\n"


def without_output(text: str) -> str:
    """A page without what was measured."""
    return re.sub(rf"{BEGIN}.*?{END}\n\n", "", text, flags=re.DOTALL)


def problems() -> list[str]:
    """Scripts whose page is missing or shows other code."""
    faults = []
    for script in sorted(SCRIPTS.glob("*.py")):
        written = PAGES / f"{script.stem}.md"
        text = written.read_text(encoding="utf-8") if written.is_file() else ""
        if without_output(text) != page(script.stem, cells_of(script), []):
            faults.append(f"docs/tutorials/{script.stem}.md is not of today's script; run make tutorials")
    return faults


def write(script: Path) -> None:
    """Run a script in full and write its page and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        cells = run(script, short=False, folder=Path(folder))
    for old in PAGES.glob(f"images/{script.stem}-*.webp"):
        old.unlink()
    (PAGES / "images").mkdir(parents=True, exist_ok=True)
    names = []
    for picture in (picture for cell in cells for picture in cell.pictures):
        names.append(f"{script.stem}-{len(names) + 1}.webp")
        picture = picture.copy()
        picture.thumbnail((WIDTH, 10 * WIDTH))
        picture.save(PAGES / "images" / names[-1], quality=82, method=6)
    (PAGES / f"{script.stem}.md").write_text(page(script.stem, cells, names), encoding="utf-8")


def _run(cell: Cell, names: dict[str, Any], script: Path) -> None:
    tree = ast.parse(cell.text, str(script))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    # Bars and warnings go where they would: they are no result.
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(script), "exec"), names)
        value = eval(compile(ast.Expression(last.value), str(script), "eval"), names) if last else None
    many = isinstance(value, list) and all(hasattr(each, "figure") or isinstance(each, Image.Image) for each in value)
    for shown in value if many else [value]:
        if isinstance(shown, Image.Image):
            cell.pictures.append(shown)
        elif hasattr(shown, "figure"):
            cell.pictures.append(shown.figure())
        elif shown is not None:
            print(shown if isinstance(shown, str) else repr(shown), file=printed)
    cell.printed = printed.getvalue()


@contextlib.contextmanager
def _within(folder: Path, how: str) -> Iterator[None]:
    before, at = os.environ.get("TUTORIALS"), Path.cwd()
    os.environ["TUTORIALS"] = how
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(at)
        os.environ.pop("TUTORIALS")
        if before is not None:
            os.environ["TUTORIALS"] = before


if __name__ == "__main__":
    asked = sys.argv[1:] or sorted(script.stem for script in SCRIPTS.glob("*.py"))
    os.environ.setdefault("SHARED", str(ROOT.parent / "shared"))
    for each in asked:
        print(each, flush=True)
        write(SCRIPTS / f"{each}.py")
