"""The errors that docs/troubleshooting.md explains are errors of the code, by their text."""

from __future__ import annotations

import ast
import re

from check_pages import DOCS, ROOT

PAGE = DOCS / "troubleshooting.md"


def texts() -> list[str]:
    """Every text in the code, with … where it is filled in."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.append("".join(map(str, parts)))
    return found


def test_every_error_of_the_page_is_in_the_code() -> None:
    quoted = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 25
    known = texts()
    missing = [
        error
        for error in quoted
        if not any(re.search(".*".join(map(re.escape, re.split(r"\s*…\s*", error))), text, re.DOTALL) for text in known)
    ]
    assert missing == []
