"""What other programs read: llms.txt, SKILL.md in the package, CITATION.cff, the templates of issues, the groups."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest
import yaml

from check_pages import DOCS, MADE, ROOT


def test_llms_txt_leads_to_pages() -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# explanans\n\n> ")
    names = [name.removesuffix(".html") + ".md" for name in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(names) > 15
    assert [name for name in names if name not in MADE and not (DOCS / name).is_file()] == []


def test_skill_is_in_the_package() -> None:
    text = (resources.files("explanans") / "SKILL.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["name"] == "explanans"
    assert 50 < len(head["description"]) < 1024
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "SKILL.md" in project["tool"]["setuptools"]["package-data"]["*"]


def test_citation_names_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    paper = cited["preferred-citation"]
    assert paper["title"] == "What You See is What You Classify: Black Box Attributions"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Stalder", "Perraudin", "Achanta", "Perez-Cruz", "Volpi",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["bug", "proposal", "unclear"])
def test_templates_of_issues(name: str) -> None:
    template = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(template)
    ids = [part["id"] for part in template["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0


def test_the_docs_group_is_in_the_extra_that_make_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["dependency-groups"]["docs"]) <= set(project["project"]["optional-dependencies"]["dev"])
