"""Build the site into build/site: ``make docs``. Strict, without a network; every fault is listed, and ends the build.

The pages are docs/ itself, copied to build/docs, and three that are made here: the changelog and the guide of
contributors, from the root, and the commands with their help.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import check_pages
import method_matrix
import run_tutorials
from check_pages import CONFIG, DOCS, ROOT
from check_site import faults_of

STAGE = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
TOOLS = Path(__file__).parent


def main() -> int:
    faults = [*check_pages.problems(), *method_matrix.problems(), *run_tutorials.problems()]
    if not faults:
        stage()
        # Only in the environment can the tool be told where the formatter of diagrams lies.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOOLS), str(ROOT / "src")])}
        words = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", str(CONFIG)]
        if subprocess.run(words, cwd=ROOT, env=environment).returncode:
            return 1
        faults = faults_of(SITE)
    print("\n".join(faults))
    print(f"{len(faults)} faults" if faults else f"{SITE.relative_to(ROOT)}/index.html")
    return bool(faults)


def stage() -> None:
    """Lay out the pages as the site's tool wants them."""
    for folder in (STAGE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, STAGE)
    shutil.copy(TOOLS / "site.css", STAGE / "site.css")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (STAGE / name.lower()).write_text(text.replace("](docs/", "]("), encoding="utf-8")
    (STAGE / "reference" / "commands.md").write_text(commands(), encoding="utf-8")


def commands() -> str:
    """The page of the commands: the help of each, as it is printed."""
    sys.path.insert(0, str(ROOT / "src"))
    os.environ.update(NO_COLOR="1", COLUMNS="84")
    from explanans.cli.commands import COMMANDS
    from explanans.cli.main import _help

    parts = ["# Command line", "Every command prints this with `--help`."]
    for name, command in COMMANDS.items():
        text = re.sub(r"[ \t]+$", "", _help(name), flags=re.MULTILINE)
        parts += [
            f"## explanans {name}",
            f"{command.summary[0].upper()}{command.summary[1:]}.",
            f"```text\n{text}\n```",
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
