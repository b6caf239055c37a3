"""Diagrams of the site as they were drawn before: a fence ``mermaid`` becomes the SVG that belongs to its text.

The theme would fetch Mermaid from a server when a page is read. So each diagram is drawn once, by
``draw_diagrams.py``, and kept in ``website/diagrams`` under the hash of its text: a changed text without a new drawing
is an error of the build.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

DIAGRAMS = Path(__file__).parent / "diagrams"


def drawing_of(text: str) -> Path:
    """The file that holds the drawing of a diagram."""
    return DIAGRAMS / f"{hashlib.sha256(text.strip().encode()).hexdigest()[:16]}.svg"


def drawn(source: str, language: str, css_class: str, options: Any, md: Any, **kwargs: Any) -> str:
    """What ``pymdownx.superfences`` puts in place of the fence.

    Raises:
        RuntimeError: nobody has drawn this text.
    """
    path = drawing_of(source)
    if not path.is_file():
        raise RuntimeError(f"{path.name} is missing: a Mermaid diagram was changed. Draw it: make diagrams")
    return f'<div class="diagram">{path.read_text(encoding="utf-8")}</div>'
