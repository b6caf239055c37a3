"""docs/ has no dead link, no broken table, no page that nothing leads to and no code that nobody looks after."""

from __future__ import annotations

from pathlib import Path

import pytest

import check_pages


def test_docs_are_whole() -> None:
    assert check_pages.problems() == []


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page in a docs/ of its own, beside another one with a heading."""
    monkeypatch.setattr(check_pages, "ROOT", tmp_path)
    monkeypatch.setattr(check_pages, "DOCS", tmp_path / "docs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# All", encoding="utf-8")
    (tmp_path / "docs" / "other.md").write_text("# Other\n\n## The `two` words\n\n## The two words\n", encoding="utf-8")
    return tmp_path / "docs" / "page.md"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[a](other.md) [b](other.md#the-two-words) [c](other.md#the-two-words_1) [d](https://x.org/nothing)", []),
        ("[a](changelog.md) ![b](<other.md> 'title') `[c](none.md)`\n\n```\n[d](none.md)\n```", []),
        ("x\n[a](none.md)", ["docs/page.md:2: none.md is not there"]),
        ("![a](images/none.png)", ["docs/page.md:1: images/none.png is not there"]),
        ("[a](other.md#nothing)", ["docs/page.md:1: other.md#nothing: no heading is called so"]),
        ("[a](#here)\n\n# There", ["docs/page.md:1: #here: no heading is called so"]),
        ("[a](../README.md)", ["docs/page.md:1: ../README.md leads out of docs/, where the site ends"]),
    ],
)
def test_links(page: Path, text: str, faults: list[str]) -> None:
    page.write_text(text, encoding="utf-8")
    assert check_pages.broken_links(page) == faults


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("| a | b |\n|---|:-:|\n| `x|y` | c \\| d |\n\nwords", []),
        ("a norm of\n|a| is\n|b| too", []),
        ("| a |\n|---|\n| 1 |\n\n| 2 |\n| 3 |", [5]),
        ("| a | b |\n|---|---|\n| 1 |", [3]),
        ("| a | b |", [1]),
    ],
)
def test_tables(page: Path, text: str, lines: list[int]) -> None:
    page.write_text(text, encoding="utf-8")
    assert [int(fault.split(":")[1]) for fault in check_pages.broken_tables(page)] == lines


def test_blocks_say_whether_they_are_run(page: Path) -> None:
    page.write_text(
        "<!-- run -->\n```python\n1\n```\n<!-- not run: why -->\n```sh\n2\n```\n"
        "```text\n3\n```\n- x\n\n  ```sh\n  4\n  ```\n",
        encoding="utf-8",
    )
    assert [(block.language, block.mark, block.code) for block in check_pages.blocks(page)] == [
        ("python", "run", "1"),
        ("sh", "not run", "2"),
        ("text", "", "3"),
        ("sh", "", "4"),
    ]
    assert [fault.split(": ")[0] for fault in check_pages.unmarked(page)] == ["docs/page.md:14"]
    page.write_text("<!-- code: checked, not run -->\n```sh\n1\n```", encoding="utf-8")
    assert check_pages.unmarked(page) == []


def test_a_page_that_no_link_reaches(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page.write_text("# Page", encoding="utf-8")
    config = tmp_path / "zensical.toml"
    made = ", ".join(f'{{ "x" = "{name}" }}' for name in check_pages.MADE)
    config.write_text(
        f'[project]\nnav = [{made}, {{ "Part" = [{{ "Gone" = "gone.md" }}, "page.md"] }}]', encoding="utf-8"
    )
    monkeypatch.setattr(check_pages, "CONFIG", config)
    faults = check_pages.unreached()
    assert [fault.split(" ")[0] for fault in faults] == ["docs/other.md", "zensical.toml:"]
    assert "gone.md" in faults[1]
