"""The errors that docs/troubleshooting.md explains are errors of the code, by their text."""

from __future__ import annotations

import ast
import re
from functools import partial

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
    missing = [error for error in quoted if not any(map(partial(holds, re.split(r"\s*…\s*", error)), known))]
    assert missing == []


def holds(parts: list[str], text: str) -> bool:
    """Whether the parts are in the text, one behind the other."""
    start = 0
    for part in parts:
        start = text.find(part, start)
        if start < 0:
            return False
        start += len(part)
    return True


def test_parts_have_an_order() -> None:
    assert holds(["a b", "", "c"], "the a bc")
    assert not holds(["c", "a b"], "the a bc")
    # What was found is used up.
    assert not holds(["aba", "bab"], "ababa")
