"""Draw the Mermaid diagrams of docs/ with Mermaid itself, in a headless Chromium: ``make diagrams``.

Needs Chromium and, once, the npm registry. What is drawn is kept in website/diagrams and committed, so that nobody who
builds or reads the site needs either. Drawings of texts that are gone are deleted.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from check_pages import DOCS, blocks
from site_fences import DIAGRAMS, drawing_of

MERMAID = "mermaid@11.12.0"
# Colours that stand in the drawing until the page's own take their place, in light and in dark.
COLOURS = {
    "#010203": "var(--md-default-bg-color)",
    "#040506": "var(--md-default-fg-color)",
    "#070809": "var(--md-accent-fg-color)",
    "#0a0b0c": "var(--md-code-bg-color)",
}
PAGE = """<!doctype html><meta charset="utf-8"><body style="font-family: sans-serif; width: 1000px">
<script src="mermaid.min.js"></script><pre id="text">{text}</pre><div id="out"></div><script>
mermaid.initialize({{startOnLoad: false, theme: "base", fontFamily: "sans-serif", flowchart: {{htmlLabels: false}},
  themeVariables: {{fontSize: "14px", background: "#010203", primaryColor: "#0a0b0c", mainBkg: "#0a0b0c",
    primaryTextColor: "#040506", nodeBorder: "#070809", primaryBorderColor: "#070809", lineColor: "#040506"}}}});
mermaid.render("{name}", document.getElementById("text").textContent).then(({{svg}}) => {{
  document.getElementById("text").remove(); document.getElementById("out").innerHTML = svg; }});
</script>"""


def main() -> None:
    texts = [block.code for page in sorted(DOCS.rglob("*.md")) for block in blocks(page) if block.language == "mermaid"]
    DIAGRAMS.mkdir(exist_ok=True)
    for path in set(DIAGRAMS.glob("*.svg")) - {drawing_of(text) for text in texts}:
        path.unlink()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("draw_diagrams: needs chromium, which is not installed")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
            script = archive.extractfile("package/dist/mermaid.min.js")
            assert script is not None
            (scratch / "mermaid.min.js").write_bytes(script.read())
        for text in texts:
            path = drawing_of(text)
            name = f"diagram-{path.stem[:8]}"
            (scratch / "page.html").write_text(PAGE.format(text=html.escape(text), name=name), encoding="utf-8")
            words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
            seen = subprocess.run(
                [chromium, *words, (scratch / "page.html").as_uri()], capture_output=True, text=True, check=True
            )
            found = re.search(r"<svg.*</svg>", seen.stdout, re.DOTALL)
            if found is None:
                sys.exit(f"draw_diagrams: Mermaid drew nothing of:\n{text}")
            svg = found.group()
            for colour, variable in COLOURS.items():
                svg = svg.replace(colour, variable)
            path.write_text(svg + "\n", encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
