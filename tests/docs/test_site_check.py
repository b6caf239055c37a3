"""The built site is looked through for requests to others, for what is missing, and for tables that are none."""

from __future__ import annotations

from pathlib import Path

from check_site import faults_of


def test_faults_of_a_site(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "here.png").write_bytes(b"")
    (tmp_path / "a.css").write_text("body { background: url(//elsewhere/x.png) } a { color: red }", encoding="utf-8")
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://me"><link rel="stylesheet" href="https://cdn/x.css">'
        '<p id="one">| a | b |</p><a href="https://a-reader-may-click">x</a><a href="#two">y</a>'
        '<a href="sub/b.html#three">z</a><img src="none.png">',
        encoding="utf-8",
    )
    (tmp_path / "sub" / "b.html").write_text(
        '<h1 id="three">b</h1><img src="../here.png"><p>no | table</p>', encoding="utf-8"
    )
    assert faults_of(tmp_path) == [
        "index.html: a table that is left as text: | a | b |",
        "index.html: fetches https://cdn/x.css",
        "index.html: none.png is not there",
        "index.html: #two leads to no anchor",
        "a.css: fetches //elsewhere/x.png",
    ]
