"""Commands and Python in the documentation: what is marked so is run; the rest the command line and Python can read."""

from __future__ import annotations

import ast
import importlib
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from check_pages import DOCS, ROOT, Block, blocks
from explanans.cli.commands import COMMANDS
from explanans.cli.main import _command, main
from explanans.pipelines.first_look import photos

SKILL = ROOT / "src" / "explanans" / "SKILL.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", SKILL, *sorted(DOCS.rglob("*.md"))]
RUN = [page for page in sorted(DOCS.glob("*.md")) if any(block.mark == "run" for block in blocks(page))]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command line of explanans in the pages, with where it stands; those with an ellipsis are no whole ones."""
    for page in PAGES:
        for block in blocks(page):
            if block.language not in ("", "sh"):
                continue
            for line in block.code.replace("\\\n", " ").splitlines():
                for part in line.split("&&"):
                    alone = part.split(" | ")[0].split(" > ")[0]
                    words = shlex.split(alone, comments=True) if "explanans" in part else []
                    if words[:1] == ["explanans"] and not {"…", "..."} & set(words) and "|" not in words:
                        yield f"{page.name}:{block.line}: {' '.join(words)}", words[1:]


def test_commands_are_parsed() -> None:
    """Options, their values and the number of arguments are right; files need not be there."""
    found = dict(commands())
    assert len(found) > 50
    faults = []
    for where, words in found.items():
        name = next((name for n in (2, 1) if (name := " ".join(words[:n])) in COMMANDS), None)
        if name is None:
            faults.append(f"{where}: no such command")
            continue
        try:
            _command(name)[2].parse(words[len(name.split()) :])
        except Exception as error:
            if "neither a file nor a recipe" not in str(error):
                faults.append(f"{where}: {error}")
    assert faults == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_is_python(page: Path) -> None:
    """It is read, and what it imports from explanans is there."""
    for block in blocks(page):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.code.replace("…", "..."))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "explanans":
                module = importlib.import_module(node.module or "")
                for each in node.names:
                    assert hasattr(module, each.name), f"{page.name}:{block.line}: {node.module} has no {each.name}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_what_is_marked_so_is_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with photos()[0].file.open("rb") as source, (tmp_path / "photo.jpg").open("wb") as copy:
        shutil.copyfileobj(source, copy)
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.mark == "run":
            _run(block, names)


def _run(block: Block, names: dict[str, object]) -> None:
    if block.language == "python":
        exec(compile(block.code, f"{block.page.name}:{block.line}", "exec"), names)
        return
    for line in block.code.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "explanans"
        assert main(words[1:]) == 0, line
