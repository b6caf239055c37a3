"""Names that hold what a name seldom does: NUL bytes, no UTF-8, codes that steer a terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.cli.main import main
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing


def test_a_nul_byte_is_refused_wherever_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (["fit", "a\0b", "c"], ["fit", "saved", "folder:\0"], ["fit", "saved", "x", "--out", "a\0b"])
    for words in (*lines, ["explain", "saved", "photos", "a\0.png"], ["data", "scenes", "a\0b"]):
        assert main(words) == 2
        assert "has a NUL byte" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_is_taken_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (40, 30)).save(here / "plain.png")
    (here / "plain.png").rename(here / name)
    assert main(["explain", "explainer", name, "--top_k=1", "--out", os.fsdecode(b"out\xe9")]) == 0
    captured = capsys.readouterr()
    assert r"caf\xe9.png" in captured.out
    assert r"out\xe9" in captured.out
    assert main(["explain", "explainer", os.fsdecode(b"no\xe9.png"), "--out", "new"]) == 1
    assert r"failed: no\xe9.png: no such file" in capsys.readouterr().err
    assert main(["explain", "explainer", os.fsdecode(b"no\xe9.zip"), "--out", "newer"]) == 2
    assert r"no\xe9.zip does not exist" in capsys.readouterr().err


def test_names_send_no_codes_to_the_terminal(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red = "\x1b[31mred\x07"
    source = Source("explanans:small_resnet", {"num_classes": 2})
    explanandum = Explanandum(
        build(source),
        classes=[red, "dog"],
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=source,
    )
    Explainer(explanandum, "compact").save_pretrained(tmp_path / "explainer")
    Image.new("RGB", (40, 30)).save(tmp_path / f"{red}.png")
    words = ["explain", str(tmp_path / "explainer"), str(tmp_path / f"{red}.png"), "--top_k=2", "--format=folders"]
    assert main([*words, "--out", str(tmp_path / red)]) == 0
    for line in (["fit", red, "x"], [red], ["fit", "saved", "x", f"--{red}"], ["explain", "saved", f"{red}.png"]):
        assert main(line) == 2
    captured = capsys.readouterr()
    assert r"\x1b[31mred\x07" in captured.out
    assert "\x1b" not in captured.out + captured.err
    assert "\x07" not in captured.out + captured.err
